//! The decoder, of local frames only (spec section 6).

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use crate::{
    kernels::{
        toom_cook::OUTPUTS,
        upsample::{sources, upsample_rows},
    },
    networks::{
        layers::{Activation, Conv2d, Geometry},
        pace::join,
    },
    weights::Checkpoint,
};

/// From features at 1/4 to pictures.
#[derive(Debug)]
pub struct Decoder {
    half: [Conv2d; 2],
    full: [Conv2d; 2],
}

impl Decoder {
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        let conv = |layer: &str, activation: Activation| {
            let key = format!("decoder.{layer}");
            Conv2d::init(checkpoint, &key, Geometry::default(), device).then(activation)
        };
        let leaky = Activation::Leaky(0.2);
        Self {
            half: [conv("0.conv", leaky), conv("2", leaky)],
            full: [conv("4.conv", leaky), conv("6", Activation::None)],
        }
    }

    /// `[B, 128, H/4, W/4]` → `[B, 3, H, W]` in [−1, 1], from `rows` at 1/4 at once; 0 is all
    pub fn forward(&self, x: Tensor<4>, rows: usize) -> Tensor<4> {
        let height = x.dims()[2];
        self.band(x, 0, height, 0..4 * height, rows)
    }

    /// Some rows of the picture, `[B, 3, band, W]`. `x` holds rows from `first` on of features
    /// of `height`, [`Span`]'s of the band at least.
    pub fn band(
        &self,
        x: Tensor<4>,
        first: usize,
        height: usize,
        band: Range<usize>,
        rows: usize,
    ) -> Tensor<4> {
        join(x, band.len(), 4 * rows, |x, strip| {
            let out = band.start + strip.start..band.start + strip.end;
            let Span { known, half, full } = Span::of(height, out.clone());
            let x = x.narrow(2, known.start - first, known.len());
            let x = double(x, known.start, height, half.clone(), &self.half);
            let x = double(x, half.start, 2 * height, full.clone(), &self.full);
            x.narrow(2, out.start - full.start, out.len()).tanh()
        })
    }
}

/// `rows` of a picture twice as large, convolved. `x` holds rows from `start` on, of `height`.
fn double(
    x: Tensor<4>,
    start: usize,
    height: usize,
    rows: Range<usize>,
    convolutions: &[Conv2d; 2],
) -> Tensor<4> {
    let x = upsample_rows(x, start, height, rows);
    convolutions.iter().fold(x, |x, conv| conv.forward(x))
}

/// The rows that are computed for a strip of the picture. Next to a cut, convolutions meet
/// zeros in place of its neighbours: those rows are wrong, and nobody reads them.
pub struct Span {
    /// Of the features.
    pub known: Range<usize>,
    /// At 1/2, and at full size.
    pub half: Range<usize>,
    pub full: Range<usize>,
}

impl Span {
    /// For the rows `out` of a picture with `height` rows at 1/4. They begin at multiples of
    /// [`OUTPUTS`], where the CPU's convolutions begin a tile in the whole picture, too: the
    /// numbers are the same to the last bit.
    pub fn of(height: usize, out: Range<usize>) -> Self {
        let convolved = |rows: Range<usize>, limit: usize| {
            let start = rows.start.saturating_sub(2) / OUTPUTS * OUTPUTS;
            start..(rows.end + 2).min(limit)
        };
        let full = convolved(out, 4 * height);
        let half = convolved(sources(full.clone(), 2 * height), 2 * height);
        let known = sources(half.clone(), height);
        Self { known, half, full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::pace::tests::{assert_strips, convolution, picture};

    #[test]
    fn strips_of_any_height_give_the_same_picture() {
        let leaky = Activation::Leaky(0.2);
        let conv = |shape, activation| convolution(shape, Geometry::default()).then(activation);
        let decoder = Decoder {
            half: [conv([18, 20], leaky), conv([16, 18], leaky)],
            full: [conv([17, 16], leaky), conv([3, 17], Activation::None)],
        };
        for size in [[13, 11], [9, 7], [2, 5], [1, 3]] {
            let x = picture([2, 20, size[0], size[1]]);
            assert_strips(x.clone(), size[0], |x, rows| decoder.forward(x, rows));
            let whole = decoder.forward(x.clone(), 0);
            let height = size[0];
            for band in [
                0..4 * height,
                0..3,
                2..4 * height - 1,
                4 * height - 3..4 * height,
            ] {
                let known = Span::of(height, band.clone()).known;
                let held = x.clone().narrow(2, known.start, known.len());
                let part = decoder.band(held, known.start, height, band.clone(), 0);
                let expected = whole.clone().narrow(2, band.start, band.len());
                let most = (part - expected).abs().max().into_scalar::<f32>();
                assert!(most < 1e-6, "{size:?}, rows {band:?}: {most}");
            }
        }
    }
}
