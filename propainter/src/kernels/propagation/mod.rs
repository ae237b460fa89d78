//! One step of image propagation: fills the hole of a frame from the next frame in the order of a
//! pass (spec section 4).

pub mod cube;

use burn::tensor::Tensor;

use super::warp::{Sampling, consistency, warp};

/// A frame `[1, 3, H, W]`, 0 inside its mask, and the mask `[1, 1, H, W]`, 1 inside.
pub type FrameAndMask = (Tensor<4>, Tensor<4>);

/// Copies the pixels of `neighbour` that `flow` leads to into the mask of `frame`, where the flow
/// and the flow back agree and the neighbour knows the pixel.
///
/// - `flow`: `[1, 2, H, W]`, in pixels, from the frame to its neighbour
/// - `check`: the same, from the neighbour to the frame
///
/// Returns the frame with these pixels, and the mask of those that are still missing.
pub fn propagation_step(
    frame: &FrameAndMask,
    neighbour: &FrameAndMask,
    [flow, check]: [&Tensor<4>; 2],
) -> FrameAndMask {
    cube::propagation_step(frame, neighbour, [flow, check])
        .unwrap_or_else(|| propagation_step_reference(frame, neighbour, [flow, check]))
}

/// Computes [`propagation_step`] in tensor operations.
pub fn propagation_step_reference(
    (image, mask): &FrameAndMask,
    (source, source_mask): &FrameAndMask,
    [flow, check]: [&Tensor<4>; 2],
) -> FrameAndMask {
    let valid = consistency(flow.clone(), check.clone());
    let carried = warp(source.clone(), flow.clone(), Sampling::Nearest);
    let carried_mask = binarise(warp(source_mask.clone(), flow.clone(), Sampling::Bilinear));
    let reached = valid * (-carried_mask + 1.0);
    let take = binarise(mask.clone() * reached.clone());
    let image = take.clone() * carried + (-take + 1.0) * image.clone();
    (image, binarise(mask.clone() * (-reached + 1.0)))
}

/// Returns 1 where a mask is above 0.1, else 0.
fn binarise(mask: Tensor<4>) -> Tensor<4> {
    mask.greater_elem(0.1).float()
}
