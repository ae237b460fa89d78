//! Kernels for cards, in CubeCL: one source for CUDA and for CubeCL's CPU runtime, on which tests
//! run them. Each stands beside the plain twin and the CPU's form of its kernel, stores what its
//! input stores, and computes in 32 bits.
//!
//! - [`warp`]: sampling along a flow, and the forward–backward check in one go
//! - [`upsample`]: convex upsampling of flows, and ×2, whole or an area
//! - [`correlation`]: the lookup in a correlation volume, or from features
//! - [`deform_conv`]: deformable convolution without samples in memory
//! - [`fold`]: pictures as overlapping patches and back
//! - [`attention`]: attention of chosen rows without scores in memory
//! - [`instance_norm`]: instance norm with its ReLU

pub mod attention;
pub mod correlation;
pub mod deform_conv;
pub mod fold;
pub mod instance_norm;
pub mod upsample;
pub mod warp;

use burn::tensor::{DType, Int, IntDType, Shape, Tensor};
use burn_cubecl::{
    Cube,
    cubecl::{
        self, calculate_cube_count_elemwise,
        ir::{ElemType, FloatKind},
        prelude::*,
    },
    kernel::into_contiguous,
    ops::numeric::empty_device_contiguous_dtype,
    tensor::CubeTensor,
};

/// A tensor of a CubeCL device, contiguous; `None` where it is of another device.
pub fn tensor<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    let primitive = x.clone().try_into_primitive::<Cube>().ok()?;
    let floats = [DType::F32, DType::F16, DType::BF16].contains(&primitive.dtype);
    floats.then(|| into_contiguous(primitive))
}

/// Row numbers of a CubeCL device, contiguous; `None` where they are of another device.
fn indices(rows: &Tensor<1, Int>) -> Option<CubeTensor> {
    let rows = rows.clone().cast(IntDType::I32);
    Some(into_contiguous(rows.try_into_primitive::<Cube>().ok()?))
}

/// Room for a result, of the numbers and on the device of `like`.
fn room(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        shape.into(),
        like.dtype,
    )
}

/// What a kernel is told of the numbers that a tensor stores.
fn numbers(x: &CubeTensor) -> ElemType {
    ElemType::Float(match x.dtype {
        DType::F16 => FloatKind::F16,
        DType::BF16 => FloatKind::BF16,
        _ => FloatKind::F32,
    })
}

/// How many units a kernel runs in, and in how many cubes.
fn units(out: &CubeTensor, count: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(&out.client, count);
    (calculate_cube_count_elemwise(&out.client, count, dim), dim)
}

/// How many units of a cube work together: `most`, a power of two, or what the device has.
fn together(x: &CubeTensor, most: usize) -> usize {
    let have = x.client.properties().hardware.max_units_per_cube as usize;
    most.min(1 << have.max(1).ilog2())
}

/// `x` at a row and a column of a plane that begins at `base`, zero outside.
#[cube]
fn value<F: Float>(
    x: &cubecl::prelude::Tensor<F>,
    base: usize,
    row: i32,
    column: i32,
    height: usize,
    width: usize,
) -> f32 {
    let inside = row >= 0 && column >= 0 && row < height as i32 && column < width as i32;
    let mut result = 0.0f32;
    if inside {
        result = f32::cast_from(x[base + row as usize * width + column as usize]);
    }
    result
}

/// Between the four values around a place, zeros outside.
#[cube]
fn between<F: Float>(
    x: &cubecl::prelude::Tensor<F>,
    base: usize,
    y: f32,
    x_place: f32,
    height: usize,
    width: usize,
) -> f32 {
    let (top, left) = (y.floor(), x_place.floor());
    let (dy, dx) = (y - top, x_place - left);
    let (row, column) = (i32::cast_from(top), i32::cast_from(left));
    value::<F>(x, base, row, column, height, width) * (1.0 - dy) * (1.0 - dx)
        + value::<F>(x, base, row, column + 1, height, width) * (1.0 - dy) * dx
        + value::<F>(x, base, row + 1, column, height, width) * dy * (1.0 - dx)
        + value::<F>(x, base, row + 1, column + 1, height, width) * dy * dx
}
