//! The GPU form of the conversion between bytes and tensors, a unit for each pixel.

use burn::tensor::{DType, Device, Int, Tensor as Burn, TensorData};
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
    ops::numeric::empty_device_contiguous_dtype,
};

use super::{FrameBytes, Rounding};
use crate::Rect;
use crate::kernels::{
    cube::{cube_tensor, elem_type, launch_size},
    device::is_cpu,
};

#[cube(launch)]
fn upload_kernel<F: Float>(
    bytes: &Tensor<u8>,
    out: &mut Tensor<F>,
    plane: usize,
    #[comptime] count: usize,
    #[comptime] blank: Option<usize>,
    #[define(F)] _elem: ElemType,
) {
    let pixel = ABSOLUTE_POS;
    if pixel >= plane {
        terminate!();
    }
    let mut seen = true;
    if comptime!(blank.is_some()) {
        let index = comptime!(blank.unwrap_or(0));
        seen = u32::cast_from(bytes[(3 + index) * plane + pixel]) == 0;
    }
    for channel in 0..3usize {
        let mut value = 0.0f32;
        if seen {
            value = f32::cast_from(bytes[3 * pixel + channel]) / 255.0 * 2.0 - 1.0;
        }
        out[channel * plane + pixel] = F::cast_from(value);
    }
    #[unroll]
    for i in 0..count {
        let value = f32::cast_from(bytes[(3 + i) * plane + pixel]);
        out[(3 + i) * plane + pixel] = F::cast_from(value);
    }
}

/// Computes [`FrameBytes::joined`]; returns `None` for the CPU device.
pub fn joined(frame: &FrameBytes<'_>, device: &Device, dtype: DType) -> Option<Burn<4>> {
    if is_cpu(device) {
        return None;
    }
    let [height, width] = frame.size();
    let count = frame.masks.len();
    let mut bytes = Vec::with_capacity((3 + count) * height * width);
    bytes.extend_from_slice(frame.frame.rgb());
    for mask in frame.masks {
        bytes.extend_from_slice(mask);
    }
    let length = bytes.len();
    let bytes: Burn<1, Int> =
        Burn::from_data(TensorData::new(bytes, [length]), (device, DType::U8));
    let bytes = bytes.try_into_primitive::<Cube>().ok()?;
    let out = empty_device_contiguous_dtype(
        bytes.client.clone(),
        bytes.device.clone(),
        [1, 3 + count, height, width].into(),
        dtype,
    );
    let (cubes, dim) = launch_size(&out, height * width);
    upload_kernel::launch(
        &out.client,
        cubes,
        dim,
        bytes.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        height * width,
        count,
        frame.blank,
        elem_type(&out),
    );
    Some(Burn::from_primitive::<Cube>(out))
}

#[cube(launch)]
fn download_kernel<F: Float>(
    image: &Tensor<F>,
    first: &Tensor<F>,
    out: &mut Tensor<u8>,
    images: usize,
    plane: usize,
    width: usize,
    top: usize,
    left: usize,
    rows: usize,
    columns: usize,
    #[comptime] masked: bool,
    #[comptime] nearest: bool,
    #[define(F)] _elem: ElemType,
) {
    let pixels = rows * columns;
    let (index, at) = (ABSOLUTE_POS / pixels, ABSOLUTE_POS % pixels);
    if index >= images {
        terminate!();
    }
    let channels = comptime!(if masked { 4usize } else { 3usize });
    let (from, to) = (3 * index * plane, channels * index * pixels);
    let pixel = (top + at / columns) * width + left + at % columns;
    for channel in 0..3usize {
        let value = f32::cast_from(image[from + channel * plane + pixel]);
        let value = if comptime!(nearest) {
            // Halves away from zero; all values that become bytes are positive.
            ((value + 1.0) * 127.5 + 0.5).floor()
        } else {
            (value + 1.0) / 2.0 * 255.0
        };
        out[to + 3 * at + channel] = u8::cast_from(u32::cast_from(value.clamp(0.0, 255.0)));
    }
    if comptime!(masked) {
        let inside = f32::cast_from(first[index * plane + pixel]) > 0.5;
        out[to + 3 * pixels + at] = u8::cast_from(select(inside, 1u32, 0u32));
    }
}

/// Computes [`bytes_on_gpu`](super::bytes_on_gpu); `area` is not empty.
pub fn bytes(
    image: &Burn<4>,
    mask: Option<&Burn<4>>,
    area: &Rect,
    rounding: Rounding,
) -> Option<Burn<1, Int>> {
    let [batch, _, height, width] = image.dims();
    let [rows, columns] = area.size();
    let mask = mask.map(|mask| mask.clone().cast(image.dtype()));
    let image = cube_tensor(image)?;
    let first = match &mask {
        Some(mask) => cube_tensor(mask)?,
        None => image.clone(),
    };
    let length = batch * (3 + usize::from(mask.is_some())) * rows * columns;
    let out = empty_device_contiguous_dtype(
        image.client.clone(),
        image.device.clone(),
        [length].into(),
        DType::U8,
    );
    let (cubes, dim) = launch_size(&out, batch * rows * columns);
    download_kernel::launch(
        &out.client,
        cubes,
        dim,
        image.clone().into_tensor_arg(),
        first.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        batch,
        height * width,
        width,
        area.rows.start,
        area.columns.start,
        rows,
        columns,
        mask.is_some(),
        rounding == Rounding::Nearest,
        elem_type(&image),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
