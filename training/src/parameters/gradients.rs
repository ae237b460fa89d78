//! Gradients by key.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Gradients as Tape, Tensor};

use super::{Parameter, shaped};

/// The parameters of one forward pass: tensors whose operations are recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    leaves: HashMap<String, (Vec<usize>, Tensor<1>)>,
}

impl Recorded {
    pub(super) fn new(list: &[Parameter], trained: impl Fn(&str) -> bool) -> Self {
        let leaf = |parameter: &Parameter| {
            let values = parameter.values.clone().autodiff();
            let values = values.set_require_grad(trained(&parameter.key));
            (parameter.key.clone(), (parameter.shape.clone(), values))
        };
        let leaves = list.iter().map(leaf).collect();
        Self { leaves }
    }

    /// Returns the parameter `key` in its shape.
    ///
    /// # Panics
    /// If there is no such parameter, or it has another rank.
    pub fn get<const D: usize>(&self, key: &str) -> Tensor<D> {
        match self.leaves.get(key) {
            Some((shape, values)) => shaped(values, shape, key),
            None => panic!("the network has no parameter `{key}`"),
        }
    }

    /// Returns the shape of the parameter `key` and its elements, if there is such a parameter.
    pub fn leaf(&self, key: &str) -> Option<(&[usize], &Tensor<1>)> {
        let leaf = self.leaves.get(key);
        leaf.map(|(shape, values)| (&shape[..], values))
    }

    /// Returns all parameters: key, shape and elements.
    pub fn leaves(&self) -> impl Iterator<Item = (&str, &[usize], &Tensor<1>)> {
        let leaves = self.leaves.iter();
        leaves.map(|(key, (shape, values))| (key.as_str(), &shape[..], values))
    }

    /// Takes the gradients of the parameters from those of a backward pass. Parameters that are
    /// constants, or of which the loss is independent, have none.
    pub fn gradients(&self, tape: &mut Tape) -> Gradients {
        let mut gradients = Gradients::default();
        for (key, (_, values)) in &self.leaves {
            if let Some(gradient) = values.grad_remove(tape) {
                gradients.by_key.insert(key.clone(), gradient);
            }
        }
        gradients
    }
}

/// Gradients of a loss by the keys of the parameters, each as one row of numbers.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    by_key: BTreeMap<String, Tensor<1>>,
}

impl Gradients {
    /// Returns the gradient of `key`, if the loss depends on it.
    pub fn get(&self, key: &str) -> Option<&Tensor<1>> {
        self.by_key.get(key)
    }

    /// Returns keys and gradients, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor<1>)> {
        self.by_key
            .iter()
            .map(|(key, gradient)| (key.as_str(), gradient))
    }

    /// Adds the gradients of another loss.
    pub fn add(&mut self, others: Gradients) {
        for (key, other) in others.by_key {
            let sum = match self.by_key.remove(&key) {
                Some(gradient) => gradient + other,
                None => other,
            };
            self.by_key.insert(key, sum);
        }
    }

    /// Multiplies every gradient by `factor`.
    pub fn scaled(self, factor: f32) -> Self {
        let scale = |(key, gradient): (String, Tensor<1>)| (key, gradient * factor);
        self.by_key.into_iter().map(scale).collect()
    }
}

impl FromIterator<(String, Tensor<1>)> for Gradients {
    fn from_iter<I: IntoIterator<Item = (String, Tensor<1>)>>(gradients: I) -> Self {
        let by_key = gradients.into_iter().collect();
        Self { by_key }
    }
}
