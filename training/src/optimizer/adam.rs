//! Adam without a first moment (spec: training, section 6 and the traps).

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::parameters::{Gradients, Parameter, Parameters, host_values};

/// The settings of [`Adam`]; β₁ is 0, so there is no setting for it.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamSettings {
    /// The decay of the mean of squared gradients.
    pub beta2: f64,
    /// What is added to the root of that mean.
    pub epsilon: f64,
    /// Parameters that stay as they are: a whole key, its beginning or its end, of whole words
    /// between dots. The gradient of `attention.key.bias` is noise around zero, which Adam would turn
    /// into steps of full length.
    pub held: Vec<String>,
    /// Whether elements that a step leaves unchanged are counted, which takes a pass over them.
    pub count_still: bool,
}

impl Default for AdamSettings {
    /// The official settings, with nothing held.
    fn default() -> Self {
        Self {
            beta2: 0.99,
            epsilon: 1e-8,
            held: Vec::new(),
            count_still: false,
        }
    }
}

impl AdamSettings {
    /// Returns whether the parameter `key` stays as it is.
    pub fn holds(&self, key: &str) -> bool {
        self.held.iter().any(|held| {
            let before = key.strip_suffix(held.as_str());
            let after = key.strip_prefix(held.as_str());
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
                || after.is_some_and(|after| after.starts_with('.'))
        })
    }
}

/// What an optimiser remembers, on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdamState {
    /// The steps taken.
    pub steps: u64,
    /// The mean of squared gradients by key, in row-major order.
    pub squares: BTreeMap<String, Vec<f32>>,
}

/// Adam with β₁ = 0: an element steps by −rate·g/(√v̂ + ε), where v̂ is the mean of its squared
/// gradients. The first moment would be the gradient itself, so it is not stored.
#[derive(Clone, Debug)]
pub struct Adam {
    settings: AdamSettings,
    steps: u64,
    squares: BTreeMap<String, Tensor<1>>,
}

impl Adam {
    /// Begins with no step taken.
    pub fn new(settings: AdamSettings) -> Self {
        Self {
            settings,
            steps: 0,
            squares: BTreeMap::new(),
        }
    }

    /// Goes on from `state`, with its means beside the `parameters` on their device.
    ///
    /// # Panics
    /// If a mean has no parameter or another number of elements.
    pub fn resume(settings: AdamSettings, state: AdamState, parameters: &Parameters) -> Self {
        let mut squares = BTreeMap::new();
        for (key, mean) in state.squares {
            let Some(parameter) = parameters.find(&key) else {
                panic!("the optimiser's state has `{key}`, the network does not");
            };
            let values = &parameter.values;
            assert_eq!(values.dims(), [mean.len()], "elements of `{key}`");
            let mean = TensorData::new(mean, values.dims());
            squares.insert(key, Tensor::from_data(mean, &values.device()));
        }
        Self {
            settings,
            steps: state.steps,
            squares,
        }
    }

    /// Returns the number of steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Copies what the optimiser remembers to the host.
    pub fn state(&self) -> AdamState {
        let host = |(key, mean): (&String, &Tensor<1>)| (key.clone(), host_values(mean));
        AdamState {
            steps: self.steps,
            squares: self.squares.iter().map(host).collect(),
        }
    }

    /// Takes one step of the learning rate `rate` along the gradients, which must be finite.
    /// Parameters without a gradient, and those that are held, stay as they are. Returns the number
    /// of elements that had a gradient and stayed where they were; 0 unless they are counted.
    pub fn step(&mut self, parameters: &mut Parameters, gradients: &Gradients, rate: f64) -> u64 {
        self.steps += 1;
        let AdamSettings { beta2, epsilon, .. } = self.settings;
        let correction = (1.0 - beta2.powf(self.steps as f64)).sqrt();
        let mut still: Option<Tensor<1>> = None;
        for parameter in parameters.iter_mut() {
            let Some(gradient) = gradients.get(&parameter.key) else {
                continue;
            };
            if self.settings.holds(&parameter.key) {
                continue;
            }
            if parameter.values.device() == Device::flex() && !self.settings.count_still {
                let mean = self.squares.remove(&parameter.key);
                let factors = [beta2, correction, epsilon, rate].map(|factor| factor as f32);
                let rest = (1.0 - beta2) as f32;
                let (values, mean) = step_on_host(parameter, gradient, mean, factors, rest);
                parameter.values = values;
                self.squares.insert(parameter.key.clone(), mean);
                continue;
            }
            let square = gradient.clone() * gradient.clone() * (1.0 - beta2);
            let square = match self.squares.remove(&parameter.key) {
                Some(mean) => mean * beta2 + square,
                None => square,
            };
            self.squares.insert(parameter.key.clone(), square.clone());
            let root = square.sqrt() / correction + epsilon;
            let step = gradient.clone() / root * rate;
            let values = parameter.values.clone() - step;
            if self.settings.count_still {
                let same = values.clone().equal(parameter.values.clone());
                let same = same.float().sum();
                still = Some(still.map_or(same.clone(), |sum| sum + same));
            }
            parameter.values = values;
        }
        still.map_or(0, |sum| sum.into_scalar::<f32>() as u64)
    }
}

/// Elements of a task.
const PART: usize = 1 << 14;

/// Takes a step of a parameter in the host's memory in one pass over its elements, with the operations of
/// [`Adam::step`] in their order. Returns its values and the mean of squared gradients.
fn step_on_host(
    parameter: &Parameter,
    gradient: &Tensor<1>,
    mean: Option<Tensor<1>>,
    [beta2, correction, epsilon, rate]: [f32; 4],
    rest: f32,
) -> (Tensor<1>, Tensor<1>) {
    let gradient = host_values(gradient);
    let mut values = host_values(&parameter.values);
    // A mean of 0 stays out of the first one.
    let mut mean = mean.map_or_else(|| vec![0.0; values.len()], |mean| host_values(&mean));
    let parts = values.par_chunks_mut(PART).zip(mean.par_chunks_mut(PART));
    parts
        .zip(gradient.par_chunks(PART))
        .for_each(|((values, mean), gradient)| {
            for ((value, mean), g) in values.iter_mut().zip(mean).zip(gradient) {
                *mean = *mean * beta2 + g * g * rest;
                *value -= g / (mean.sqrt() / correction + epsilon) * rate;
            }
        });
    let tensor = |values: Vec<f32>| {
        let shape = [values.len()];
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    };
    (tensor(values), tensor(mean))
}
