//! Convolution of a video in space, then in time (pseudo-3D).

use burn::tensor::{Device, Tensor};

use super::LEAKY;
use crate::{
    kernels::{concat::concat, device::by_operations},
    networks::{
        layers::{Conv2d, ConvGeometry},
        parameters::{ParameterSource, parameter},
        stored::owned,
    },
};

/// The frames on each side that the convolution in time reads.
const REACH: usize = 2;

/// A 3×3 convolution of each frame, then one over three frames, two apart.
#[derive(Debug)]
pub struct P3d {
    space: Conv2d,
    time: TimeConv,
}

/// The convolution in time.
#[derive(Debug)]
enum TimeConv {
    /// Over rows, where frames are rows: for the CPU.
    Rows(Conv2d),
    /// Of three frames joined, a kernel of one pixel: for a GPU, which reads them where they are.
    Joined(Conv2d),
}

/// The end of the video so far, which the convolution in time of the next part still reads.
#[derive(Debug, Default)]
pub struct TimeContext(Option<Tensor<4>>);

impl P3d {
    /// Reads `{key}.conv1.0` and `{key}.conv2.0`.
    pub fn init(source: &dyn ParameterSource, key: &str, stride: usize, device: &Device) -> Self {
        let space = ConvGeometry::default().stride(stride);
        let space = Conv2d::init(source, &format!("{key}.conv1.0"), space, device);
        let time = TimeConv::init(source, &format!("{key}.conv2.0"), device);
        Self {
            space: space.then(LEAKY),
            time,
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
        let x = concat([Some(front), Some(x), back].into_iter().flatten().collect());
        let length = x.dims()[0];
        if length <= 2 * REACH {
            context.0 = Some(x);
            return None;
        }
        if !last {
            context.0 = Some(owned(x.clone().narrow(0, length - 2 * REACH, 2 * REACH)));
        }
        Some(self.time.forward(x))
    }
}

impl TimeConv {
    /// Reads `{key}.weight` and `{key}.bias`. Frames beyond the ends are zeros in the input.
    fn init(source: &dyn ParameterSource, key: &str, device: &Device) -> Self {
        if by_operations(device) {
            let geometry = ConvGeometry {
                padding: [0, 0],
                dilation: [REACH, 1],
                ..ConvGeometry::default()
            };
            return Self::Rows(Conv2d::init(source, key, geometry, device).then(LEAKY));
        }
        let weight: Tensor<5> = parameter(source, &format!("{key}.weight"), device);
        let [outputs, inputs, taps, ..] = weight.dims();
        // The parts are joined along the channels: [O, taps · I, 1, 1].
        let weight: Tensor<3> = weight.reshape([outputs, inputs, taps]).swap_dims(1, 2);
        let weight = weight.reshape([outputs, taps * inputs, 1, 1]);
        let bias = parameter(source, &format!("{key}.bias"), device);
        let joined = Conv2d::of(weight, bias, ConvGeometry::padding(0, 0));
        Self::Joined(joined.then(LEAKY))
    }

    /// Convolves in time: `[n, C, H, W]` → `[n − 4, O, H, W]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [length, channels, height, width] = x.dims();
        match self {
            Self::Rows(conv) => {
                // Frames become rows, and all pixels columns: [1, C, T, H·W].
                let x: Tensor<4> = x
                    .reshape([1, length, channels, height * width])
                    .swap_dims(1, 2);
                let x = conv.forward(x);
                let [_, channels, length, _] = x.dims();
                x.swap_dims(1, 2).reshape([length, channels, height, width])
            }
            Self::Joined(conv) => {
                let count = length - 2 * REACH;
                let at = |step: usize| x.clone().narrow(0, step * REACH, count);
                conv.forward_joined(&[&at(0), &at(1), &at(2)])
            }
        }
    }
}
