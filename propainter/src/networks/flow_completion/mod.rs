//! Recurrent flow completion: flows inside the holes from those around them (spec section 3).

mod propagation;
mod video;

use burn::tensor::{Device, Tensor, ops::PadMode};

use super::layers::{Activation, Conv2d, Geometry, upsample};
use crate::weights::Checkpoint;
use propagation::Propagation;
use video::P3d;

const LEAKY: Activation = Activation::Leaky(0.2);

/// The network. Frames (here: flows) are the batch axis; the stages are methods in order.
#[derive(Debug)]
pub struct FlowCompletion {
    downsample: Conv2d,
    encoder1: [P3d; 2],
    encoder2: [P3d; 2],
    dilation: [Conv2d; 3],
    propagation: Propagation,
    decoder2: [Conv2d; 2],
    decoder1: [Conv2d; 2],
    upsample: [Conv2d; 2],
}

impl FlowCompletion {
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        let conv = |key: &str, geometry| Conv2d::init(checkpoint, key, geometry, device);
        let encoder = |key: &str| {
            let part =
                |i: usize, stride| P3d::init(checkpoint, &format!("{key}.{i}"), stride, device);
            [part(0, 1), part(2, 2)]
        };
        let decoder = |key: &str, last: Activation| {
            let part = |name: &str| conv(&format!("{key}.{name}"), Geometry::default());
            [part("0").then(LEAKY), part("2.conv").then(last)]
        };
        Self {
            // Padding is replicated, so it is not the convolution's.
            downsample: conv("downsample.0", Geometry::padding(0, 0).stride(2)).then(LEAKY),
            encoder1: encoder("encoder1"),
            encoder2: encoder("encoder2"),
            dilation: [(0, 3), (2, 2), (4, 1)].map(|(i, reach)| {
                let geometry = Geometry::padding(reach, reach).dilation(reach);
                conv(&format!("mid_dilation.{i}"), geometry).then(LEAKY)
            }),
            propagation: Propagation::init(checkpoint, "feat_prop_module", device),
            decoder2: decoder("decoder2", LEAKY),
            decoder1: decoder("decoder1", LEAKY),
            upsample: decoder("upsample", Activation::None),
        }
    }

    /// Completes flows both ways.
    ///
    /// - `forward`, `backward`: `[N, 2, H, W]` in pixels, sides multiples of 8; `forward` at t
    ///   leads from frame t to t + 1, `backward` at t from t + 1 to t
    /// - `masks`: `[N + 1, 1, H, W]`, 1 is the hole
    ///
    /// Returns both, as they came outside the holes of the frame they lead from, predicted
    /// inside.
    pub fn complete(
        &self,
        forward: Tensor<4>,
        backward: Tensor<4>,
        masks: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let count = forward.dims()[0];
        let at = |start| masks.clone().narrow(0, start, count);
        (
            combine(forward.clone(), self.predict_forward(forward, at(0)), at(0)),
            combine(
                backward.clone(),
                self.predict_backward(backward, at(1)),
                at(1),
            ),
        )
    }

    /// The network's flows `[N, 2, H, W]` for the forward direction, everywhere; `masks` of the
    /// frames the flows lead from.
    pub fn predict_forward(&self, flows: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        let known = flows * (-masks.clone() + 1.0);
        self.forward(Tensor::cat(vec![known, masks], 1))
    }

    /// As [`Self::predict_forward`] for the backward direction, which the network sees reversed
    /// in time.
    pub fn predict_backward(&self, flows: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        let reversed = self.predict_forward(flows.flip([0]), masks.flip([0]));
        reversed.flip([0])
    }

    /// `[T, 3, H, W]` (known flow, mask) → `[T, 2, H, W]`
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let fine = self.encode1(self.downsample(x));
        let coarse = self.dilate(self.encode2(fine.clone()));
        let coarse = self.propagate(coarse);
        let fine = self.decode2(coarse) + fine;
        self.upsample(self.decode1(fine))
    }

    /// `[T, 3, H, W]` → `[T, 32, H/2, W/2]`
    pub fn downsample(&self, x: Tensor<4>) -> Tensor<4> {
        self.downsample
            .forward(x.pad([(2, 2), (2, 2)], PadMode::Edge))
    }

    /// `[T, 32, H/2, W/2]` → `[T, 64, H/4, W/4]`
    pub fn encode1(&self, x: Tensor<4>) -> Tensor<4> {
        self.encoder1.iter().fold(x, |x, part| part.forward(x))
    }

    /// `[T, 64, H/4, W/4]` → `[T, 128, H/8, W/8]`
    pub fn encode2(&self, x: Tensor<4>) -> Tensor<4> {
        self.encoder2.iter().fold(x, |x, part| part.forward(x))
    }

    /// `[T, 128, H/8, W/8]`, the same shape
    pub fn dilate(&self, x: Tensor<4>) -> Tensor<4> {
        self.dilation.iter().fold(x, |x, conv| conv.forward(x))
    }

    /// `[T, 128, H/8, W/8]`, the same shape
    pub fn propagate(&self, x: Tensor<4>) -> Tensor<4> {
        self.propagation.forward(x)
    }

    /// `[T, 128, H/8, W/8]` → `[T, 64, H/4, W/4]`, before the encoder's features are added
    pub fn decode2(&self, x: Tensor<4>) -> Tensor<4> {
        double(x, &self.decoder2)
    }

    /// `[T, 64, H/4, W/4]` → `[T, 32, H/2, W/2]`
    pub fn decode1(&self, x: Tensor<4>) -> Tensor<4> {
        double(x, &self.decoder1)
    }

    /// `[T, 32, H/2, W/2]` → `[T, 2, H, W]`
    pub fn upsample(&self, x: Tensor<4>) -> Tensor<4> {
        double(x, &self.upsample)
    }
}

/// A convolution, twice the size, a convolution.
fn double(x: Tensor<4>, [before, after]: &[Conv2d; 2]) -> Tensor<4> {
    after.forward(upsample(before.forward(x)))
}

/// `flows` outside the masks, `predicted` inside.
fn combine(flows: Tensor<4>, predicted: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
    flows * (-masks.clone() + 1.0) + predicted * masks
}
