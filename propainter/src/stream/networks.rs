//! The three networks on their device.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use burn::tensor::Device;

use crate::{
    DType, DeviceChoice, Error, Precision,
    frame::device::DeviceStore,
    kernels::{
        device::is_cpu,
        pixels::store::Store,
        pools::{DeviceStream, Pools, free_unused, lasting},
    },
    memory::budget::bytes::Pages,
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
    /// Dropped last, after the weights.
    pub stream: NetworksStream,
}

/// The stream of the device that has the weights and does all of the networks' work. A weight that
/// another stream reads costs three calls of the driver each time. When dropped, it gives the memory
/// back to the driver.
#[derive(Debug)]
pub struct NetworksStream {
    stream: DeviceStream,
    device: Device,
    choice: DeviceChoice,
    /// Number of pages that engines have planned.
    planned: AtomicU64,
}

/// The pages that an engine has planned in the stream of its networks, for as long as this exists.
#[derive(Debug)]
pub struct PlannedPages {
    networks: Arc<Networks>,
    /// Number of pages.
    pub count: u64,
}

impl PlannedPages {
    /// Notes the pages of an engine, and opens one of them in place of those that nothing uses. All
    /// pages have one size from the start, so that none is left half used by a growth.
    pub fn open(networks: Arc<Networks>, pages: Pages) -> Self {
        let count = pages.count;
        networks.stream.planned.fetch_add(count, Ordering::Relaxed);
        networks.stream.open_page(pages.to_open());
        Self { networks, count }
    }
}

impl Drop for PlannedPages {
    fn drop(&mut self) {
        let planned = &self.networks.stream.planned;
        planned.fetch_sub(self.count, Ordering::Relaxed);
    }
}

impl NetworksStream {
    fn new(device: &Device, choice: DeviceChoice) -> Self {
        Self {
            stream: DeviceStream::unused(device),
            device: device.clone(),
            choice,
            planned: AtomicU64::new(0),
        }
    }

    /// Runs `work` in the stream.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        self.stream.enter(work)
    }

    /// Returns the bytes of a page of the stream's pools, and the number of pages that engines have
    /// planned; 0 on the CPU.
    pub fn pages(&self) -> (u64, u64) {
        let bytes = self.enter(|| Pools::of(&self.device).map_or(0, |pools| pools.page_size()));
        (bytes, self.planned.load(Ordering::Relaxed))
    }

    /// Opens a page for an allocation of `bytes` bytes. Does nothing on the CPU.
    fn open_page(&self, bytes: u64) {
        self.free_unused();
        self.enter(|| {
            if let Some(pools) = Pools::of(&self.device) {
                pools.open_page(bytes);
            }
        });
    }

    /// Gives the memory that nothing uses back to the driver. Does nothing on the CPU, and on a device
    /// that is lost.
    pub fn free_unused(&self) {
        if !is_cpu(&self.device) && self.choice.lost().is_none() {
            self.enter(|| free_unused(&self.device));
        }
    }
}

impl Drop for NetworksStream {
    fn drop(&mut self) {
        self.free_unused();
    }
}

impl Networks {
    /// Reads and checks the three checkpoints and puts them on `device`, which `choice` names, in this
    /// number type. If a weight is too large for fp16, uses bf16 unless fp16 was asked for by name.
    ///
    /// # Errors
    /// Checkpoints that are missing or wrong; a precision that cannot hold them.
    pub fn read(
        weights: &WeightsSource,
        device: Device,
        choice: DeviceChoice,
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
        let stream = NetworksStream::new(&device, choice);
        // Weights stay, so on a GPU each has an allocation of its own size.
        let init = || {
            // The largest first, while the weights of the others take no memory yet.
            let generator = Generator::init(&generator.at(numbers), &device);
            let completion = FlowCompletion::init(&completion.at(numbers), &device);
            let raft = Raft::init(&read(Network::Raft)?.at(raft), &device);
            Ok::<_, Error>((raft, completion, generator))
        };
        let (raft, completion, generator) = stream.enter(|| lasting(&device, init))?;
        stream.free_unused();
        Ok(Self {
            raft,
            completion,
            generator,
            device,
            numbers,
            started: Mutex::default(),
            stream,
        })
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

    /// Returns where the caller may put frames on the device; `None` on the CPU.
    pub fn device_store(&self) -> Option<Arc<dyn DeviceStore>> {
        let store = || Arc::new(Store::new(&self.device, self.stream.stream)) as Arc<_>;
        (!self.on_cpu()).then(store)
    }

    pub fn on_cpu(&self) -> bool {
        is_cpu(&self.device)
    }
}
