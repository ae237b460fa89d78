//! The state of the driver: devices and everything that exists on them, behind one lock.

pub mod execution;
pub mod memory;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use self::execution::{
    contexts::Context,
    events::Event,
    graphs::{Capture, Executable, Graph, Node},
    modules::{Function, Module},
    streams::Stream,
};
use self::memory::{
    pools::Pool,
    reservations::{Physical, Reservation},
};
use crate::{
    counters::{Counts, Kernels},
    failures::Failures,
    handles::{Handle, Table},
    settings::Settings,
    status::{Answer, Status},
};

/// A device.
#[derive(Debug, Default)]
pub struct Device {
    /// What was counted.
    pub counts: Counts,
    /// What was counted for each kernel.
    pub kernels: Kernels,
    /// What fails next.
    pub failures: Failures,
    /// The primary context, once it was retained.
    pub primary: Handle,
    /// The pool that the device came with.
    pub default_pool: Handle,
    /// The pool that allocations without a pool use.
    pub pool: Handle,
}

/// The whole driver.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Driver {
    pub settings: Settings,
    /// Whether `cuInit` was called.
    pub started: bool,
    pub devices: Vec<Device>,
    pub contexts: Table<Context>,
    pub streams: Table<Stream>,
    pub events: Table<Event>,
    pub captures: Table<Capture>,
    pub graphs: Table<Graph>,
    pub nodes: Table<Node>,
    pub executables: Table<Executable>,
    pub modules: Table<Module>,
    pub functions: Table<Function>,
    pub pools: Table<Pool>,
    pub physical: Table<Physical>,
    pub reservations: BTreeMap<u64, Reservation>,
    /// Pinned host memory: address, bytes and device.
    pub pinned: BTreeMap<u64, (u64, usize)>,
    /// The text of each module that was loaded, in order.
    pub sources: Vec<std::sync::Arc<str>>,
    /// Numbers the pieces of work, in the order they were given.
    pub tickets: u64,
}

static DRIVER: LazyLock<Mutex<Driver>> = LazyLock::new(|| Mutex::new(Driver::new()));

/// Locks the driver. It stays usable if a call panicked in it.
pub fn driver() -> MutexGuard<'static, Driver> {
    DRIVER.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Driver {
    fn new() -> Self {
        let settings = Settings::read();
        let mut pools = Table::new(9);
        let devices = (0..settings.devices).map(|n| {
            let pool = pools.insert(Pool::new(n));
            let mut device = Device {
                default_pool: pool,
                pool,
                ..Device::default()
            };
            device.failures.largest = settings.largest;
            if n == 0 {
                device.failures.fail_allocation(settings.fail_allocation, 1);
                device.failures.fail_launch(settings.fail_launch);
                device.failures.fail_copy(settings.fail_copy);
                device.failures.fail_wait(settings.fail_wait);
            }
            device
        });
        Self {
            started: false,
            devices: devices.collect(),
            contexts: Table::new(1),
            streams: Table::new(2),
            events: Table::new(3),
            captures: Table::new(4),
            graphs: Table::new(5),
            nodes: Table::new(6),
            executables: Table::new(7),
            modules: Table::new(8),
            functions: Table::new(10),
            pools,
            physical: Table::new(11),
            reservations: BTreeMap::new(),
            pinned: BTreeMap::new(),
            sources: Vec::new(),
            tickets: 0,
            settings,
        }
    }

    /// Returns a device by its number.
    ///
    /// # Errors
    /// `CUDA_ERROR_NOT_INITIALIZED` before `cuInit`, `CUDA_ERROR_INVALID_DEVICE`.
    pub fn device(&mut self, number: i32) -> Answer<&mut Device> {
        if !self.started {
            return Err(Status::NOT_INITIALIZED);
        }
        let index = usize::try_from(number).map_err(|_| Status::INVALID_DEVICE)?;
        self.devices.get_mut(index).ok_or(Status::INVALID_DEVICE)
    }

    /// Returns the counts of a device.
    pub fn counts(&mut self, device: usize) -> &mut Counts {
        &mut self.devices[device].counts
    }

    /// Returns the bytes of a device that are in use: what the program allocated, what pools and
    /// contexts hold, and what other processes take.
    pub fn used(&self, device: usize) -> u64 {
        self.own(device) + self.settings.others
    }

    /// Returns the bytes of a device that this process takes, contexts included.
    pub fn own(&self, device: usize) -> u64 {
        let contexts = self
            .contexts
            .iter()
            .filter(|(_, c)| c.device == device && c.active);
        let pools = self.pools.iter().filter(|(_, pool)| pool.device == device);
        let idle: u64 = pools.map(|(_, pool)| pool.idle()).sum();
        self.devices[device].counts.bytes + idle + contexts.count() as u64 * self.settings.context
    }

    /// Appends the counts to the file of the report, under a title.
    pub fn report(&self, title: &str) {
        let Some(path) = &self.settings.report else {
            return;
        };
        let idle = |device: &Device| device.counts == Counts::default();
        if self.devices.iter().all(idle) {
            return;
        }
        let mut text = format!("== {title} (process {})\n", std::process::id());
        for (n, device) in self.devices.iter().enumerate() {
            text += &format!(
                "device {n}: {:?}\n{}",
                device.counts,
                kernel_lines(&device.kernels)
            );
        }
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        // A report that cannot be written must not change the program that is tested.
        if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
            eprintln!("virtual GPU: {}: {error}", path.display());
        }
    }
}

/// Writes one line a kernel: runs, runs in graphs, grid, block, shared bytes, name; tabs between.
pub fn kernel_lines(kernels: &Kernels) -> String {
    let line = |(name, count): (&String, &crate::counters::KernelCount)| {
        let sides = |[x, y, z]: [u32; 3]| format!("{x},{y},{z}");
        format!(
            "{}\t{}\t{}\t{}\t{}\t{name}\n",
            count.runs,
            count.in_graphs,
            sides(count.grid),
            sides(count.block),
            count.shared
        )
    };
    kernels.iter().map(line).collect()
}
