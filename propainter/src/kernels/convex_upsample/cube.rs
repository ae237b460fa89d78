//! The GPU form of convex upsampling: softmax, weighted sum and the order of the fine pixels in one
//! kernel.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::kernels::{
    cube::{cube_tensor, elem_type, empty_like, launch_size, value_or_zero},
    cube_math::exp,
};

#[cube(launch)]
fn convex_kernel<F: Float>(
    flow: &Tensor<F>,
    mask: &Tensor<F>,
    out: &mut Tensor<F>,
    height: usize,
    width: usize,
    #[define(F)] _elem: ElemType,
) {
    let coarse = height * width;
    let (fine_width, fine) = (8 * width, 64 * coarse);
    if ABSOLUTE_POS >= out.len() / 2 {
        terminate!();
    }
    let (image, pixel) = (ABSOLUTE_POS / fine, ABSOLUTE_POS % fine);
    let (y, x) = (pixel / fine_width, pixel % fine_width);
    let (row, column) = (y / 8, x / 8);
    let place = (y % 8) * 8 + x % 8;
    let logits = (image * 576 + place) * coarse + row * width + column;
    let mut most = f32::cast_from(mask[logits]);
    for k in 1..9usize {
        most = most.max(f32::cast_from(mask[logits + k * 64 * coarse]));
    }
    let mut sum = 0.0f32;
    let mut u = 0.0f32;
    let mut v = 0.0f32;
    let base = image * 2 * coarse;
    for k in 0..9usize {
        let weight = exp(f32::cast_from(mask[logits + k * 64 * coarse]) - most);
        let near_row = row as i32 + (k / 3) as i32 - 1;
        let near_column = column as i32 + (k % 3) as i32 - 1;
        sum += weight;
        u += weight * value_or_zero::<F>(flow, base, near_row, near_column, height, width);
        v += weight * value_or_zero::<F>(flow, base + coarse, near_row, near_column, height, width);
    }
    let at = image * 2 * fine + pixel;
    out[at] = F::cast_from(8.0 * u / sum);
    out[at + fine] = F::cast_from(8.0 * v / sum);
}

/// Computes [`convex_upsample`](super::convex_upsample); returns `None` unless both tensors are on a
/// CubeCL device.
pub fn convex_upsample(flow: &Burn<4>, mask: &Burn<4>) -> Option<Burn<4>> {
    let [batch, _, height, width] = flow.dims();
    let mask = mask.clone().cast(flow.dtype());
    let (flow, mask) = (cube_tensor(flow)?, cube_tensor(&mask)?);
    let out = empty_like(&flow, [batch, 2, 8 * height, 8 * width]);
    let (count, dim) = launch_size(&out, out.meta.num_elements() / 2);
    convex_kernel::launch(
        &out.client,
        count,
        dim,
        flow.clone().into_tensor_arg(),
        mask.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        height,
        width,
        elem_type(&flow),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
