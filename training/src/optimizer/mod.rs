//! The optimiser and what belongs to a step (spec: training, sections 6 to 8).

mod accumulation;
mod adam;
mod loss_scale;
mod schedule;

pub use accumulation::Accumulation;
pub use adam::{Adam, AdamSettings, AdamState};
pub use loss_scale::{LossScale, LossScaleState, TooManySkips};
pub use schedule::MultiStep;
