//! Convolution of a video in space, then in time (pseudo-3D).

use burn::tensor::{Device, Tensor};

use super::LEAKY;
use crate::{
    networks::{
        layers::{Conv2d, ConvGeometry},
        stored::owned,
    },
    weights::Checkpoint,
};

/// The frames on each side that the convolution in time reads.
const REACH: usize = 2;

/// A 3×3 convolution of each frame, then one over three frames, two apart.
#[derive(Debug)]
pub struct P3d {
    space: Conv2d,
    time: Conv2d,
}

/// The end of the video so far, which the convolution in time of the next part still reads.
#[derive(Debug, Default)]
pub struct TimeContext(Option<Tensor<4>>);

impl P3d {
    /// Reads `{key}.conv1.0` and `{key}.conv2.0`.
    pub fn init(checkpoint: &Checkpoint, key: &str, stride: usize, device: &Device) -> Self {
        let space = ConvGeometry::default().stride(stride);
        // Frames beyond the ends are zeros in the input.
        let time = ConvGeometry {
            padding: [0, 0],
            dilation: [REACH, 1],
            ..ConvGeometry::default()
        };
        let conv = |name: &str, geometry| {
            Conv2d::init(checkpoint, &format!("{key}.{name}"), geometry, device).then(LEAKY)
        };
        Self {
            space: conv("conv1.0", space),
            time: conv("conv2.0", time),
        }
    }

    /// Convolves the next part of a video, `[n, I, H, W]` → `[m, O, H', W']`, with activation. The
    /// result lags two frames behind; the `last` part returns the rest, so that all parts together
    /// return as many frames as they were given. Returns `None` if no frame is complete yet. The video
    /// is padded with zeros in time.
    pub fn forward(
        &self,
        x: Tensor<4>,
        context: &mut TimeContext,
        last: bool,
    ) -> Option<Tensor<4>> {
        let x = self.space.forward(x);
        let zeros = || {
            let [_, channels, height, width] = x.dims();
            Tensor::zeros([REACH, channels, height, width], (&x.device(), x.dtype()))
        };
        let front = context.0.take().unwrap_or_else(zeros);
        let back = last.then(zeros);
        let x = Tensor::cat(
            [Some(front), Some(x), back].into_iter().flatten().collect(),
            0,
        );
        let length = x.dims()[0];
        if length <= 2 * REACH {
            context.0 = Some(x);
            return None;
        }
        if !last {
            context.0 = Some(owned(x.clone().narrow(0, length - 2 * REACH, 2 * REACH)));
        }
        Some(self.in_time(x))
    }

    /// Convolves in time: `[n, C, H, W]` → `[n − 4, O, H, W]`.
    fn in_time(&self, x: Tensor<4>) -> Tensor<4> {
        let [length, channels, height, width] = x.dims();
        // Frames become rows, and all pixels columns: [1, C, T, H·W].
        let x: Tensor<4> = x
            .reshape([1, length, channels, height * width])
            .swap_dims(1, 2);
        let x = self.time.forward(x);
        let [_, channels, length, _] = x.dims();
        x.swap_dims(1, 2).reshape([length, channels, height, width])
    }
}
