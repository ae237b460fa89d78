//! Frames that lie on a GPU as samples: to tensors, and as RGB bytes to the host. A unit for each pixel.

use burn::tensor::{DType, Int, Tensor as Burn, TensorData};
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
    ops::numeric::empty_device_contiguous_dtype,
    tensor::CubeTensor,
};

use super::{FrameBytes, read_bytes};
use crate::{
    Rect,
    frame::device::{Overlay, Samples, YuvMatrix},
    kernels::cube::{elem_type, launch_size},
};

/// What is compiled into the kernels of [`Samples`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Form {
    /// Offsets of red, green and blue in pixels of so many bytes; else luma and pairs of chroma.
    packed: Option<(usize, [usize; 3])>,
    /// Bytes of a sample.
    bytes: usize,
}

/// What is told when the kernels are launched.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Layout {
    /// Of the frame in memory.
    frame_width: usize,
    frame_plane: usize,
    /// The part of it that is read.
    top: usize,
    left: usize,
    width: usize,
    plane: usize,
    shift: u32,
    luma_offset: i32,
    luma_gain: i32,
    gray: i32,
    red_from_v: i32,
    green_from_u: i32,
    green_from_v: i32,
    blue_from_u: i32,
}

/// A part of the frame whose pixels come from elsewhere, in the hole that begins at `hole`.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Part {
    top: usize,
    left: usize,
    rows: usize,
    columns: usize,
    hole: usize,
    first: usize,
}

/// Returns a sample.
#[cube]
fn sample(samples: &Tensor<u8>, at: usize, layout: &Layout, #[comptime] form: Form) -> i32 {
    let mut value = u32::cast_from(samples[at * comptime!(form.bytes)]);
    if comptime!(form.bytes == 2) {
        let word = value + (u32::cast_from(samples[2 * at + 1]) << 8u32);
        value = word >> layout.shift;
    }
    i32::cast_from(value)
}

/// Returns a channel of a pixel from the contributions of luma and chroma, with the fraction rounded.
#[cube]
fn channel(sum: i32) -> u32 {
    // Nothing of a negative sum is left.
    (u32::cast_from(max(sum + 32768i32, 0i32)) >> 16u32).min(255u32)
}

/// Returns red, green and blue of a pixel.
#[cube]
fn pixel(
    samples: &Tensor<u8>,
    row_in_part: usize,
    column_in_part: usize,
    layout: &Layout,
    #[comptime] form: Form,
) -> Array<u32> {
    let mut rgb = Array::<u32>::new(3usize);
    let row = layout.top + row_in_part;
    let column = layout.left + column_in_part;
    let at = row * layout.frame_width + column;
    if comptime!(form.packed.is_some()) {
        let (step, offsets) = comptime!(form.packed.unwrap_or((0, [0; 3])));
        #[unroll]
        for c in 0..3usize {
            rgb[c] = u32::cast_from(samples[at * step + comptime!(offsets[c])]);
        }
    } else {
        let half = layout.frame_width.div_ceil(2);
        let pair = layout.frame_plane + 2 * (row / 2 * half + column / 2);
        let y = sample(samples, at, layout, form);
        let u = sample(samples, pair, layout, form) - layout.gray;
        let v = sample(samples, pair + 1, layout, form) - layout.gray;
        let luma = layout.luma_gain * (y - layout.luma_offset);
        rgb[0] = channel(luma + layout.red_from_v * v);
        rgb[1] = channel(luma + layout.green_from_u * u + layout.green_from_v * v);
        rgb[2] = channel(luma + layout.blue_from_u * u);
    }
    rgb
}

#[cube(launch)]
fn samples_kernel<F: Float>(
    samples: &Tensor<u8>,
    host: &Tensor<u8>,
    out: &mut Tensor<F>,
    layout: Layout,
    part: Part,
    #[comptime] form: Form,
    #[comptime] count: usize,
    #[comptime] blank: Option<usize>,
    #[define(F)] _elem: ElemType,
) {
    let (at, plane) = (ABSOLUTE_POS, layout.plane);
    if at >= plane {
        terminate!();
    }
    let (row, column) = (at / layout.width, at % layout.width);
    let mut rgb = pixel(samples, row, column, &layout, form);
    let beside = row < part.top || column < part.left;
    let beyond = row >= part.top + part.rows || column >= part.left + part.columns;
    if !beside && !beyond && u32::cast_from(host[part.hole + at]) != 0 {
        let inside = (row - part.top) * part.columns + column - part.left;
        for c in 0..3usize {
            rgb[c] = u32::cast_from(host[part.first + 3 * inside + c]);
        }
    }
    let mut seen = true;
    if comptime!(blank.is_some()) {
        let index = comptime!(blank.unwrap_or(0));
        seen = u32::cast_from(host[index * plane + at]) == 0;
    }
    for c in 0..3usize {
        let mut value = 0.0f32;
        if seen {
            value = f32::cast_from(rgb[c]) / 255.0 * 2.0 - 1.0;
        }
        out[c * plane + at] = F::cast_from(value);
    }
    #[unroll]
    for i in 0..count {
        let value = f32::cast_from(host[i * plane + at]);
        out[(3 + i) * plane + at] = F::cast_from(value);
    }
}

