//! The GPU forms of the input of flow completion and of its result, a unit for each pixel.

use burn::tensor::{DType, Tensor as Burn};
use burn_cubecl::{
    Cube,
    cubecl::{
        self,
        ir::{ElemType, UIntKind},
        prelude::*,
    },
    kernel::into_contiguous,
    ops::numeric::empty_device_contiguous_dtype,
    tensor::CubeTensor,
};

use super::MaskTensor;
use crate::{
    Rect,
    kernels::{
        cube::{cube_tensor, elem_type, empty_like, launch_size},
        upcast::upcast,
    },
};

/// Returns a mask as a contiguous tensor of a CubeCL device and the type of its elements; `None` if
/// it is on another device.
fn mask_tensor(mask: &MaskTensor) -> Option<(CubeTensor, ElemType)> {
    match mask {
        MaskTensor::Floats(mask) => {
            let mask = cube_tensor(mask)?;
            let elem = elem_type(&mask);
            Some((mask, elem))
        }
        MaskTensor::Bytes(mask) => {
            let mask = mask.clone().try_into_primitive::<Cube>().ok()?;
            let bytes = mask.dtype == DType::U8;
            bytes.then(|| (into_contiguous(mask), ElemType::UInt(UIntKind::U8)))
        }
    }
}

#[cube(launch)]
fn input_kernel<F: Float, M: Numeric>(
    flow: &Tensor<f32>,
    mask: &Tensor<M>,
    out: &mut Tensor<F>,
    start: usize,
    plane: usize,
    #[define(F)] _elem: ElemType,
    #[define(M)] _kind: ElemType,
) {
    let pixel = ABSOLUTE_POS;
    if pixel >= plane {
        terminate!();
    }
    let inside = f32::cast_from(mask[pixel]);
    out[start + pixel] = F::cast_from(flow[pixel] * (1.0 - inside));
    out[start + plane + pixel] = F::cast_from(flow[plane + pixel] * (1.0 - inside));
    out[start + 2 * plane + pixel] = F::cast_from(inside);
}

/// Computes [`masked_flows`](super::masked_flows); returns `None` unless all tensors are on a CubeCL
/// device.
pub fn masked_flows(flows: &[Burn<4>], masks: &[MaskTensor], dtype: DType) -> Option<Burn<4>> {
    let [_, _, height, width] = flows.first()?.dims();
    let plane = height * width;
    let mut out = None;
    for (t, (flow, mask)) in flows.iter().zip(masks).enumerate() {
        let flow = cube_tensor(&upcast(flow.clone()))?;
        let (mask, mask_elem) = mask_tensor(mask)?;
        let out = out.get_or_insert_with(|| {
            let shape = [flows.len(), 3, height, width];
            let (client, device) = (flow.client.clone(), flow.device.clone());
            empty_device_contiguous_dtype(client, device, shape.into(), dtype)
        });
        let (count, dim) = launch_size(out, plane);
        input_kernel::launch(
            &out.client,
            count,
            dim,
            flow.into_tensor_arg(),
            mask.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            t * 3 * plane,
            plane,
            elem_type(out),
            mask_elem,
        );
    }
    out.map(Burn::from_primitive::<Cube>)
}

#[cube(launch)]
fn combine_kernel<F: Float, M: Numeric>(
    flow: &Tensor<f32>,
    predicted: &Tensor<F>,
    mask: &Tensor<M>,
    out: &mut Tensor<f32>,
    plane: usize,
    width: usize,
    top: usize,
    left: usize,
    rows: usize,
    columns: usize,
    #[define(F)] _elem: ElemType,
    #[define(M)] _kind: ElemType,
) {
    let pixel = ABSOLUTE_POS;
    if pixel >= plane {
        terminate!();
    }
    let (row, column) = (pixel / width, pixel % width);
    let covered = row >= top && row < top + rows && column >= left && column < left + columns;
    let mut u = flow[pixel];
    let mut v = flow[plane + pixel];
    if covered {
        let inside = f32::cast_from(mask[pixel]);
        let at = (row - top) * columns + column - left;
        u = u * (1.0 - inside) + f32::cast_from(predicted[at]) * inside;
        v = v * (1.0 - inside) + f32::cast_from(predicted[rows * columns + at]) * inside;
    }
    out[pixel] = u;
    out[plane + pixel] = v;
}

/// Computes [`combine_area`](super::combine_area); returns `None` unless all tensors are on a CubeCL
/// device.
pub fn combine_area(
    flows: &Burn<4>,
    predicted: &Burn<4>,
    mask: &MaskTensor,
    area: &Rect,
) -> Option<Burn<4>> {
    let [_, _, height, width] = flows.dims();
    let flow = cube_tensor(&upcast(flows.clone()))?;
    let predicted = cube_tensor(predicted)?;
    let (mask, mask_elem) = mask_tensor(mask)?;
    let out = empty_like(&flow, [1, 2, height, width]);
    let [rows, columns] = area.size();
    let (count, dim) = launch_size(&out, height * width);
    combine_kernel::launch(
        &out.client,
        count,
        dim,
        flow.into_tensor_arg(),
        predicted.clone().into_tensor_arg(),
        mask.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        height * width,
        width,
        area.rows.start,
        area.columns.start,
        rows,
        columns,
        elem_type(&predicted),
        mask_elem,
    );
    Some(Burn::from_primitive::<Cube>(out))
}
