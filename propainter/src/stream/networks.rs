//! The three networks on their device.

use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;

use crate::{
    DType, Error, Precision,
    kernels::{
        device::is_cpu,
        pools::{free_unused, lasting},
    },
    networks::{flow_completion::FlowCompletion, generator::Generator, raft::Raft},
    weights::{Network, WeightsSource},
};

/// The three networks on their device.
#[derive(Debug)]
pub struct Networks {
    pub raft: Raft,
    pub completion: FlowCompletion,
    pub generator: Generator,
    pub device: Device,
    /// The number type of completion and generator; RAFT is always stored in 32 bits.
    pub numbers: DType,
    /// The processing sizes at which their kernels have been started.
    started: Mutex<Vec<(usize, usize)>>,
}

impl Networks {
    /// Reads and checks the three checkpoints and puts them on `device`, in this number type. If a
    /// weight is too large for fp16, uses bf16 unless fp16 was asked for by name.
    ///
    /// # Errors
    /// Checkpoints that are missing or wrong; a precision that cannot hold them.
    pub fn read(
        weights: &WeightsSource,
        device: Device,
        numbers: DType,
        asked: Precision,
    ) -> Result<Self, Error> {
        let read = |network| weights.read(network);
        let completion = read(Network::FlowCompletion)?;
        let generator = read(Network::Generator)?;
        let both = [&completion, &generator];
        let numbers = match (numbers, asked) {
            (DType::F16, Precision::Fp16) => asked.resolve(&device, &both)?,
            (DType::F16, _) if !both.iter().all(|c| c.fits(DType::F16)) => DType::Bf16,
            (numbers, _) => numbers,
        };
        let raft = match numbers {
            DType::Tf32 => DType::Tf32,
            _ => DType::F32,
        };
        // Weights stay, so on a GPU each has an allocation of its own size.
        let networks = lasting(&device, || {
            // The largest first, while the weights of the others take no memory yet.
            let generator = Generator::init(&generator.at(numbers), &device);
            let completion = FlowCompletion::init(&completion.at(numbers), &device);
            Ok::<_, Error>(Self {
                raft: Raft::init(&read(Network::Raft)?.at(raft), &device),
                completion,
                generator,
                device: device.clone(),
                numbers,
                started: Mutex::default(),
            })
        })?;
        free_unused(&device);
        Ok(networks)
    }

    /// Calls `start` to start the kernels at a processing size, unless that was done before. Other
    /// calls wait meanwhile.
    ///
    /// # Errors
    /// Those of `start`.
    pub fn start(
        &self,
        size: (usize, usize),
        start: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if !started.contains(&size) {
            start()?;
            started.push(size);
        }
        Ok(())
    }

    pub fn on_cpu(&self) -> bool {
        is_cpu(&self.device)
    }
}
