//! RAFT's convex upsampling of a flow from 1/8 of the resolution to all of it (spec section 2).

pub mod cube;

use burn::tensor::{Tensor, activation::softmax, ops::PadMode};

/// Upsamples a flow by 8. Each fine flow is a convex combination of the 3×3 coarse flows around
/// it; coarse flows outside the image count as zero.
///
/// - `flow`: `[B, 2, h, w]`, in coarse pixels
/// - `mask`: `[B, 576, h, w]`, the logits of the weights, ordered (neighbour 9, row 8, column 8)
///
/// Returns `[B, 2, 8·h, 8·w]`, in fine pixels.
pub fn convex_upsample(flow: Tensor<4>, mask: Tensor<4>) -> Tensor<4> {
    cube::convex_upsample(&flow, &mask).unwrap_or_else(|| convex_upsample_reference(flow, mask))
}

/// Computes [`convex_upsample`] in tensor operations.
pub fn convex_upsample_reference(flow: Tensor<4>, mask: Tensor<4>) -> Tensor<4> {
    let [batch, _, height, width] = flow.dims();
    let pixels = height * width;
    let weights = softmax(mask.reshape([batch, 9, 64, pixels]), 1);
    let padded = (flow * 8.0).pad([(1, 1), (1, 1)], PadMode::Constant(0.0));
    let neighbours = (0..9).map(|k| {
        let shifted = padded.clone().narrow(2, k / 3, height);
        let neighbour = shifted.narrow(3, k % 3, width);
        let neighbour: Tensor<4> = neighbour.reshape([batch, 2, 1, pixels]);
        neighbour * weights.clone().narrow(1, k, 1) // [B, 2, 64, P]
    });
    let fine = neighbours.reduce(|sum, next| sum + next);
    let fine: Tensor<6> = fine
        .expect("nine neighbours")
        .reshape([batch, 2, 8, 8, height, width]);
    fine.permute([0, 1, 4, 2, 5, 3])
        .reshape([batch, 2, 8 * height, 8 * width])
}
