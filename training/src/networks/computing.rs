//! How a network is computed: its number type, and what of it is computed again in the backward pass.

use std::{any::Any, cell::RefCell, collections::HashMap, rc::Rc};

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

/// The name of a part of a network, and its number among those of this name.
type Part = (&'static str, usize);

/// The parameters of a network, and how segments are computed from them.
pub(super) struct Runner {
    parameters: Recorded,
    recomputation: Recomputation,
    /// The parts of the network that are kept, by name and number. The record keeps the gradient of each
    /// tensor made of parameters to its end: a part that is built for every frame would have as many.
    built: RefCell<HashMap<Part, Rc<dyn Any>>>,
    pub device: Device,
    pub computing: Computing,
}

impl Runner {
    pub fn new(parameters: &Recorded, device: &Device, computing: Computing) -> Self {
        Self {
            parameters: parameters.clone(),
            recomputation: Recomputation::new(parameters),
            built: RefCell::default(),
            device: device.clone().autodiff(),
            computing,
        }
    }

    /// Computes a segment by a part of the network, which `init` builds; the backward pass computes it
    /// `again`, or its steps are kept.
    ///
    /// # Panics
    /// Panics if parts of the same name and number have different types.
    pub fn run<M: 'static>(
        &self,
        again: bool,
        part: Part,
        inputs: Vec<Tensor<4>>,
        init: impl Fn(&dyn ParameterSource) -> M + Send + Sync + 'static,
        forward: impl Fn(&M, Vec<Tensor<4>>) -> Tensor<4> + Send + Sync + 'static,
    ) -> Tensor<4> {
        if again {
            let segment =
                move |source: &dyn ParameterSource, inputs| forward(&init(source), inputs);
            return self.recomputation.run(inputs, segment);
        }
        let mut built = self.built.borrow_mut();
        let built = built
            .entry(part)
            .or_insert_with(|| Rc::new(init(&self.parameters)));
        forward(built.downcast_ref().expect("a part of this type"), inputs)
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
