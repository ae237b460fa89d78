//! The GPU forms of functions of single elements. A tensor is read with its strides, so that a part
//! of a larger one is not copied first.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::kernels::{
    cube::{elem_type, empty_like, launch_size, offset_of, spot, strided_tensor},
    cube_math,
};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// eˣ.
    Exp,
    /// The logistic sigmoid.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// The error function.
    Erf,
    /// GELU by the error function.
    Gelu,
}

#[cube(launch)]
fn map_kernel<F: Float>(
    x: &Tensor<F>,
    out: &mut Tensor<F>,
    #[comptime] function: Function,
    #[comptime] rank: usize,
    #[comptime] strided: bool,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let mut at = ABSOLUTE_POS;
    if comptime!(strided) {
        at = offset_of::<F>(x, ABSOLUTE_POS, rank);
    }
    let value = f32::cast_from(x[at]);
    let result = if comptime!(function == Function::Exp) {
        cube_math::exp(value)
    } else if comptime!(function == Function::Sigmoid) {
        cube_math::sigmoid(value)
    } else if comptime!(function == Function::Tanh) {
        cube_math::tanh(value)
    } else if comptime!(function == Function::Erf) {
        cube_math::erf(value)
    } else {
        cube_math::gelu(value)
    };
    out[ABSOLUTE_POS] = F::cast_from(result);
}

/// Applies `function` to every element; returns `None` if `x` is not on a CubeCL device.
pub fn map<const D: usize>(x: &Burn<D>, function: Function) -> Option<Burn<D>> {
    let x = strided_tensor(x)?;
    let out = empty_like(&x, x.meta.shape().clone());
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    map_kernel::launch(
        &out.client,
        count,
        dim,
        x.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        function,
        D,
        !x.is_contiguous(),
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}

#[cube(launch)]
fn split_kernel<F: Float>(
    x: &Tensor<F>,
    tanh: &mut Tensor<F>,
    relu: &mut Tensor<F>,
    channels: usize,
    height: usize,
    width: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= tanh.len() {
        terminate!();
    }
    let (line, column) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let (plane, row) = (line / height, line % height);
    let (image, channel) = (plane / channels, plane % channels);
    let value = f32::cast_from(x[spot::<F>(x, image, channel, row, column)]);
    tanh[ABSOLUTE_POS] = F::cast_from(cube_math::tanh(value));
    let value = f32::cast_from(x[spot::<F>(x, image, channels + channel, row, column)]);
    relu[ABSOLUTE_POS] = F::cast_from(value.max(0.0));
}

/// Computes [`split_tanh_relu`](super::split_tanh_relu); returns `None` if `x` is not on a CubeCL
/// device.
pub fn split_tanh_relu(x: &Burn<4>) -> Option<[Burn<4>; 2]> {
    let [batch, channels, height, width] = x.dims();
    let x = strided_tensor(x)?;
    let half = channels / 2;
    let [tanh, relu] = [(); 2].map(|()| empty_like(&x, [batch, half, height, width]));
    let (count, dim) = launch_size(&x, tanh.meta.num_elements());
    split_kernel::launch(
        &x.client,
        count,
        dim,
        x.clone().into_tensor_arg(),
        tanh.clone().into_tensor_arg(),
        relu.clone().into_tensor_arg(),
        half,
        height,
        width,
        elem_type(&x),
    );
    Some([tanh, relu].map(Burn::from_primitive::<Cube>))
}
