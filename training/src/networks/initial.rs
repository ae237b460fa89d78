//! Initial weights by the official rules (training section 6, "Initial weights").

use burn::tensor::Device;
use propainter::weights::{HostTensor, Network};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::state::trained;
use crate::{
    parameters::Parameters,
    random::{Random, random},
};

/// Tells these random numbers from others of the same seed.
const SUBJECT: u64 = 0x77_65_69_67_68_74;

/// Standard deviation of the generator's weights.
const DEVIATION: f64 = 0.02;

/// Returns new parameters of a network that is trained. The seed alone determines them.
pub fn initial(network: Network, seed: u64, device: &Device) -> Parameters {
    let all: Vec<_> = trained(network).collect();
    let tensors = all.iter().enumerate().map(|(index, (key, shape))| {
        // The bias of a layer has the fan-in of the weight before it.
        let weight = match shape.len() {
            1 if index > 0 && key.ends_with(".bias") => &all[index - 1].1,
            _ => shape,
        };
        let rule = rule(network, key, shape, weight);
        let mut random = random(&[seed, SUBJECT, index as u64]);
        let data = (0..shape.iter().product()).map(|_| rule.draw(&mut random) as f32);
        let shape = shape.clone();
        (
            key.clone(),
            HostTensor {
                data: data.collect(),
                shape,
            },
        )
    });
    Parameters::new(tensors, device)
}

/// The distribution of a parameter's elements.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Constant(f64),
    /// Uniform up to this distance from 0.
    Uniform(f64),
    /// Normal with this standard deviation.
    Normal(f64),
}

/// Returns the distribution of the parameter `key`; `weight` is the shape of its layer's weight.
fn rule(network: Network, key: &str, shape: &[usize], weight: &[usize]) -> Rule {
    let is_bias = key.ends_with(".bias");
    let deformable = key.contains("deform_align.") && !key.contains(".conv_offset.");
    if key.contains(".norm") {
        return Rule::Constant(if is_bias { 0.0 } else { 1.0 });
    }
    let fan_in: usize = weight[1..].iter().product();
    let bound = 1.0 / (fan_in as f64).sqrt();
    match network {
        _ if deformable && is_bias => Rule::Constant(0.0),
        _ if deformable => Rule::Uniform(bound),
        Network::Generator if is_bias => Rule::Constant(0.0),
        Network::Generator => Rule::Normal(DEVIATION),
        _ if key.contains(".conv_offset.6.") => Rule::Constant(0.0),
        _ => {
            debug_assert!(is_bias || shape == weight);
            Rule::Uniform(bound)
        }
    }
}

impl Rule {
    fn draw(self, random: &mut Random) -> f64 {
        match self {
            Self::Constant(value) => value,
            Self::Uniform(bound) => bound * (2.0 * random.random::<f64>() - 1.0),
            Self::Normal(deviation) => {
                let draw: f64 = StandardNormal.sample(random);
                deviation * draw
            }
        }
    }
}
