//! Image propagation: known pixels carried into the hole along completed flows
//! (spec section 4). No weights.

use burn::tensor::Tensor;

use crate::kernels::warp::{Sampling, consistency, warp};

/// Carries pixels into the holes, backward in time, then forward.
///
/// - `frames`: `[T, 3, H, W]`, any content in the holes
/// - `masks`: `[T, 1, H, W]`, 1 is the hole
/// - `forward`, `backward`: completed flows `[T−1, 2, H, W]`; `None` for one frame
///
/// Returns the updated frames (the source outside the holes, what was carried inside,
/// 0 where nothing reached) and the masks of what is still missing.
pub fn propagate(
    frames: Tensor<4>,
    masks: Tensor<4>,
    flows: Option<(Tensor<4>, Tensor<4>)>,
) -> (Tensor<4>, Tensor<4>) {
    let length = frames.dims()[0];
    let known = frames * (-masks.clone() + 1.0);
    let mut state: Vec<_> = (0..length)
        .map(|t| (at(&known, t), at(&masks, t)))
        .collect();
    if let Some((forward, backward)) = flows {
        for t in (0..length - 1).rev() {
            let flow = (at(&forward, t), at(&backward, t));
            state[t] = step(&state[t], &state[t + 1], flow);
        }
        for t in 1..length {
            let flow = (at(&backward, t - 1), at(&forward, t - 1));
            state[t] = step(&state[t], &state[t - 1], flow);
        }
    }
    let (filled, missing): (Vec<_>, Vec<_>) = state.into_iter().unzip();
    (
        known + Tensor::cat(filled, 0) * masks,
        Tensor::cat(missing, 0),
    )
}

/// One frame from its neighbour in pass order. `flow` leads from the frame to the neighbour,
/// `check` back.
fn step(
    (image, mask): &(Tensor<4>, Tensor<4>),
    (source, source_mask): &(Tensor<4>, Tensor<4>),
    (flow, check): (Tensor<4>, Tensor<4>),
) -> (Tensor<4>, Tensor<4>) {
    let valid = consistency(flow.clone(), check);
    let carried = warp(source.clone(), flow.clone(), Sampling::Nearest);
    let carried_mask = binarise(warp(source_mask.clone(), flow, Sampling::Bilinear));
    let reached = valid * (-carried_mask + 1.0);
    let take = binarise(mask.clone() * reached.clone());
    let image = take.clone() * carried + (-take + 1.0) * image.clone();
    (image, binarise(mask.clone() * (-reached + 1.0)))
}

fn binarise(mask: Tensor<4>) -> Tensor<4> {
    mask.greater_elem(0.1).float()
}

fn at(batch: &Tensor<4>, index: usize) -> Tensor<4> {
    batch.clone().narrow(0, index, 1)
}
