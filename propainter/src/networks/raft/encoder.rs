//! RAFT's feature and context encoders: a picture to 256 channels at 1/8.

use burn::tensor::{Device, Tensor, activation::relu};

use crate::{
    kernels::instance_norm::instance_norm,
    networks::layers::{Activation, Conv2d, Geometry, parameter},
    weights::Checkpoint,
};

const EPSILON: f32 = 1e-5;

/// What stands between a convolution and its activation.
#[derive(Clone, Copy, Debug)]
pub enum Norm {
    /// Without parameters; each picture by itself.
    Instance,
    /// In evaluation: a fixed scale and shift, which the convolution takes in.
    Batch,
}

#[derive(Debug)]
pub struct Encoder {
    stem: Normed,
    blocks: Vec<Block>,
    head: Conv2d,
}

impl Encoder {
    /// Takes `{key}.*`: `fnet` with instance norm, `cnet` with batch norm.
    pub fn init(checkpoint: &Checkpoint, key: &str, norm: Norm, device: &Device) -> Self {
        let source = Source {
            checkpoint,
            norm,
            device,
        };
        let blocks = (1..=3).flat_map(|layer| [(layer, 0), (layer, 1)]);
        let blocks = blocks.map(|(layer, index)| {
            let stride = if layer > 1 && index == 0 { 2 } else { 1 };
            Block::init(&source, &format!("{key}.layer{layer}.{index}"), stride)
        });
        Self {
            stem: source.normed(
                [&format!("{key}.conv1"), &format!("{key}.norm1")],
                Geometry::padding(3, 3).stride(2),
                true,
            ),
            blocks: blocks.collect(),
            head: Conv2d::init(
                checkpoint,
                &format!("{key}.conv2"),
                Geometry::padding(0, 0),
                device,
            ),
        }
    }

    /// `[B, 3, H, W]` in [−1, 1] → `[B, 256, H/8, W/8]`
    pub fn forward(&self, picture: Tensor<4>) -> Tensor<4> {
        let x = self.stem.forward(picture);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.head.forward(x)
    }
}

/// A residual block, the strided ones with a convolution on the shortcut.
#[derive(Debug)]
struct Block {
    convs: [Normed; 2],
    shortcut: Option<Normed>,
}

impl Block {
    fn init(source: &Source<'_>, key: &str, stride: usize) -> Self {
        let conv = |i: usize, stride| {
            let keys = [format!("{key}.conv{i}"), format!("{key}.norm{i}")];
            let geometry = Geometry::default().stride(stride);
            source.normed([&keys[0], &keys[1]], geometry, true)
        };
        let shortcut = || {
            let keys = [0, 1].map(|i| format!("{key}.downsample.{i}"));
            let geometry = Geometry::padding(0, 0).stride(stride);
            source.normed([&keys[0], &keys[1]], geometry, false)
        };
        Self {
            convs: [conv(1, stride), conv(2, 1)],
            shortcut: (stride > 1).then(shortcut),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.convs.iter().fold(x.clone(), |x, conv| conv.forward(x));
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(x + y)
    }
}

/// A convolution with its norm and, if `rectify`, a ReLU.
#[derive(Debug)]
struct Normed {
    conv: Conv2d,
    norm: Norm,
    rectify: bool,
}

impl Normed {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.conv.forward(x);
        match self.norm {
            Norm::Instance => instance_norm(x, self.rectify),
            Norm::Batch => x,
        }
    }
}

/// Where an encoder's parts come from.
struct Source<'a> {
    checkpoint: &'a Checkpoint,
    norm: Norm,
    device: &'a Device,
}

impl Source<'_> {
    /// The convolution and the norm at these two keys.
    fn normed(&self, [conv, norm]: [&str; 2], geometry: Geometry, rectify: bool) -> Normed {
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
        Normed {
            conv,
            norm: self.norm,
            rectify,
        }
    }

    /// The convolution at `conv` with the batch norm at `norm` in its weights.
    fn folded(&self, conv: &str, norm: &str, geometry: Geometry) -> Conv2d {
        let vector = |key: String| parameter::<1>(self.checkpoint, &key, self.device);
        let weight: Tensor<4> = parameter(self.checkpoint, &format!("{conv}.weight"), self.device);
        let variance = vector(format!("{norm}.running_var")) + EPSILON;
        let scale = vector(format!("{norm}.weight")) / variance.sqrt();
        let shift = vector(format!("{conv}.bias")) - vector(format!("{norm}.running_mean"));
        let bias = shift * scale.clone() + vector(format!("{norm}.bias"));
        let channels = weight.dims()[0];
        Conv2d::of(weight * scale.reshape([channels, 1, 1, 1]), bias, geometry)
    }
}
