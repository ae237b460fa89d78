//! The GPU form of a residual block's sum.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::kernels::cube::{cube_tensor, elem_type, empty_like, launch_size};

#[cube(launch)]
fn sum_kernel<F: Float>(
    x: &Tensor<F>,
    y: &Tensor<F>,
    out: &mut Tensor<F>,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let sum = f32::cast_from(x[ABSOLUTE_POS]) + f32::cast_from(y[ABSOLUTE_POS]);
    out[ABSOLUTE_POS] = F::cast_from(sum.max(0.0));
}

/// Computes [`rectified_sum`](super::rectified_sum); returns `None` unless both tensors are on a
/// CubeCL device.
pub fn rectified_sum(x: &Burn<4>, y: &Burn<4>) -> Option<Burn<4>> {
    let (x, y) = (cube_tensor(x)?, cube_tensor(y)?);
    let out = empty_like(&x, x.meta.shape().clone());
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    sum_kernel::launch(
        &out.client,
        count,
        dim,
        x.clone().into_tensor_arg(),
        y.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
