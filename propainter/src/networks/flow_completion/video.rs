//! Convolution of a video in space, then in time.

use burn::tensor::{Device, Tensor};

use super::LEAKY;
use crate::{
    networks::{
        kept::owned,
        layers::{Conv2d, Geometry},
    },
    weights::Checkpoint,
};

/// Frames on each side that the convolution in time sees.
const REACH: usize = 2;

/// A 3×3 convolution of each frame, then one over three frames, two apart.
#[derive(Debug)]
pub struct P3d {
    space: Conv2d,
    time: Conv2d,
}

/// The end of the video so far, which the next part of it still needs.
#[derive(Debug, Default)]
pub struct Carry(Option<Tensor<4>>);

impl P3d {
    /// Takes `{key}.conv1.0` and `{key}.conv2.0`.
    pub fn init(checkpoint: &Checkpoint, key: &str, stride: usize, device: &Device) -> Self {
        let space = Geometry::default().stride(stride);
        // Frames beyond the ends come as zeros with the input.
        let time = Geometry {
            padding: [0, 0],
            dilation: [REACH, 1],
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

    /// The next part of a video, `[n, I, H, W]` → `[m, O, H', W']`, activated. Frames come out
    /// once those two further on are there; the `last` part brings the rest, so that all parts
    /// together give as many as went in. `None` where there are none yet. The video is continued
    /// by zeros in time.
    pub fn forward(&self, x: Tensor<4>, carry: &mut Carry, last: bool) -> Option<Tensor<4>> {
        let x = self.space.forward(x);
        let zeros = || {
            let [_, channels, height, width] = x.dims();
            Tensor::zeros([REACH, channels, height, width], (&x.device(), x.dtype()))
        };
        let front = carry.0.take().unwrap_or_else(zeros);
        let back = last.then(zeros);
        let x = Tensor::cat(
            [Some(front), Some(x), back].into_iter().flatten().collect(),
            0,
        );
        let length = x.dims()[0];
        if length <= 2 * REACH {
            carry.0 = Some(x);
            return None;
        }
        if !last {
            carry.0 = Some(owned(x.clone().narrow(0, length - 2 * REACH, 2 * REACH)));
        }
        Some(self.in_time(x))
    }

    /// `[n, C, H, W]` → `[n − 4, O, H, W]`
    fn in_time(&self, x: Tensor<4>) -> Tensor<4> {
        let [length, channels, height, width] = x.dims();
        // Time takes the place of rows, all pixels that of columns: [1, C, T, H·W].
        let x: Tensor<4> = x
            .reshape([1, length, channels, height * width])
            .swap_dims(1, 2);
        let x = self.time.forward(x);
        let [_, channels, length, _] = x.dims();
        x.swap_dims(1, 2).reshape([length, channels, height, width])
    }
}
