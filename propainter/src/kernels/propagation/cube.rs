//! The GPU form of a step of image propagation: check, warps and update in one kernel, a unit for
//! each pixel.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::FrameAndMask;
use crate::kernels::cube::{
    bilinear_sample, cube_tensor, elem_type, empty_like, launch_size, value_or_zero,
};
use crate::kernels::upcast::upcast;
use crate::kernels::warp::cube::{flows_agree, place};

#[cube(launch)]
fn step_kernel<F: Float>(
    image: &Tensor<F>,
    mask: &Tensor<F>,
    source: &Tensor<F>,
    source_mask: &Tensor<F>,
    flow: &Tensor<f32>,
    check: &Tensor<f32>,
    updated: &mut Tensor<F>,
    missing: &mut Tensor<F>,
    height: usize,
    width: usize,
    #[define(F)] _elem: ElemType,
) {
    let pixel = ABSOLUTE_POS;
    let plane = height * width;
    if pixel >= plane {
        terminate!();
    }
    let hole = f32::cast_from(mask[pixel]);
    let (u, v) = (flow[pixel], flow[plane + pixel]);
    let column = place(pixel % width, u, width);
    let row = place(pixel / width, v, height);
    let back_u = bilinear_sample::<f32>(check, 0, row, column, height, width);
    let back_v = bilinear_sample::<f32>(check, plane, row, column, height, width);
    let unknown = bilinear_sample::<F>(source_mask, 0, row, column, height, width);
    let reached = flows_agree(u, v, back_u, back_v) && unknown <= 0.1;
    let take = hole > 0.1 && reached;
    // Ties round to even.
    let (row, column) = (i32::cast_from(row.round()), i32::cast_from(column.round()));
    for channel in 0..3usize {
        let base = channel * plane;
        let mut value = f32::cast_from(image[base + pixel]);
        if take {
            value = value_or_zero::<F>(source, base, row, column, height, width);
        }
        updated[base + pixel] = F::cast_from(value);
    }
    let lost = hole > 0.1 && !reached;
    missing[pixel] = select(lost, F::from_int(1), F::from_int(0));
}

/// Computes [`propagation_step`](super::propagation_step); returns `None` unless all tensors are on
/// a CubeCL device.
pub fn propagation_step(
    (image, mask): &FrameAndMask,
    (source, source_mask): &FrameAndMask,
    [flow, check]: [&Burn<4>; 2],
) -> Option<FrameAndMask> {
    let [_, _, height, width] = image.dims();
    let dtype = image.dtype();
    let own = |x: &Burn<4>| cube_tensor(&x.clone().cast(dtype));
    let wide = |x: &Burn<4>| cube_tensor(&upcast(x.clone()));
    let (image, mask) = (cube_tensor(image)?, own(mask)?);
    let (source, source_mask) = (own(source)?, own(source_mask)?);
    let (flow, check) = (wide(flow)?, wide(check)?);
    let updated = empty_like(&image, [1, 3, height, width]);
    let missing = empty_like(&image, [1, 1, height, width]);
    let (count, dim) = launch_size(&missing, height * width);
    step_kernel::launch(
        &updated.client,
        count,
        dim,
        image.clone().into_tensor_arg(),
        mask.into_tensor_arg(),
        source.into_tensor_arg(),
        source_mask.into_tensor_arg(),
        flow.into_tensor_arg(),
        check.into_tensor_arg(),
        updated.clone().into_tensor_arg(),
        missing.clone().into_tensor_arg(),
        height,
        width,
        elem_type(&image),
    );
    Some((
        Burn::from_primitive::<Cube>(updated),
        Burn::from_primitive::<Cube>(missing),
    ))
}
