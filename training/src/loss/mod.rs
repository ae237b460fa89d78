//! The losses of both trainings (spec: training, sections 4 and 6). All are computed in `f32`.
//!
//! A mean over an empty hole, or over a hole that leaves nothing, divides by zero: samples have to be
//! [partial](crate::masks::is_partial).

mod census;
mod edge;
mod flow;
mod generator;
mod neighbours;
mod smoothness;

use burn::tensor::Tensor;

pub use census::census;
pub use edge::edge;
pub use flow::{FlowDirection, FlowLoss, FlowTerms, FlowValues};
pub use generator::{DiscriminatorLoss, GeneratorLoss, GeneratorValues, adversarial, compose};
pub use smoothness::{first_order, second_order};

/// Returns ⟨|a·w − b·w|⟩ / ⟨w⟩ for weights `w` of one channel; ⟨·⟩ is the mean over all elements, so
/// the differences of all channels are averaged.
///
/// - `a`, `b`: `[B, T, C, H, W]`
/// - `weights`: `[B, T, 1, H, W]`
///
/// Returns `[1]`.
pub fn weighted_l1(a: Tensor<5>, b: Tensor<5>, weights: Tensor<5>) -> Tensor<1> {
    let difference = (a * weights.clone() - b * weights.clone()).abs();
    difference.mean() / weights.mean()
}

/// Returns the picture outside of holes: 1 − m.
fn rest(holes: &Tensor<5>) -> Tensor<5> {
    holes.clone().neg() + 1.0
}

/// Joins clips and frames: `[B, T, C, H, W]` → `[B·T, C, H, W]`.
fn frames(video: Tensor<5>) -> Tensor<4> {
    video.flatten(0, 1)
}
