//! How a network is computed: its number type, and what of it is computed again in the backward pass.

use burn::tensor::{Device, Tensor};
use propainter::{DType, internals::networks::parameters::ParameterSource};

use crate::{
    parameters::Recorded,
    recompute::{Recomputation, Segments},
};

/// How a network is computed. By default all is kept, in 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Computing {
    /// The data type of features and of products. The parameters stay in 32 bits, and so do norms, the
    /// sums of the softmax, and the places of samples.
    pub numbers: DType,
    /// The segments that are computed again in the backward pass.
    pub segments: Segments,
}

impl Default for Computing {
    fn default() -> Self {
        Self {
            numbers: DType::F32,
            segments: Segments::NONE,
        }
    }
}

/// The parameters of a network, and how segments are computed from them.
pub(super) struct Runner {
    parameters: Recorded,
    recomputation: Recomputation,
    pub device: Device,
    pub computing: Computing,
}

impl Runner {
    pub fn new(parameters: &Recorded, device: &Device, computing: Computing) -> Self {
        Self {
            parameters: parameters.clone(),
            recomputation: Recomputation::new(parameters),
            device: device.clone().autodiff(),
            computing,
        }
    }

    /// Computes a segment; the backward pass computes it `again`, or its steps are kept.
    pub fn run(
        &self,
        again: bool,
        inputs: Vec<Tensor<4>>,
        segment: impl Fn(&dyn ParameterSource, Vec<Tensor<4>>) -> Tensor<4> + Send + Sync + 'static,
    ) -> Tensor<4> {
        match again {
            true => self.recomputation.run(inputs, segment),
            false => segment(&self.parameters, inputs),
        }
    }

    /// Converts an input of the network to its number type, as a constant of the record.
    pub fn input(&self, x: Tensor<4>) -> Tensor<4> {
        x.cast(self.computing.numbers.tensor_dtype()).autodiff()
    }
}

/// Splits a tensor into its frames.
pub(super) fn frames(x: &Tensor<4>) -> Vec<Tensor<4>> {
    let frame = |t| x.clone().narrow(0, t, 1);
    (0..x.dims()[0]).map(frame).collect()
}
