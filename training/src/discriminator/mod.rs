//! The discriminator of whole clips (spec: training, section 6).

mod layout;
mod spectral;

use burn::tensor::{Device, Tensor, activation::leaky_relu, module::conv3d, ops::ConvOptions};
use propainter::weights::HostTensor;
use rand_distr::{Distribution, StandardNormal};

pub use layout::{LAYERS, Layer, is_buffer, slots};
pub use spectral::{Pass, normalised};

use crate::{
    parameters::{Parameters, Recorded, host_values},
    random::Random,
};

/// The standard deviation of initial weights.
const DEVIATION: f32 = 0.02;
/// The slope of activations below zero.
const SLOPE: f64 = 0.2;

/// The discriminator: its parameters, and the vectors u and v of its spectral norms.
#[derive(Clone, Debug)]
pub struct Discriminator {
    parameters: Parameters,
    pass: Pass,
}

impl Discriminator {
    /// Begins with random weights.
    pub fn init(random: &mut Random, device: &Device) -> Self {
        let tensors = slots().map(|(key, shape)| {
            let elements = shape.iter().product();
            let mut normal = || StandardNormal.sample(random);
            let mut data: Vec<f32> = match key.ends_with("bias") {
                true => vec![0.0; elements],
                false => (0..elements).map(|_| normal()).collect(),
            };
            let length = data.iter().map(|x| x * x).sum::<f32>().sqrt();
            let factor = match layout::is_buffer(&key) {
                true => 1.0 / length,
                false => DEVIATION,
            };
            data.iter_mut().for_each(|x| *x *= factor);
            (key, HostTensor { shape, data })
        });
        Self::new(tensors, device)
    }

    /// Copies the tensors of a state dict to `device`. Their keys and shapes are those of
    /// [`slots`], as [`read_discriminator`](crate::checkpoint::read_discriminator) checks.
    pub fn new(tensors: impl IntoIterator<Item = (String, HostTensor)>, device: &Device) -> Self {
        let (buffers, parameters): (Vec<_>, Vec<_>) = tensors
            .into_iter()
            .partition(|(key, _)| layout::is_buffer(key));
        let buffers = Parameters::new(buffers, device);
        Self {
            pass: Pass::new(&buffers),
            parameters: Parameters::new(parameters, device),
        }
    }

    /// Copies the state dict to the host, in its official order.
    pub fn state(&self) -> Vec<(String, HostTensor)> {
        let tensor = |(key, shape): (String, Vec<usize>)| {
            let data = match self.parameters.find(&key) {
                Some(parameter) => host_values(&parameter.values),
                None => host_values(self.pass.buffer(&key)),
            };
            (key, HostTensor { shape, data })
        };
        slots().map(tensor).collect()
    }

    /// Returns the trained parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns the trained parameters, for the optimiser.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Iterates u and v once, as each forward pass in training mode begins, and returns them. A
    /// step has three passes: over the composed clips for the generator, over the true clips, and
    /// over the composed ones again. All micro-batches of a pass share one iteration.
    pub fn next_pass(&mut self) -> Pass {
        self.pass = self.pass.next(&self.parameters);
        self.pass.clone()
    }

    /// Returns u and v as they are, for evaluation.
    pub fn same_pass(&self) -> Pass {
        self.pass.clone()
    }
}

/// Judges clips.
///
/// - `weights`: the parameters as recorded tensors; constants for the generator's pass
/// - `clips`: `[B, T, 3, H, W]`, in [−1, 1]
///
/// Returns `[B, T, 128, H', W']`: larger for what looks true. Convolutions have the data type of
/// `clips`, spectral norms are in `f32`.
pub fn judge(weights: &Recorded, pass: &Pass, clips: Tensor<5>) -> Tensor<5> {
    let mut x = clips.swap_dims(1, 2);
    for (index, layer) in LAYERS.iter().enumerate() {
        if index > 0 {
            x = leaky_relu(x, SLOPE);
        }
        x = convolve(weights, pass, layer, x);
    }
    x.swap_dims(1, 2)
}

/// Computes one layer without its activation: `[B, I, T, H, W]` → `[B, O, T, H', W']`.
pub fn convolve(weights: &Recorded, pass: &Pass, layer: &Layer, x: Tensor<5>) -> Tensor<5> {
    let (weight, bias) = match layer.normalised {
        true => (normalised(weights, pass, layer), None),
        false => {
            let bias = weights.get::<1>(&layer.key("bias"));
            (
                weights.get(&layer.key("weight")),
                Some(bias.cast(x.dtype())),
            )
        }
    };
    let [down, right] = layer.padding;
    let options = ConvOptions::new([1, 2, 2], [1, down, right], [1; 3], 1);
    let weight = weight.cast(x.dtype());
    conv3d(x, weight, bias, options)
}
