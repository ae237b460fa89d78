//! Weights by a rule, for tests and measurements without the official checkpoints. What the networks
//! compute with them means nothing, but it is of the same kind: no value runs away.
//!
//! Every value follows from its network, key and index alone, so it is the same on every machine. The
//! golden vectors of the tests were made with these weights.

use rayon::prelude::*;

use super::{
    Checkpoint, HostTensor, Network,
    layout::{Layout, Role, Slot},
};

/// Returns the tensors of `network`, with those that are for training only and those that have two
/// keys.
pub fn generated_tensors(network: Network) -> Vec<(String, HostTensor)> {
    let slots = Layout::of(network).slots.into_iter();
    let slots = slots.filter(|slot| !matches!(slot.role, Role::Counter | Role::Buffer(_)));
    let tensors = slots.map(|slot| {
        let data = values(network, &slot);
        let shape = slot.shape;
        (slot.key, HostTensor { shape, data })
    });
    tensors.collect()
}

impl Checkpoint {
    /// Returns a checkpoint with the weights of the rule.
    ///
    /// # Panics
    /// Never: the tensors are those of the layout.
    pub fn generated(network: Network) -> Self {
        let tensors = generated_tensors(network);
        Self::from_tensors(network, tensors).expect("the tensors are those of the layout")
    }
}

/// Element i is offset + scale · v with v in [−1, 1), the i-th number of a SplitMix64 generator that
/// the key seeds.
fn values(network: Network, slot: &Slot) -> Vec<f32> {
    let (offset, scale) = distribution(network, slot);
    let seed = fnv1a(&format!("{}/{}", network.name(), slot.key));
    let value = |i: u64| (offset + scale * uniform(seed, i)) as f32;
    let count = slot.elements() as u64;
    (0..count).into_par_iter().map(value).collect()
}

/// Returns the offset and the scale of a tensor's values.
fn distribution(network: Network, slot: &Slot) -> (f64, f64) {
    let key = slot.key.as_str();
    if key.ends_with("pool_layer.weight") {
        return (1.0 / 16.0, 0.02);
    }
    if let [_, inner @ ..] = &slot.shape[..]
        && !inner.is_empty()
    {
        let fan_in: usize = inner.iter().product();
        return (0.0, gain(network, key) * (3.0 / fan_in as f64).sqrt());
    }
    let mut words = key.split('.');
    let is_norm = words.any(|word| word.starts_with("norm")) || key.contains(".downsample.1.");
    match key.rsplit('.').next() {
        Some("running_mean") => (0.0, 0.1),
        Some("running_var") => (1.0, 0.2),
        Some("weight") if is_norm => (1.0, 0.1),
        _ if is_norm => (0.0, 0.1),
        _ if key == "update_block.flow_head.conv2.bias" => (0.0, 0.002),
        _ => (0.0, 0.02),
    }
}

/// Returns the factor by which a layer's values grow, as far as its weights decide it.
fn gain(network: Network, key: &str) -> f64 {
    let exceptions: &[(&str, f64)] = match network {
        Network::Raft => &[
            ("update_block.gru.", 1.0),
            ("update_block.mask.2.", 1.0),
            // A step of the flow is small.
            ("update_block.flow_head.conv2.", 0.016),
            ("", 1.414),
        ],
        Network::FlowCompletion => &[
            (".conv_offset.6.", 0.2),
            (".conv_offset.", 1.3),
            ("deform_align.", 0.8),
            ("backbone.backward_.2.", 0.4),
            ("backbone.forward_.2.", 0.4),
            ("upsample.2.conv.", 1.5),
            ("", 1.3),
        ],
        Network::Generator => &[
            (".conv_offset.6.", 0.2),
            (".conv_offset.", 1.3),
            ("deform_align.", 0.8),
            ("backbone.backward_1.2.", 0.4),
            ("backbone.forward_1.2.", 0.4),
            ("fuse.2.", 0.5),
            ("decoder.6.", 0.6),
            ("ss.embedding.", 1.0),
            ("sc.embedding.", 0.4),
            (".attention.", 1.0),
            (".mlp.fc1.", 1.0),
            (".mlp.fc2.", 0.7),
            ("", 1.3),
        ],
    };
    let found = exceptions.iter().find(|(part, _)| key.contains(part));
    found.map_or(1.0, |(_, gain)| *gain)
}

fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Returns number `i` of the generator with this seed, in [−1, 1).
fn uniform(seed: u64, i: u64) -> f64 {
    let mut z = seed.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 40) as f64 / f64::from(1 << 24) * 2.0 - 1.0
}
