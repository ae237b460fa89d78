//! A flow at a quarter of the resolution (spec section 5).

pub mod cube;

use burn::tensor::{Tensor, s};

/// Downscales a flow `[B, 2, H, W]` to a quarter of the resolution, `[B, 2, H/4, W/4]`, in pixels of
/// that resolution. Bilinear interpolation without aligned corners is the mean of the middle 2×2 pixels
/// of each 4×4.
pub fn quarter_flow(flow: Tensor<4>) -> Tensor<4> {
    cube::quarter_flow(&flow).unwrap_or_else(|| quarter_flow_reference(flow))
}

/// Computes [`quarter_flow`] in tensor operations.
pub fn quarter_flow_reference(flow: Tensor<4>) -> Tensor<4> {
    let sum = flow.clone().slice(s![.., .., 1..;4, 1..;4])
        + flow.clone().slice(s![.., .., 1..;4, 2..;4])
        + flow.clone().slice(s![.., .., 2..;4, 1..;4])
        + flow.slice(s![.., .., 2..;4, 2..;4]);
    // A quarter for the mean, and a quarter because a pixel is four times as large.
    sum * (1.0 / 16.0)
}
