//! The GPU form of joining tensors: several are copied by one kernel.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::kernels::cube::{cube_tensor, elem_type, empty_like, launch_size};

/// The most tensors that a kernel copies.
const PARTS: usize = 8;

#[cube(launch)]
fn stack_kernel<F: Float>(
    parts: &Sequence<OwnedTensor<F>>,
    out: &mut Tensor<F>,
    start: usize,
    each: usize,
    #[comptime] count: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= count * each {
        terminate!();
    }
    let (part, at) = (ABSOLUTE_POS / each, ABSOLUTE_POS % each);
    #[unroll]
    for k in 0..count {
        if part == k {
            out[start + ABSOLUTE_POS] = parts[k][at];
        }
    }
}

/// Computes [`stack`](super::stack); returns `None` unless all tensors are on a CubeCL device.
pub fn stack(parts: &[Burn<4>]) -> Option<Burn<4>> {
    let parts: Vec<_> = parts.iter().map(cube_tensor).collect::<Option<_>>()?;
    let first = parts.first()?;
    let mut shape = first.meta.shape().clone();
    shape[0] = parts.len();
    let out = empty_like(first, shape);
    let each = first.meta.num_elements();
    for (group, parts) in parts.chunks(PARTS).enumerate() {
        let (cubes, dim) = launch_size(&out, parts.len() * each);
        let values = parts.iter().map(|part| part.clone().into_tensor_arg());
        stack_kernel::launch(
            &out.client,
            cubes,
            dim,
            SequenceArg {
                values: values.collect(),
            },
            out.clone().into_tensor_arg(),
            group * PARTS * each,
            each,
            parts.len(),
            elem_type(&out),
        );
    }
    Some(Burn::from_primitive::<Cube>(out))
}
