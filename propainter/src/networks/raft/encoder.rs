//! RAFT's feature and context encoders: a frame to 256 channels at an eighth of the resolution.

use burn::tensor::{Device, Tensor};

use crate::{
    kernels::{instance_norm::instance_norm, residual::rectified_sum},
    networks::{
        layers::{Activation, Conv2d, ConvGeometry},
        parameters::parameter,
    },
    weights::Checkpoint,
};

/// Added to the variance of batch norms.
const EPSILON: f32 = 1e-5;

/// The normalisation between a convolution and its activation.
#[derive(Clone, Copy, Debug)]
pub enum Norm {
    /// Instance norm without parameters.
    Instance,
    /// Batch norm in evaluation: a fixed scale and shift, folded into the convolution.
    Batch,
}

/// One of RAFT's encoders.
#[derive(Debug)]
pub struct Encoder {
    stem: NormedConv,
    blocks: Vec<ResidualBlock>,
    head: Conv2d,
}

impl Encoder {
    /// Reads `{key}.*`: `fnet` with instance norm, `cnet` with batch norm.
    pub fn init(checkpoint: &Checkpoint, key: &str, norm: Norm, device: &Device) -> Self {
        let source = EncoderSource {
            checkpoint,
            norm,
            device,
        };
        let blocks = (1..=3).flat_map(|layer| [(layer, 0), (layer, 1)]);
        let blocks = blocks.map(|(layer, index)| {
            let stride = if layer > 1 && index == 0 { 2 } else { 1 };
            ResidualBlock::init(&source, &format!("{key}.layer{layer}.{index}"), stride)
        });
        Self {
            stem: source.normed(
                [&format!("{key}.conv1"), &format!("{key}.norm1")],
                ConvGeometry::padding(3, 3).stride(2),
                true,
            ),
            blocks: blocks.collect(),
            head: Conv2d::init(
                checkpoint,
                &format!("{key}.conv2"),
                ConvGeometry::padding(0, 0),
                device,
            ),
        }
    }

    /// Encodes frames: `[B, 3, H, W]` in [−1, 1] → `[B, 256, H/8, W/8]`.
    pub fn forward(&self, frames: Tensor<4>) -> Tensor<4> {
        let x = self.stem.forward(frames);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.head.forward(x)
    }
}

/// A residual block. A block with a stride has a convolution on its shortcut.
#[derive(Debug)]
struct ResidualBlock {
    convs: [NormedConv; 2],
    shortcut: Option<NormedConv>,
}

impl ResidualBlock {
    fn init(source: &EncoderSource<'_>, key: &str, stride: usize) -> Self {
        let conv = |i: usize, stride| {
            let keys = [format!("{key}.conv{i}"), format!("{key}.norm{i}")];
            let geometry = ConvGeometry::default().stride(stride);
            source.normed([&keys[0], &keys[1]], geometry, true)
        };
        let shortcut = || {
            let keys = [0, 1].map(|i| format!("{key}.downsample.{i}"));
            let geometry = ConvGeometry::padding(0, 0).stride(stride);
            source.normed([&keys[0], &keys[1]], geometry, false)
        };
        Self {
            convs: [conv(1, stride), conv(2, 1)],
            shortcut: (stride > 1).then(shortcut),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [first, second] = &self.convs;
        let y = first.forward(x.clone());
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        second.forward_onto(y, x)
    }
}

/// A convolution with its norm and, if `rectify`, a ReLU.
#[derive(Debug)]
struct NormedConv {
    conv: Conv2d,
    norm: Norm,
    rectify: bool,
}

impl NormedConv {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.conv.forward(x);
        match self.norm {
            Norm::Instance => instance_norm(x, self.rectify),
            Norm::Batch => x,
        }
    }

    /// Adds `x` to the result for `y` and applies a ReLU to the sum.
    fn forward_onto(&self, y: Tensor<4>, x: Tensor<4>) -> Tensor<4> {
        match self.norm {
            Norm::Instance => rectified_sum(self.forward(y), x),
            Norm::Batch => self.conv.forward_onto(&[&y], x, Activation::Relu),
        }
    }
}

/// The checkpoint, the norm and the device of an encoder's parts.
struct EncoderSource<'a> {
    checkpoint: &'a Checkpoint,
    norm: Norm,
    device: &'a Device,
}

impl EncoderSource<'_> {
    /// Reads the convolution and the norm at these two keys.
    fn normed(&self, [conv, norm]: [&str; 2], geometry: ConvGeometry, rectify: bool) -> NormedConv {
        let conv = match self.norm {
            Norm::Instance => Conv2d::init(self.checkpoint, conv, geometry, self.device),
            Norm::Batch => {
                let conv = self.folded(conv, norm, geometry);
                conv.then(if rectify {
                    Activation::Relu
                } else {
                    Activation::None
                })
            }
        };
        NormedConv {
            conv,
            norm: self.norm,
            rectify,
        }
    }

    /// Reads the convolution at `conv` with the batch norm at `norm` folded into its weights.
    fn folded(&self, conv: &str, norm: &str, geometry: ConvGeometry) -> Conv2d {
        let vector = |key: String| parameter::<1>(self.checkpoint, &key, self.device);
        let weight: Tensor<4> = parameter(self.checkpoint, &format!("{conv}.weight"), self.device);
        let variance = vector(format!("{norm}.running_var")) + EPSILON;
        let scale = vector(format!("{norm}.weight")) / variance.sqrt();
        let shift = vector(format!("{conv}.bias")) - vector(format!("{norm}.running_mean"));
        let bias = shift * scale.clone() + vector(format!("{norm}.bias"));
        let channels = weight.dims()[0];
        Conv2d::of(weight * scale.reshape([channels, 1, 1, 1]), bias, geometry)
            .computing_in(self.checkpoint.numbers())
    }
}
