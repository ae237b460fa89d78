//! The parts that the GPU forms share.
//!
//! Every operation's `cube.rs` holds its GPU form in CubeCL. It stores results in the data type of
//! its input and computes in 32 bits. Its function returns `None` for tensors of another device.

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

use super::flops;

/// Returns `x` as a contiguous tensor of a CubeCL device; `None` if it is on another device.
pub fn cube_tensor<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    strided_tensor(x).map(into_contiguous)
}

/// Returns `x` as it lies in the memory of a CubeCL device, with any strides; `None` if it is on
/// another device.
pub fn strided_tensor<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    let primitive = x.clone().try_into_primitive::<Cube>().ok()?;
    let floats = [DType::F32, DType::F16, DType::BF16].contains(&primitive.dtype);
    floats.then(|| moved(primitive))
}

/// Counts the bytes of a tensor that a kernel reads or writes.
fn moved(x: CubeTensor) -> CubeTensor {
    flops::count_bytes(x.meta.num_elements() * x.dtype.size());
    x
}

/// Returns row indices as a contiguous `i32` tensor of a CubeCL device; `None` if they are on
/// another device.
pub fn index_tensor(rows: &Tensor<1, Int>) -> Option<CubeTensor> {
    let rows = rows.clone().cast(IntDType::I32);
    let rows = rows.try_into_primitive::<Cube>().ok()?;
    Some(into_contiguous(moved(rows)))
}

/// Allocates an uninitialised tensor with the data type and the device of `like`.
pub fn empty_like(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    moved(empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        shape.into(),
        like.dtype,
    ))
}

/// Returns the data type of a tensor as a kernel's generic argument.
pub fn elem_type(x: &CubeTensor) -> ElemType {
    ElemType::Float(match x.dtype {
        DType::F16 => FloatKind::F16,
        DType::BF16 => FloatKind::BF16,
        _ => FloatKind::F32,
    })
}

/// Returns the number of cubes and the units of a cube for a kernel with one unit for each of
/// `count` elements.
pub fn launch_size(out: &CubeTensor, count: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(&out.client, count);
    (calculate_cube_count_elemwise(&out.client, count, dim), dim)
}

/// Returns the number of units of a cube whose units cooperate: `most`, a power of two, or fewer
/// if the device has fewer.
pub fn cube_units(x: &CubeTensor, most: usize) -> usize {
    let have = x.client.properties().hardware.max_units_per_cube as usize;
    most.min(1 << have.max(1).ilog2())
}

/// Returns where the element `index`, in the order of the `rank` axes, lies in a tensor with any
/// strides.
#[cube]
pub fn offset_of<F: Float>(
    x: &cubecl::prelude::Tensor<F>,
    index: usize,
    #[comptime] rank: usize,
) -> usize {
    let mut rest = index;
    let mut offset = 0usize;
    #[unroll]
    for i in 0..rank {
        let axis = comptime!(rank - 1 - i);
        let size = x.shape(axis);
        offset += rest % size * x.stride(axis);
        rest /= size;
    }
    offset
}

/// Returns where an element of a tensor of four axes lies, whatever its strides.
#[cube]
pub fn spot<F: Float>(
    x: &cubecl::prelude::Tensor<F>,
    image: usize,
    channel: usize,
    row: usize,
    column: usize,
) -> usize {
    image * x.stride(0) + channel * x.stride(1) + row * x.stride(2) + column * x.stride(3)
}

/// Reads `x` at a row and a column of the plane that starts at `base`; 0 outside the plane.
#[cube]
pub fn value_or_zero<F: Float>(
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

/// Samples `x` bilinearly at a place of the plane that starts at `base`, with zeros outside the
/// plane.
#[cube]
pub fn bilinear_sample<F: Float>(
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
    value_or_zero::<F>(x, base, row, column, height, width) * (1.0 - dy) * (1.0 - dx)
        + value_or_zero::<F>(x, base, row, column + 1, height, width) * (1.0 - dy) * dx
        + value_or_zero::<F>(x, base, row + 1, column, height, width) * dy * (1.0 - dx)
        + value_or_zero::<F>(x, base, row + 1, column + 1, height, width) * dy * dx
}
