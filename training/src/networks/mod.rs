//! The networks of inference, on recorded parameters and whole clips.
//!
//! [`state()`] brings parameters into the order of a network's state dict, [`initial()`] makes new ones.
//! [`FlowCompletionNet`] and [`GeneratorNet`] are built anew for each step from
//! [`Recorded`](crate::parameters::Recorded) parameters, whose gradients the backward pass gives.
//! [`Frozen`] computes what the generator's training takes as given.

mod computing;
mod edge_head;
mod flow_completion;
mod frozen;
mod generator;
mod initial;
mod source;
mod state;

pub use computing::Computing;
pub use flow_completion::{FlowCompletionNet, FlowPrediction};
pub use frozen::{Frozen, FrozenClip};
pub use generator::{GeneratorClip, GeneratorNet};
pub use initial::initial;
pub use state::state;
