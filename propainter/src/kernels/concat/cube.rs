//! The GPU forms of concatenation. A kernel copies several tensors.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::kernels::cube::{cube_tensor, elem_type, empty_like, launch_size};

/// Tensors that one launch copies.
pub const MOST: usize = 8;

/// Copies the elements of eight tensors, one after the other, to `out` from `start` on. Tensor i
/// ends `end_i` elements after `start`.
#[cube(launch)]
fn concat_kernel<F: Float>(
    a: &Tensor<F>,
    b: &Tensor<F>,
    c: &Tensor<F>,
    d: &Tensor<F>,
    e: &Tensor<F>,
    f: &Tensor<F>,
    g: &Tensor<F>,
    h: &Tensor<F>,
    out: &mut Tensor<F>,
    start: usize,
    end_a: usize,
    end_b: usize,
    end_c: usize,
    end_d: usize,
    end_e: usize,
    end_f: usize,
    end_g: usize,
    end_h: usize,
    #[define(F)] _elem: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at >= end_h {
        terminate!();
    }
    let to = start + at;
    if at < end_a {
        out[to] = a[at];
    } else if at < end_b {
        out[to] = b[at - end_a];
    } else if at < end_c {
        out[to] = c[at - end_b];
    } else if at < end_d {
        out[to] = d[at - end_c];
    } else if at < end_e {
        out[to] = e[at - end_d];
    } else if at < end_f {
        out[to] = f[at - end_e];
    } else if at < end_g {
        out[to] = g[at - end_f];
    } else {
        out[to] = h[at - end_g];
    }
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
        let mut end = 0;
        let ends: Vec<_> = parts
            .iter()
            .map(|part| {
                end += part.meta.num_elements();
                end
            })
            .collect();
        // The last tensor stands in for those that are missing; nothing is left to copy for them.
        let part = |i: usize| parts[i.min(parts.len() - 1)].clone().into_tensor_arg();
        let until = |i: usize| ends[i.min(ends.len() - 1)];
        let (count, dim) = launch_size(&out, end);
        concat_kernel::launch(
            &out.client,
            count,
            dim,
            part(0),
            part(1),
            part(2),
            part(3),
            part(4),
            part(5),
            part(6),
            part(7),
            out.clone().into_tensor_arg(),
            start,
            until(0),
            until(1),
            until(2),
            until(3),
            until(4),
            until(5),
            until(6),
            until(7),
            elem_type(like),
        );
        start += end;
    }
    Some(Burn::from_primitive::<Cube>(out))
}

#[cube(launch)]
fn interleave_kernel<F: Float>(
    a: &Tensor<F>,
    b: &Tensor<F>,
    out: &mut Tensor<F>,
    part_a: usize,
    part_b: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    // A group of an image: its part of `a`, then its part of `b`.
    let both = part_a + part_b;
    let (group, at) = (ABSOLUTE_POS / both, ABSOLUTE_POS % both);
    if at < part_a {
        out[ABSOLUTE_POS] = a[group * part_a + at];
    } else {
        out[ABSOLUTE_POS] = b[group * part_b + at - part_a];
    }
}

/// Computes [`interleave`](super::interleave); returns `None` unless both tensors are on a CubeCL
/// device.
pub fn interleave(a: &Burn<4>, b: &Burn<4>, groups: usize) -> Option<Burn<4>> {
    let [batch, channels_a, height, width] = a.dims();
    let channels_b = b.dims()[1];
    let (a, b) = (cube_tensor(a)?, cube_tensor(b)?);
    let out = empty_like(&a, [batch, channels_a + channels_b, height, width]);
    let part = |channels: usize| channels / groups * height * width;
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    interleave_kernel::launch(
        &out.client,
        count,
        dim,
        a.clone().into_tensor_arg(),
        b.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        part(channels_a),
        part(channels_b),
        elem_type(&a),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
