//! Video inpainting with ProPainter as a stream.

mod area;
mod cancel;
mod device;
mod engine;
mod error;
mod frame;
pub mod isa;
pub mod kernels;
pub mod memory;
pub mod networks;
mod precision;
pub mod propagation;
pub mod resize;
pub mod scene_cuts;
pub mod scenes;
pub mod schedule;
mod session;
mod stream;
pub mod weights;

pub use area::Area;
pub use cancel::Cancel;
pub use device::DeviceChoice;
pub use error::Error;
pub use frame::{Done, Frame, Mask};
pub use memory::Limits;
pub use precision::{Numbers, Precision};
pub use session::{Config, Mode, Model, OpenOptions, Roi, Session, Stats, Warm, fill_single_frame};
