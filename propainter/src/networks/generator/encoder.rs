//! The encoder, once per frame (spec section 5).

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use crate::{
    networks::{
        layers::{Activation, Conv2d, Geometry},
        pace::{join, sources},
    },
    weights::Checkpoint,
};

/// Groups of the convolutions that see the features at 1/4 again.
const GROUPS: [usize; 4] = [2, 4, 8, 1];

/// From pictures and masks to features at 1/4.
#[derive(Debug)]
pub struct Encoder {
    /// Down to 1/4, 256 channels.
    down: [Conv2d; 4],
    /// 256 → 384.
    widen: Conv2d,
    grouped: [Conv2d; 4],
}

impl Encoder {
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        let conv = |layer: usize, geometry: Geometry| {
            let key = format!("encoder.layers.{layer}");
            Conv2d::init(checkpoint, &key, geometry, device).then(Activation::Leaky(0.2))
        };
        let same = Geometry::default();
        let grouped = |i: usize| conv(10 + 2 * i, same.groups(GROUPS[i]));
        Self {
            down: [(0, 2), (2, 1), (4, 2), (6, 1)].map(|(i, stride)| conv(i, same.stride(stride))),
            widen: conv(8, same),
            grouped: [0, 1, 2, 3].map(grouped),
        }
    }

    /// `[B, 5, H, W]` (picture, mask, updated mask) → `[B, 128, H/4, W/4]`, `rows` of the result
    /// at once; 0 is all
    pub fn forward(&self, x: Tensor<4>, rows: usize) -> Tensor<4> {
        let height = x.dims()[2];
        join(x, height.div_ceil(4), rows, |x, out| {
            let read = span(height, out.clone());
            let features = self.features(x.narrow(2, read.start, read.len()));
            features.narrow(2, out.start - read.start / 4, out.len())
        })
    }

    fn features(&self, x: Tensor<4>) -> Tensor<4> {
        let features = self.down.iter().fold(x, |x, conv| conv.forward(x));
        let wide = self.widen.forward(features.clone());
        let layers = self.grouped.iter().zip(GROUPS);
        layers.fold(wide, |x, (conv, groups)| {
            conv.forward(interleave(features.clone(), x, groups))
        })
    }
}

/// The rows of a picture of `height` that are read for the rows `out` of its features, from a
/// whole row of features on. Next to a cut, convolutions meet zeros in place of its neighbours:
/// those rows are wrong, and nobody reads them.
pub fn span(height: usize, out: Range<usize>) -> Range<usize> {
    let mut strides = [1; 9];
    (strides[0], strides[2]) = (2, 2);
    let [read, ..] = sources(strides, height, out);
    read.start / 4 * 4..read.end
}

/// Both cut into `groups` parts along the channels, part by part behind each other.
fn interleave(a: Tensor<4>, b: Tensor<4>, groups: usize) -> Tensor<4> {
    let [batch, _, height, width] = a.dims();
    let [a, b] = [a, b].map(|x| {
        let part = x.dims()[1] / groups;
        x.reshape([batch, groups, part, height, width])
    });
    let both = Tensor::cat(vec![a, b], 2);
    let channels = groups * both.dims()[2];
    both.reshape([batch, channels, height, width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::pace::tests::{assert_strips, convolution, picture};

    #[test]
    fn strips_of_any_height_give_the_same_features() {
        let conv = |shape, geometry| convolution(shape, geometry).then(Activation::Leaky(0.2));
        let same = Geometry::default();
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
            let x = picture([2, 5, size[0], size[1]]);
            let rows = size[0].div_ceil(4);
            assert_strips(x, rows, |x, rows| encoder.forward(x, rows));
        }
    }
}
