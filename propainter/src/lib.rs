//! Video inpainting as a stream: frames and masks in, inpainted frames out.
//!
//! - [`Session`], opened with a [`Config`], inpaints a stream; [`Warm`] prepares one
//! - [`Frame`], [`Mask`] and [`InpaintedFrame`] go in and come out
//! - [`memory`] limits the memory of a session and reports what it takes
//! - [`weights`] finds, reads and converts the checkpoints of the networks
//!
//! The cargo feature `networks`, on by default, adds the networks of ProPainter. Without it the
//! engine is the classical one, and neither a tensor library nor LLVM nor CUDA is built.

#![warn(missing_docs)]

mod cancel;
mod classical;
mod device;
mod dtype;
mod effort;
mod engine;
mod error;
mod frame;
mod geometry;
#[cfg(feature = "networks")]
mod kernels;
pub mod memory;
#[cfg(feature = "networks")]
mod networks;
mod precision;
mod resize;
mod scene_cuts;
mod schedule;
#[cfg(feature = "networks")]
mod self_test;
mod session;
mod stage;
#[cfg(feature = "networks")]
mod stream;
mod synthetic;
pub mod weights;

#[doc(hidden)]
pub mod internals;

pub use cancel::Cancel;
pub use device::DeviceChoice;
pub use dtype::DType;
pub use effort::{EffortStats, Tier, TimeLimit};
pub use error::Error;
pub use frame::{Frame, InpaintedFrame, Mask};
pub use geometry::{Border, Rect};
pub use memory::Limits;
pub use precision::Precision;
pub use schedule::Segment;
pub use session::{
    Config, CropMode, Mode, Model, OpenOptions, Segments, Session, Stats, Warm, fill_single_frame,
};
