//! The decoder of local frames (spec section 6).

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use super::TILE;
use crate::{
    Rect,
    kernels::{
        crop_tanh::crop_tanh,
        device::is_cpu,
        upsample::{source_lines, upsample2x},
    },
    networks::{
        layers::{Activation, Conv2d, ConvGeometry},
        parameters::ParameterSource,
        strips::join,
    },
};

/// Channels at full resolution.
const FULL: usize = 64;

/// The decoder, from features at a quarter of the resolution to frames.
#[derive(Debug)]
pub struct Decoder {
    half: [Conv2d; 2],
    full: [Conv2d; 2],
}

impl Decoder {
    /// Reads the decoder from the generator's parameters.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        let conv = |layer: &str, activation: Activation| {
            let key = format!("decoder.{layer}");
            Conv2d::init(source, &key, ConvGeometry::default(), device).then(activation)
        };
        let leaky = Activation::Leaky(0.2);
        Self {
            half: [conv("0.conv", leaky), conv("2", leaky)],
            full: [conv("4.conv", leaky), conv("6", Activation::None)],
        }
    }

    /// Decodes whole frames, `[B, 128, H/4, W/4]` → `[B, 3, H, W]` in [−1, 1], from `rows` rows of
    /// features at once; 0 is all.
    pub fn forward(&self, x: Tensor<4>, rows: usize) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let size = [height, width];
        let whole = Rect::whole(size.map(|side| 4 * side));
        self.part(x, &Rect::whole(size), size, &whole, rows)
    }

    /// Decodes the part `area` of frames, `[B, 3, rows, columns]`, from `rows` rows of features at
    /// once; 0 is all. `x` is the part `held` of features of `size`; it contains the
    /// [`ReceptiveField`] of `area`.
    pub fn part(
        &self,
        x: Tensor<4>,
        held: &Rect,
        size: [usize; 2],
        area: &Rect,
        rows: usize,
    ) -> Tensor<4> {
        join(x, area.rows.len(), 4 * rows, |x, strip| {
            let first = area.rows.start;
            let out = Rect {
                rows: first + strip.start..first + strip.end,
                columns: area.columns.clone(),
            };
            let ReceptiveField { half, full, .. } = ReceptiveField::of(size, &out);
            let x = upsample_and_convolve(x, held, size, &half, &self.half);
            let x = upsample_and_convolve(x, &half, size.map(|side| 2 * side), &full, &self.full);
            crop_tanh(x, &full, &out)
        })
    }
}

/// Computes the part `area` of an image twice as large, convolved. `x` is the part `held` of an image
/// of `size`.
fn upsample_and_convolve(
    x: Tensor<4>,
    held: &Rect,
    size: [usize; 2],
    area: &Rect,
    convolutions: &[Conv2d; 2],
) -> Tensor<4> {
    let x = upsample2x(x, held, size, area);
    convolutions.iter().fold(x, |x, conv| conv.forward(x))
}

/// Divides the frames `read`, of which the parts `areas` are wanted, into batches of consecutive
/// frames that are decoded at once, each with the part that contains what is wanted of them. On the
/// CPU each frame is a batch.
pub fn batches(read: &[usize], areas: &[Rect], device: &Device) -> Vec<(Range<usize>, Rect)> {
    let mut batches: Vec<(Range<usize>, Rect)> = Vec::new();
    for (&t, area) in read.iter().zip(areas) {
        if let Some((frames, whole)) = batches.last_mut()
            && frames.end == t
            && !is_cpu(device)
        {
            let union = whole.union(area);
            let pixels = union.pixels();
            // A little more may be decoded than is wanted.
            let close = 4 * pixels <= 5 * whole.pixels().min(area.pixels());
            if close && (frames.len() + 1) * FULL * pixels <= TILE {
                frames.end += 1;
                *whole = union;
                continue;
            }
        }
        batches.push((t..t + 1, area.clone()));
    }
    batches
}

/// The parts that the decoder computes for a part of a frame.
pub struct ReceptiveField {
    /// The part of the features that it reads.
    pub features: Rect,
    /// The part at half the resolution.
    pub half: Rect,
    /// The part at full resolution, before the last convolutions.
    pub full: Rect,
}

impl ReceptiveField {
    /// Returns the receptive field of the part `out` of a frame whose features have this `size`.
    pub fn of(size: [usize; 2], out: &Rect) -> Self {
        let [half_size, full_size] = [2, 4].map(|scale| size.map(|side| scale * side));
        let full = out.receptive_field(2, full_size);
        let half = full.map(|lines, axis| source_lines(lines, half_size[axis]));
        let half = half.receptive_field(2, half_size);
        let features = half.map(|lines, axis| source_lines(lines, size[axis]));
        Self {
            features,
            half,
            full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::strips::tests::{assert_strips, convolution, pattern};

    #[test]
    fn strips_of_any_height_give_the_same_frame() {
        let leaky = Activation::Leaky(0.2);
        let conv = |shape, activation| convolution(shape, ConvGeometry::default()).then(activation);
        let decoder = Decoder {
            half: [conv([18, 20], leaky), conv([16, 18], leaky)],
            full: [conv([17, 16], leaky), conv([3, 17], Activation::None)],
        };
        for size in [[13, 11], [9, 7], [2, 5], [1, 3]] {
            let x = pattern([2, 20, size[0], size[1]]);
            assert_strips(x.clone(), size[0], |x, rows| decoder.forward(x, rows));
            let whole = decoder.forward(x.clone(), 0);
            let all = Rect::whole(size);
            let bands = |side: usize| [0..side, 0..3, 2..side - 1, side - 3..side];
            for rows in bands(4 * size[0]) {
                for columns in bands(4 * size[1]) {
                    let area = Rect::new([rows.clone(), columns]);
                    let known = ReceptiveField::of(size, &area).features;
                    let held = known.crop(x.clone(), 2, &all);
                    let part = decoder.part(held, &known, size, &area, 0);
                    let expected = area.crop(whole.clone(), 2, &Rect::whole(size.map(|s| 4 * s)));
                    // To the last bit.
                    assert_eq!(part.into_data(), expected.into_data(), "{size:?}, {area:?}");
                }
            }
        }
    }
}
