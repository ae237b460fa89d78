//! Reading weights and pixels into registers, converted to 32 bits. What lies outside is read as zero:
//! the read goes to the first element and its value is dropped, so that no unit waits at a branch.

use burn_cubecl::cubecl::{self, prelude::*};

use super::form::{Form, Window};

/// The share of a group in the inputs, and their strides.
#[derive(CubeType)]
pub struct Shares {
    /// Where the first channel of the group begins.
    pub bases: Sequence<usize>,
    /// Channels of the group.
    pub counts: Sequence<usize>,
    pub channel_strides: Sequence<usize>,
    pub row_strides: Sequence<usize>,
    pub column_strides: Sequence<usize>,
}

/// Returns the share of a group.
#[cube]
pub fn shares<F: Float>(
    inputs: &Sequence<OwnedTensor<F>>,
    image: usize,
    group: usize,
    groups: usize,
    #[comptime] form: Form,
) -> Shares {
    let mut bases = Sequence::<usize>::new();
    let mut counts = Sequence::<usize>::new();
    let mut channel_strides = Sequence::<usize>::new();
    let mut row_strides = Sequence::<usize>::new();
    let mut column_strides = Sequence::<usize>::new();
    #[unroll]
    for i in 0..comptime!(form.inputs) {
        let input = &inputs[i];
        let count = input.shape(1) / groups;
        bases.push(image * input.stride(0) + group * count * input.stride(1));
        counts.push(count);
        channel_strides.push(input.stride(1));
        row_strides.push(input.stride(2));
        column_strides.push(input.stride(3));
    }
    Shares {
        bases,
        counts,
        channel_strides,
        row_strides,
        column_strides,
    }
}

/// Returns whether a tap reads inside the plane.
#[cube]
fn inside(y: i32, x: i32, height: usize, width: usize) -> bool {
    u32::cast_from(y) < u32::cast_from(height) && u32::cast_from(x) < u32::cast_from(width)
}

/// Reads the rows of weights from `first_row` on. Places beyond the matrix are zeros.
#[cube]
pub fn read_weights<W: Float>(
    weight: &Tensor<W>,
    base: usize,
    first_row: usize,
    first_output: usize,
    next: &mut Array<f32>,
    #[comptime] form: Form,
) {
    let rows = comptime!(form.tile.rows);
    let outputs = weight.shape(3);
    let end = base + weight.shape(2) * weight.stride(2);
    #[unroll(form.one())]
    for i in 0..comptime!(form.weights_each()) {
        let place = UNIT_POS as usize + i * comptime!(form.units);
        let output = first_output + place % rows;
        let row = first_row + place / rows;
        let at = base + row * weight.stride(2) + output;
        let reads = output < outputs && at < end;
        let value = f32::cast_from(weight[select(reads, at, 0usize)]);
        next[i] = select(reads, value, 0.0f32);
    }
}

/// Reads what one tap reads of a block of channels, for the pixels whose top left taps are given.
#[cube]
pub fn read_block<F: Float>(
    input: &Tensor<F>,
    shares: &Shares,
    tops: &Array<i32>,
    lefts: &Array<i32>,
    tap_y: i32,
    tap_x: i32,
    channel: usize,
    next: &mut Array<f32>,
    #[comptime] index: usize,
    #[comptime] form: Form,
) {
    let own_rows = comptime!(form.own_rows());
    let (height, width) = (input.shape(2), input.shape(3));
    let channel_stride = shares.channel_strides[index];
    #[unroll(form.one())]
    for j in 0..comptime!(form.own_columns()) {
        let y = tops[j] + tap_y;
        let x = lefts[j] + tap_x;
        let reads = inside(y, x, height, width);
        let base = i32::cast_from(shares.bases[index])
            + y * i32::cast_from(shares.row_strides[index])
            + x * i32::cast_from(shares.column_strides[index]);
        #[unroll(form.one())]
        for i in 0..own_rows {
            let row = UNIT_POS as usize / comptime!(form.tile.columns);
            let k = channel + row + i * comptime!(form.row_step());
            let reads = reads && k < shares.counts[index];
            let at = usize::cast_from(base) + k * channel_stride;
            let value = f32::cast_from(input[select(reads, at, 0usize)]);
            next[j * own_rows + i] = select(reads, value, 0.0f32);
        }
    }
}

