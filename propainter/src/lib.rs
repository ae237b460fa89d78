//! Video inpainting with ProPainter as a stream.

mod area;
mod cancel;
pub mod classical;
mod device;
mod engine;
mod error;
mod frame;
pub mod isa;
pub mod kernels;
pub mod memory;
pub mod networks;
mod precision;
pub mod resize;
pub mod scene_cuts;
mod session;
pub mod synthetic;
pub mod weights;
pub mod windows;

pub use area::Area;
pub use cancel::Cancel;
pub use device::DeviceChoice;
pub use error::Error;
pub use frame::{Done, Frame, Mask};
pub use memory::Limits;
pub use precision::{Numbers, Precision};
pub use session::{Config, Mode, Model, Roi, Session, Stats, Warm, stop_gap};
