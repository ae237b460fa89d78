//! The GPU forms of a GRU's gates, a launch each. The addends are read with their strides, so that
//! a part of a larger tensor is not copied first.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::kernels::{
    cube::{elem_type, empty_like, launch_size, spot, strided_tensor},
    cube_math::{sigmoid, tanh},
};

/// Reads an element of a tensor with any strides.
#[cube]
fn read<F: Float>(x: &Tensor<F>, image: usize, channel: usize, row: usize, column: usize) -> f32 {
    f32::cast_from(x[spot::<F>(x, image, channel, row, column)])
}

#[cube(launch)]
fn open_kernel<F: Float>(
    gates: &Tensor<F>,
    constant: &Tensor<F>,
    hidden: &Tensor<F>,
    update: &mut Tensor<F>,
    reset: &mut Tensor<F>,
    channels: usize,
    height: usize,
    width: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= update.len() {
        terminate!();
    }
    let (line, column) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let (plane, row) = (line / height, line % height);
    let (image, channel) = (plane / channels, plane % channels);
    let z = read::<F>(gates, image, channel, row, column)
        + read::<F>(constant, image, channel, row, column);
    update[ABSOLUTE_POS] = F::cast_from(sigmoid(z));
    // The logits of r come after those of z.
    let r = read::<F>(gates, image, channels + channel, row, column)
        + read::<F>(constant, image, channels + channel, row, column);
    let kept = sigmoid(r) * read::<F>(hidden, image, channel, row, column);
    reset[ABSOLUTE_POS] = F::cast_from(kept);
}

/// Computes [`open`](super::open); returns `None` unless all tensors are on a CubeCL device.
pub fn open(gates: &Burn<4>, constant: &Burn<4>, hidden: &Burn<4>) -> Option<(Burn<4>, Burn<4>)> {
    let shape @ [_, channels, height, width] = hidden.dims();
    let (gates, constant, hidden) = (
        strided_tensor(gates)?,
        strided_tensor(constant)?,
        strided_tensor(hidden)?,
    );
    let (update, reset) = (empty_like(&hidden, shape), empty_like(&hidden, shape));
    let (count, dim) = launch_size(&update, update.meta.num_elements());
    open_kernel::launch(
        &update.client,
        count,
        dim,
        gates.into_tensor_arg(),
        constant.into_tensor_arg(),
        hidden.clone().into_tensor_arg(),
        update.clone().into_tensor_arg(),
        reset.clone().into_tensor_arg(),
        channels,
        height,
        width,
        elem_type(&hidden),
    );
    Some((
        Burn::from_primitive::<Cube>(update),
        Burn::from_primitive::<Cube>(reset),
    ))
}

#[cube(launch)]
fn close_kernel<F: Float>(
    hidden: &Tensor<F>,
    update: &Tensor<F>,
    candidate: &Tensor<F>,
    constant: &Tensor<F>,
    out: &mut Tensor<F>,
    channels: usize,
    height: usize,
    width: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (line, column) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let (plane, row) = (line / height, line % height);
    let (image, channel) = (plane / channels, plane % channels);
    let z = read::<F>(update, image, channel, row, column);
    let sum = read::<F>(candidate, image, channel, row, column)
        + read::<F>(constant, image, channel, row, column);
    let old = read::<F>(hidden, image, channel, row, column);
    out[ABSOLUTE_POS] = F::cast_from((1.0 - z) * old + z * tanh(sum));
}

/// Computes [`close`](super::close); returns `None` unless all tensors are on a CubeCL device.
pub fn close(
    hidden: &Burn<4>,
    update: &Burn<4>,
    candidate: &Burn<4>,
    constant: &Burn<4>,
) -> Option<Burn<4>> {
    let shape @ [_, channels, height, width] = hidden.dims();
    let (hidden, update) = (strided_tensor(hidden)?, strided_tensor(update)?);
    let (candidate, constant) = (strided_tensor(candidate)?, strided_tensor(constant)?);
    let out = empty_like(&hidden, shape);
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    close_kernel::launch(
        &out.client,
        count,
        dim,
        hidden.clone().into_tensor_arg(),
        update.into_tensor_arg(),
        candidate.into_tensor_arg(),
        constant.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        channels,
        height,
        width,
        elem_type(&hidden),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
