//! The edge head of flow completion, which only training has (training section 3).

use burn::tensor::{Device, Tensor, activation::sigmoid};
use propainter::internals::networks::{
    layers::{Activation, Conv2d, ConvGeometry},
    parameters::ParameterSource,
};

/// Predicts edges from flows.
pub struct EdgeHead {
    projection: Conv2d,
    middle: [Conv2d; 2],
    out: Conv2d,
}

impl EdgeHead {
    /// Reads `edgeDetector.*`.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        let conv = |name: &str, geometry| {
            let key = format!("edgeDetector.{name}");
            Conv2d::init(source, &key, geometry, device)
        };
        let (same, leaky) = (ConvGeometry::default(), Activation::Leaky(0.2));
        Self {
            projection: conv("projection.0", same).then(leaky),
            middle: [
                conv("mid_layer_1.0", same).then(leaky),
                conv("mid_layer_2.0", same),
            ],
            out: conv("out_layer", ConvGeometry::padding(0, 0)),
        }
    }

    /// Predicts from flows `[N, 2, H, W]` how likely each pixel is an edge, `[N, 1, H, W]`.
    pub fn forward(&self, flows: Tensor<4>) -> Tensor<4> {
        let projected = self.projection.forward(flows);
        let [first, second] = &self.middle;
        let between = first.forward(projected.clone());
        let sum = second.forward_onto(&[&between], projected, Activation::Leaky(0.01));
        sigmoid(self.out.forward(sum))
    }
}
