//! The encoder, once per frame (spec section 5).

use burn::tensor::{Device, Tensor};

use crate::{
    networks::layers::{Activation, Conv2d, Geometry},
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

    /// `[B, 5, H, W]` (picture, mask, updated mask) → `[B, 128, H/4, W/4]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let features = self.down.iter().fold(x, |x, conv| conv.forward(x));
        let wide = self.widen.forward(features.clone());
        let layers = self.grouped.iter().zip(GROUPS);
        layers.fold(wide, |x, (conv, groups)| {
            conv.forward(interleave(features.clone(), x, groups))
        })
    }
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
