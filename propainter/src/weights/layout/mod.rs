//! The tensors of each network: keys and shapes, by the rules of the architecture.

mod flow_completion;
mod generator;
mod raft;

use super::Network;

/// The role of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A trained parameter.
    Parameter,
    /// A batch norm's running mean or variance.
    Statistic,
    /// A parameter used in training only. It may be present, is checked, and is left out.
    TrainingOnly,
    /// The same tensor as the one under this key, which wins where both are present.
    Alias(String),
    /// A batch norm's count of batches. It may be present, is checked, and is left out.
    Counter,
    /// Integers that the network can compute itself. They may be present, are checked, and are left
    /// out.
    Buffer(Vec<i64>),
}

/// One tensor of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The key without the prefix `module.`.
    pub key: String,
    /// The shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// The role of the tensor.
    pub role: Role,
}

impl Slot {
    /// Returns the number of elements of the tensor.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Every tensor that a network's checkpoint may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The tensors, each under its own key; for flow completion and generator in the order of the
    /// official state dict.
    pub slots: Vec<Slot>,
}

impl Layout {
    /// Returns the layout of `network`.
    pub fn of(network: Network) -> Self {
        let mut build = Builder::default();
        match network {
            Network::Raft => raft::build(&mut build),
            Network::FlowCompletion => flow_completion::build(&mut build),
            Network::Generator => generator::build(&mut build),
        }
        Self { slots: build.slots }
    }

    /// Returns the number of trained values; aliases count once.
    pub fn parameters(&self) -> usize {
        let trained = |slot: &&Slot| matches!(slot.role, Role::Parameter | Role::TrainingOnly);
        self.slots.iter().filter(trained).map(Slot::elements).sum()
    }

    /// Returns the largest size of this network's file in bytes: every element in fp64, with room
    /// for keys and padding.
    pub fn max_file_bytes(&self) -> u64 {
        let elements: usize = self.slots.iter().map(Slot::elements).sum();
        elements as u64 * 8 + (16 << 20)
    }
}

/// Collects the slots of one network.
#[derive(Default)]
struct Builder {
    slots: Vec<Slot>,
}

impl Builder {
    fn slot(&mut self, key: String, shape: &[usize], role: Role) {
        let shape = shape.to_vec();
        self.slots.push(Slot { key, shape, role });
    }

    /// Adds `weight` of this shape, `[out, in, kernel…]` or `[out, in]`, and `bias` of `[out]`.
    fn layer(&mut self, prefix: &str, weight: &[usize]) {
        self.layer_for(prefix, weight, Role::Parameter);
    }

    fn layer_for(&mut self, prefix: &str, weight: &[usize], role: Role) {
        self.slot(format!("{prefix}.weight"), weight, role.clone());
        self.slot(format!("{prefix}.bias"), &weight[..1], role);
    }

    /// Adds a layer norm's `weight` and `bias`.
    fn norm(&mut self, prefix: &str, channels: usize) {
        self.layer(prefix, &[channels]);
    }

    fn batch_norm(&mut self, prefix: &str, channels: usize) {
        self.norm(prefix, channels);
        for name in ["running_mean", "running_var"] {
            self.slot(format!("{prefix}.{name}"), &[channels], Role::Statistic);
        }
        self.slot(format!("{prefix}.num_batches_tracked"), &[], Role::Counter);
    }

    /// Adds the batch norm under `target` once more, under `prefix`.
    fn batch_norm_alias(&mut self, prefix: &str, target: &str, channels: usize) {
        for name in ["weight", "bias", "running_mean", "running_var"] {
            let alias = Role::Alias(format!("{target}.{name}"));
            self.slot(format!("{prefix}.{name}"), &[channels], alias);
        }
        self.slot(format!("{prefix}.num_batches_tracked"), &[], Role::Counter);
    }

    /// Adds a deformable alignment: its convolution and the four of its offset network, with 16
    /// groups of 9 taps and three numbers a tap.
    fn deformable(&mut self, prefix: &str, input: usize, condition: usize) {
        self.layer(prefix, &[128, input, 3, 3]);
        let offsets = [
            (0, 128, condition),
            (2, 128, 128),
            (4, 128, 128),
            (6, 432, 128),
        ];
        for (index, out, input) in offsets {
            self.layer(
                &format!("{prefix}.conv_offset.{index}"),
                &[out, input, 3, 3],
            );
        }
    }
}
