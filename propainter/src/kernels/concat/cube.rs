//! The GPU form of concatenation. A kernel copies several tensors.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::kernels::{
    cube::{cube_tensor, elem_type, empty_like, launch_size},
    pools::is_whole,
};

/// Tensors that one launch copies.
pub const MOST: usize = 16;

/// Copies the elements of tensors, one after the other, to `out` from `start` on.
#[cube(launch)]
fn concat_kernel<F: Float>(
    parts: &Sequence<OwnedTensor<F>>,
    out: &mut Tensor<F>,
    start: usize,
    #[comptime] count: usize,
    #[define(F)] _elem: ElemType,
) {
    let at = ABSOLUTE_POS;
    let mut begin = 0usize.runtime();
    #[unroll]
    for i in 0..count {
        let end = begin + parts[i].len();
        if at >= begin && at < end {
            out[start + at] = parts[i][at - begin];
        }
        begin = end;
    }
}

/// Copies a part of a tensor to memory of its own, with nothing between its rows: kernels of ours
/// would copy padded rows each time they read them. Returns `None` if it does not hold floats on a
/// CubeCL device.
pub fn copy_on_gpu<const D: usize>(part: &Burn<D>) -> Option<Burn<D>> {
    let contiguous = Burn::from_primitive::<Cube>(cube_tensor(part)?);
    if is_whole(&contiguous) {
        return Some(contiguous);
    }
    concat(&[contiguous])
}

/// Computes [`concat`](super::concat); returns `None` unless all tensors are on a CubeCL device and
/// have the same data type.
pub fn concat<const D: usize>(parts: &[Burn<D>]) -> Option<Burn<D>> {
    let mut shape = parts.first()?.dims();
    shape[0] = parts.iter().map(|part| part.dims()[0]).sum();
    let parts: Option<Vec<_>> = parts.iter().map(cube_tensor).collect();
    let parts = parts?;
    let like = parts.first()?;
    if parts.iter().any(|part| part.dtype != like.dtype) {
        return None;
    }
    let out = empty_like(like, shape);
    let mut start = 0;
    for parts in parts.chunks(MOST) {
        let length: usize = parts.iter().map(|part| part.meta.num_elements()).sum();
        let (cubes, dim) = launch_size(&out, length);
        concat_kernel::launch(
            &out.client,
            cubes,
            dim,
            SequenceArg {
                values: parts
                    .iter()
                    .map(|part| part.clone().into_tensor_arg())
                    .collect(),
            },
            out.clone().into_tensor_arg(),
            start,
            parts.len(),
            elem_type(like),
        );
        start += length;
    }
    Some(Burn::from_primitive::<Cube>(out))
}
