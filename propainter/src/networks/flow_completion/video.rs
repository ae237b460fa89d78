//! Convolution of a video in space, then in time.

use burn::tensor::{Device, Tensor};

use super::LEAKY;
use crate::{
    networks::layers::{Conv2d, Geometry},
    weights::Checkpoint,
};

/// A 3×3 convolution of each frame, then one over three frames, two apart.
#[derive(Debug)]
pub struct P3d {
    space: Conv2d,
    time: Conv2d,
}

impl P3d {
    /// Takes `{key}.conv1.0` and `{key}.conv2.0`.
    pub fn init(checkpoint: &Checkpoint, key: &str, stride: usize, device: &Device) -> Self {
        let space = Geometry::default().stride(stride);
        let time = Geometry {
            padding: [2, 0],
            dilation: [2, 1],
            ..Geometry::default()
        };
        let conv = |name: &str, geometry| {
            Conv2d::init(checkpoint, &format!("{key}.{name}"), geometry, device).then(LEAKY)
        };
        Self {
            space: conv("conv1.0", space),
            time: conv("conv2.0", time),
        }
    }

    /// `[T, I, H, W]` → `[T, O, H', W']`, activated; the video is continued by zeros in time
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.space.forward(x);
        let [length, channels, height, width] = x.dims();
        // Time takes the place of rows, all pixels that of columns: [1, C, T, H·W].
        let x: Tensor<4> = x
            .reshape([1, length, channels, height * width])
            .swap_dims(1, 2);
        let x = self.time.forward(x);
        let channels = x.dims()[1];
        x.swap_dims(1, 2).reshape([length, channels, height, width])
    }
}
