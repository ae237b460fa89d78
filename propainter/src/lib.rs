//! Video inpainting with ProPainter as a stream.

mod cancel;
mod device;
mod error;
mod frame;
pub mod kernels;
pub mod networks;
pub mod resize;
pub mod weights;

pub use cancel::Cancel;
pub use device::DeviceChoice;
pub use error::Error;
pub use frame::{Done, Frame, Mask};
