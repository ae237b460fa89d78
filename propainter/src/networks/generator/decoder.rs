//! The decoder, of local frames only (spec section 6).

use burn::tensor::{Device, Tensor};

use crate::{
    networks::layers::{Activation, Conv2d, Geometry, upsample},
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

    /// `[B, 128, H/4, W/4]` → `[B, 3, H, W]` in [−1, 1]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let up = |x: Tensor<4>, convs: &[Conv2d; 2]| {
            let convs = convs.iter();
            convs.fold(upsample(x), |x, conv| conv.forward(x))
        };
        up(up(x, &self.half), &self.full).tanh()
    }
}
