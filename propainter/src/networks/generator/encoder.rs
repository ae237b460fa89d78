//! The encoder, which runs once for each frame (spec section 5).

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use crate::networks::{
    layers::{Activation, Conv2d, ConvGeometry},
    parameters::ParameterSource,
    strips::{join, source_rows},
};

/// Groups of the convolutions that read the features at a quarter of the resolution again.
const GROUPS: [usize; 4] = [2, 4, 8, 1];

/// The encoder, from frames and masks to features at a quarter of the resolution.
#[derive(Debug)]
pub struct Encoder {
    /// Convolutions down to a quarter of the resolution, to 256 channels.
    down: [Conv2d; 4],
    /// The convolution from 256 to 384 channels.
    widen: Conv2d,
    /// The convolutions with groups.
    grouped: [Conv2d; 4],
}

impl Encoder {
    /// Reads the encoder from the generator's parameters.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        let conv = |layer: usize, geometry: ConvGeometry| {
            let key = format!("encoder.layers.{layer}");
            Conv2d::init(source, &key, geometry, device).then(Activation::Leaky(0.2))
        };
        let same = ConvGeometry::default();
        let grouped = |i: usize| conv(10 + 2 * i, same.groups(GROUPS[i]));
        Self {
            down: [(0, 2), (2, 1), (4, 2), (6, 1)].map(|(i, stride)| conv(i, same.stride(stride))),
            widen: conv(8, same),
            grouped: [0, 1, 2, 3].map(grouped),
        }
    }

    /// Encodes `[B, 5, H, W]` (frame, mask, updated mask) to `[B, 128, H/4, W/4]`, `rows` rows of the
    /// result at once; 0 is all.
    pub fn forward(&self, x: Tensor<4>, rows: usize) -> Tensor<4> {
        let height = x.dims()[2];
        join(x, height.div_ceil(4), rows, |x, out| {
            let read = frame_rows(height, out.clone());
            let features = self.features(x.narrow(2, read.start, read.len()));
            features.narrow(2, out.start - read.start / 4, out.len())
        })
    }

    /// Computes features without strips.
    fn features(&self, x: Tensor<4>) -> Tensor<4> {
        let features = self.down.iter().fold(x, |x, conv| conv.forward(x));
        let widened = self.widen.forward(features.clone());
        self.grouped.iter().fold(widened, |x, conv| {
            conv.forward_joining(vec![features.clone(), x])
        })
    }
}

/// Returns the rows of a frame of `height` rows that the rows `out` of its features depend on, from
/// the start of a row of features on. At a cut a convolution meets zeros in place of neighbours; the
/// rows there are wrong and are never read.
pub fn frame_rows(height: usize, out: Range<usize>) -> Range<usize> {
    let mut strides = [1; 9];
    (strides[0], strides[2]) = (2, 2);
    let [read, ..] = source_rows(strides, height, out);
    read.start / 4 * 4..read.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::strips::tests::{assert_strips, convolution, pattern};

    #[test]
    fn strips_of_any_height_give_the_same_features() {
        let conv = |shape, geometry| convolution(shape, geometry).then(Activation::Leaky(0.2));
        let same = ConvGeometry::default();
        let encoder = Encoder {
            down: [
                conv([16, 5], same.stride(2)),
                conv([16, 16], same),
                conv([20, 16], same.stride(2)),
                conv([32, 20], same),
            ],
            widen: conv([24, 32], same),
            grouped: [
                conv([32, 28], same.groups(2)),
                conv([32, 16], same.groups(4)),
                conv([16, 8], same.groups(8)),
                conv([18, 48], same),
            ],
        };
        for size in [[52, 28], [53, 21], [38, 9], [8, 8], [3, 5]] {
            let x = pattern([2, 5, size[0], size[1]]);
            let rows = size[0].div_ceil(4);
            assert_strips(x, rows, |x, rows| encoder.forward(x, rows));
        }
    }
}
