//! Video inpainting with ProPainter as a stream.

mod cancel;
#[doc(hidden)]
pub mod cuda;
mod device;
mod dtype;
mod engine;
mod error;
mod frame;
mod geometry;
pub mod isa;
pub mod kernels;
pub mod memory;
pub mod networks;
mod precision;
pub mod propagation;
pub mod resize;
pub mod scene_cuts;
pub mod scenes;
mod session;
pub mod weights;
pub mod windows;

pub use cancel::Cancel;
pub use device::DeviceChoice;
pub use dtype::DType;
pub use error::Error;
pub use frame::{Done, Frame, Mask};
pub use geometry::Rect;
pub use memory::Limits;
pub use precision::Precision;
pub use session::{Config, Mode, Model, Roi, Session, Stats, Warm, stop_gap};