/// Reads a block of channels of a tile of pixels; lanes read neighbouring channels.
#[cube]
pub fn read_rows<F: Float>(
    input: &Tensor<F>,
    shares: &Shares,
    first_pixel: usize,
    channel: usize,
    next: &mut Array<f32>,
    #[comptime] form: Form,
) {
    let depth = comptime!(form.tile.depth);
    let pixels = input.shape(2) * input.shape(3);
    #[unroll(form.one())]
    for i in 0..comptime!(form.pixels_each()) {
        let place = UNIT_POS as usize + i * comptime!(form.units);
        let pixel = first_pixel + place / depth;
        let k = channel + place % depth;
        let at = shares.bases[0] + k * shares.channel_strides[0] + pixel * shares.column_strides[0];
        let reads = pixel < pixels && k < shares.counts[0];
        let value = f32::cast_from(input[select(reads, at, 0usize)]);
        next[i] = select(reads, value, 0.0f32);
    }
}

/// The offset and the place of every product, for sums whose taps and channels are one axis.
#[derive(CubeType)]
pub struct List {
    offsets: Shared<[u32]>,
    places_y: Shared<[i32]>,
    places_x: Shared<[i32]>,
}

/// Writes the list of `length` products to shared memory, if the form has one.
#[cube]
pub fn list(shares: &Shares, window: &Window, length: usize, #[comptime] form: Form) -> List {
    let most = comptime!(form.listed());
    let mut offsets = Shared::<[u32]>::new_slice(most);
    let mut places_y = Shared::<[i32]>::new_slice(most);
    let mut places_x = Shared::<[i32]>::new_slice(most);
    if comptime!(most > 1) {
        let channels = shares.counts[0];
        for k in range_stepped(UNIT_POS as usize, length, comptime!(form.units)) {
            let (tap, channel) = (k / channels, k % channels);
            let y = (tap / window.kernel_width) as i32 * window.dilation_y;
            let x = (tap % window.kernel_width) as i32 * window.dilation_x;
            let offset = i32::cast_from(channel * shares.channel_strides[0])
                + y * i32::cast_from(shares.row_strides[0])
                + x * i32::cast_from(shares.column_strides[0]);
            offsets[k] = u32::cast_from(offset);
            places_y[k] = y;
            places_x[k] = x;
        }
        sync_cube();
    }
    List {
        offsets,
        places_y,
        places_x,
    }
}

/// Reads the products from `first` on, of `length` that are listed.
#[cube]
pub fn read_listed<F: Float>(
    input: &Tensor<F>,
    shares: &Shares,
    list: &List,
    tops: &Array<i32>,
    lefts: &Array<i32>,
    first: usize,
    length: usize,
    next: &mut Array<f32>,
    #[comptime] form: Form,
) {
    let own_rows = comptime!(form.own_rows());
    let (height, width) = (input.shape(2), input.shape(3));
    #[unroll(form.one())]
    for j in 0..comptime!(form.own_columns()) {
        let (top, left) = (tops[j], lefts[j]);
        let base = i32::cast_from(shares.bases[0])
            + top * i32::cast_from(shares.row_strides[0])
            + left * i32::cast_from(shares.column_strides[0]);
        #[unroll(form.one())]
        for i in 0..own_rows {
            let row = UNIT_POS as usize / comptime!(form.tile.columns);
            let k = first + row + i * comptime!(form.row_step());
            let at = select(k < length, k, 0usize);
            let (y, x) = (top + list.places_y[at], left + list.places_x[at]);
            let place = usize::cast_from(base + i32::cast_from(list.offsets[at]));
            let reads = inside(y, x, height, width) && k < length;
            let value = f32::cast_from(input[select(reads, place, 0usize)]);
            next[j * own_rows + i] = select(reads, value, 0.0f32);
        }
    }
}
