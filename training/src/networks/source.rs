//! Recorded parameters as the source that networks are built from.

use propainter::{
    DType,
    internals::networks::parameters::{ParameterSource, Values},
};

use crate::parameters::Recorded;

impl ParameterSource for Recorded {
    fn shape(&self, key: &str) -> &[usize] {
        match self.leaf(key) {
            Some((shape, _)) => shape,
            None => panic!("the network has no parameter `{key}`"),
        }
    }

    fn values(&self, key: &str) -> Values<'_> {
        match self.leaf(key) {
            Some((_, values)) => Values::Tensor(Box::new(values.clone())),
            None => panic!("the network has no parameter `{key}`"),
        }
    }

    /// Layers compute in the data type of their input.
    fn numbers(&self) -> DType {
        DType::F32
    }
}