#[cube(launch)]
fn sampled_kernel(
    samples: &Tensor<u8>,
    out: &mut Tensor<u8>,
    layout: Layout,
    step: usize,
    columns: usize,
    count: usize,
    #[comptime] form: Form,
) {
    let at = ABSOLUTE_POS;
    if at >= count {
        terminate!();
    }
    let (row, column) = (at / columns * step, at % columns * step);
    let rgb = pixel(samples, row, column, &layout, form);
    for c in 0..3usize {
        out[3 * at + c] = u8::cast_from(rgb[c]);
    }
}

/// Returns what is compiled, and the shift and the conversion that are not.
fn form(samples: &Samples) -> (Form, u32, YuvMatrix) {
    match *samples {
        Samples::Packed { step, rgb } => {
            let packed = Some((step, rgb));
            (Form { packed, bytes: 1 }, 0, YuvMatrix::default())
        }
        Samples::SemiPlanar {
            bytes,
            shift,
            matrix,
        } => {
            let packed = None;
            (Form { packed, bytes }, shift as u32, matrix)
        }
    }
}

fn layout(samples: &Samples, [height, width]: [usize; 2], part: &Rect) -> LayoutLaunch {
    let (_, shift, m) = form(samples);
    LayoutLaunch::new(
        width,
        height * width,
        part.rows.start,
        part.columns.start,
        part.columns.len(),
        part.pixels(),
        shift,
        m.luma_offset,
        m.luma_gain,
        m.gray,
        m.red_from_v,
        m.green_from_u,
        m.green_from_v,
        m.blue_from_u,
    )
}

/// A part of a frame whose samples are in a tensor.
#[derive(Clone, Copy, Debug)]
pub struct DevicePart<'a> {
    /// The samples, as bytes.
    pub tensor: &'a Burn<1, Int>,
    /// How they lie there.
    pub samples: &'a Samples,
    /// Rows and columns of the frame.
    pub size: [usize; 2],
    /// The part.
    pub part: &'a Rect,
}

/// Computes [`FrameBytes::joined`], but of a part of a frame on a device, with an overlay if there is one.
/// Returns `None` if the tensor is not on a GPU.
pub fn joined_of(
    bytes: &FrameBytes<'_>,
    there: &DevicePart<'_>,
    overlay: Option<&Overlay>,
    dtype: DType,
) -> Option<Burn<4>> {
    let DevicePart {
        tensor, samples, ..
    } = *there;
    let memory = tensor.clone().try_into_primitive::<Cube>().ok()?;
    let [height, width] = bytes.size();
    let (plane, count) = (height * width, bytes.masks.len());
    let mut host: Vec<u8> = bytes.masks.concat();
    let mut part = [0; 6];
    if let Some(overlay) = overlay {
        let hole = overlay.hole.hole();
        let known = bytes.masks.iter().position(|mask| *mask == hole);
        let at = known.unwrap_or(count);
        if known.is_none() {
            host.extend_from_slice(hole);
        }
        let [rows, columns] = overlay.area.size();
        let [top, left] = [overlay.area.rows.start, overlay.area.columns.start];
        part = [top, left, rows, columns, at * plane, host.len()];
        host.extend_from_slice(&overlay.rgb);
    }
    let host = match host.len() {
        // The kernel reads nothing of it.
        0 => memory.clone(),
        length => {
            let data = TensorData::new(host, [length]);
            let host: Burn<1, Int> = Burn::from_data(data, (&tensor.device(), DType::U8));
            host.try_into_primitive::<Cube>().ok()?
        }
    };
    let out = empty(&memory, [1, 3 + count, height, width], dtype);
    let (cubes, dim) = launch_size(&out, plane);
    let [top, left, rows, columns, hole, first] = part;
    samples_kernel::launch(
        &out.client,
        cubes,
        dim,
        memory.into_tensor_arg(),
        host.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        layout(samples, there.size, there.part),
        PartLaunch::new(top, left, rows, columns, hole, first),
        form(samples).0,
        count,
        bytes.blank,
        elem_type(&out),
    );
    Some(Burn::from_primitive::<Cube>(out))
}

fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D], dtype: DType) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), dtype)
}

/// Copies every `step`-th pixel of every `step`-th row of a part to the host, as RGB bytes.
///
/// # Errors
/// What the device says.
pub fn sampled(there: &DevicePart<'_>, step: usize) -> Result<Vec<u8>, String> {
    let DevicePart {
        tensor,
        samples,
        size,
        part,
    } = *there;
    let primitive = tensor.clone().try_into_primitive::<Cube>();
    let memory = primitive.map_err(|_| "the frame is not on a GPU".to_owned())?;
    let [rows, columns] = part.size().map(|side| side.div_ceil(step));
    let count = rows * columns;
    let out = empty(&memory, [3 * count], DType::U8);
    let (cubes, dim) = launch_size(&out, count);
    sampled_kernel::launch(
        &out.client,
        cubes,
        dim,
        memory.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        layout(samples, size, part),
        step,
        columns,
        count,
        form(samples).0,
    );
    let read = read_bytes(vec![Burn::from_primitive::<Cube>(out)])?;
    Ok(read.concat())
}
