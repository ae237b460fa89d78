//! Placeholder API while the reader is being built in parallel; replaced by it.
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Raft,
    FlowCompletion,
    Generator,
}

impl Network {
    pub fn name(self) -> &'static str {
        match self {
            Network::Raft => "raft",
            Network::FlowCompletion => "flow_completion",
            Network::Generator => "propainter",
        }
    }
}

#[derive(Clone, Debug)]
pub struct HostTensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

#[derive(Debug, thiserror::Error)]
#[error("no checkpoints")]
pub struct WeightsError;

pub struct Checkpoint {
    tensors: HashMap<String, HostTensor>,
}

impl Checkpoint {
    pub fn from_tensors(
        _network: Network,
        tensors: impl IntoIterator<Item = (String, HostTensor)>,
    ) -> Result<Self, WeightsError> {
        Ok(Self {
            tensors: tensors.into_iter().collect(),
        })
    }

    pub fn get(&self, key: &str) -> &HostTensor {
        &self.tensors[key]
    }
}
