//! Measures the memory that this process's networks have on a device and the memory that is free
//! there.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::{
    Counting, MeterKind,
    counting::Watch,
    driver::{Bytes, CudaDevice},
    host,
};
use crate::DeviceChoice;

/// Bytes that the driver takes for a context on a GPU where that could not be measured.
const USUAL_CONTEXT: u64 = 500 << 20;

/// The context sizes, in bytes, that a measurement is believed for. Other programs allocate and free
/// at the same time.
const BELIEVED: std::ops::RangeInclusive<u64> = 64 << 20..=1 << 30;

/// One measurement of a device's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bytes that the networks have there; 0 where they are not known.
    pub used: u64,
    /// Bytes that the process could still allocate.
    pub free: Option<u64>,
    /// Bytes that the device has.
    pub total: Option<u64>,
}

/// Measures a device's memory.
///
/// On a GPU it takes what the tensor library's pools have from the driver, and the context. That
/// is all that the networks use, and nothing of a decoder in the same process. It needs no figures
/// for single processes, which containers, MIG and WSL do not have; where the driver has one for this
/// process, [`Meter::by_driver`] returns it as a check. On the host it takes the bytes of the counting
/// allocator or, where that is not installed, the resident memory.
///
/// Open the meter before the device, and [attach](Meter::attach) the device's pools after: the
/// memory that is taken between is the context's.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Source>);

#[derive(Debug)]
enum Source {
    Host(Watch),
    Gpu(Gpu),
    /// Readings that a test gives; the last one repeats.
    #[cfg(test)]
    Fixed(Mutex<std::collections::VecDeque<Reading>>),
}

/// A GPU as the driver sees it, and the pools on it once the device is open.
struct Gpu {
    number: usize,
    /// `None` if the driver does not answer.
    device: Option<CudaDevice>,
    /// Bytes that were in use on the device when the meter was opened.
    before: Option<u64>,
    pools: OnceLock<Pools>,
}

/// Returns the bytes that the pools have, and the bytes of the context.
struct Pools {
    reserved: Box<dyn Fn() -> u64 + Send + Sync>,
    context: u64,
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Meter {
    /// Opens the meter of `device`. A GPU that does not answer gives empty readings.
    pub fn open(device: DeviceChoice) -> Self {
        Self(Arc::new(match device {
            DeviceChoice::Cpu => Source::Host(Watch::new()),
            DeviceChoice::Cuda(n) => Source::Gpu(Gpu::find(n)),
            DeviceChoice::Auto => match Gpu::find(0) {
                Gpu { device: None, .. } => Source::Host(Watch::new()),
                gpu => Source::Gpu(gpu),
            },
        }))
    }

    /// Attaches the pools of the device, which is open now. `reserved` returns the bytes that they
    /// have from the driver. Does nothing on the host, and if pools are attached already.
    pub fn attach(&self, reserved: impl Fn() -> u64 + Send + Sync + 'static) {
        if let Source::Gpu(gpu) = &*self.0 {
            gpu.pools.get_or_init(|| Pools {
                context: gpu.context(reserved()),
                reserved: Box::new(reserved),
            });
        }
    }

    /// Returns the bytes of the context on a GPU, with the kernels' code; 0 on the host.
    pub fn context(&self) -> u64 {
        match &*self.0 {
            Source::Gpu(gpu) => gpu
                .pools
                .get()
                .map_or(USUAL_CONTEXT + KERNELS, |pools| pools.context),
            _ => 0,
        }
    }

    /// Returns what the meter measures with.
    pub fn kind(&self) -> MeterKind {
        match &*self.0 {
            Source::Host(_) if Counting::installed() => MeterKind::Allocator,
            Source::Host(_) => MeterKind::Resident,
            Source::Gpu(_) => MeterKind::Pools,
            #[cfg(test)]
            Source::Fixed(_) => MeterKind::Pools,
        }
    }

    /// Returns the bytes that this process has on a GPU by the driver's figure, whatever uses them;
    /// `None` where the driver does not list the process. Asking takes milliseconds.
    pub fn by_driver(&self) -> Option<u64> {
        let Source::Gpu(gpu) = &*self.0 else {
            return None;
        };
        let own = gpu.device.as_ref()?.own()?;
        // In a container the number may belong to another process.
        let pools = gpu.pools.get().map_or(0, |pools| (pools.reserved)());
        (own >= pools).then_some(own)
    }

    /// Creates a meter that returns these readings in turn, and then repeats the last one.
    #[cfg(test)]
    pub fn fixed(readings: impl IntoIterator<Item = Reading>) -> Self {
        let readings = readings.into_iter().collect();
        Self(Arc::new(Source::Fixed(Mutex::new(readings))))
    }

    /// Measures the device's memory.
    pub fn look(&self) -> Reading {
        match &*self.0 {
            Source::Host(_) => {
                let used = Some(Counting::live()).filter(|_| Counting::installed());
                let (free, total) = host::free_and_total().unzip();
                Reading {
                    used: used.or_else(host::resident).unwrap_or(0),
                    free,
                    total,
                }
            }
            Source::Gpu(gpu) => gpu.look(),
            #[cfg(test)]
            Source::Fixed(readings) => {
                let mut readings = readings.lock().unwrap_or_else(PoisonError::into_inner);
                let first = readings.front().copied().unwrap_or_default();
                if readings.len() > 1 {
                    readings.pop_front();
                }
                first
            }
        }
    }

    /// Starts the interval of [`most`](Self::most).
    pub fn start(&self) {
        if let Source::Host(watch) = &*self.0 {
            watch.restart();
        }
    }

    /// Returns the most bytes that the networks had on the device since [`start`](Self::start). On
    /// a GPU it returns the bytes at present: the library's pools rarely free memory, so that is
    /// close to the peak.
    pub fn most(&self) -> u64 {
        match &*self.0 {
            Source::Host(watch) if Counting::installed() => watch.peak(),
            _ => self.used(),
        }
    }

    /// Returns the bytes of the networks on the device; 0 where they are not known.
    pub fn used(&self) -> u64 {
        self.look().used
    }

    /// Returns the free bytes; `None` where they are not reported.
    pub fn free(&self) -> Option<u64> {
        self.look().free
    }

    /// Returns the bytes that the device has; `None` where they are not reported.
    pub fn total(&self) -> Option<u64> {
        self.look().total
    }
}

impl Gpu {
    fn find(number: usize) -> Self {
        let device = CudaDevice::find(number);
        let memory = device.as_ref().and_then(CudaDevice::memory);
        Self {
            number,
            before: memory.map(in_use),
            device,
            pools: OnceLock::new(),
        }
    }

    /// Returns the bytes of the context, which the process measures once for each GPU: the increase
    /// since the meter was opened, less the bytes of the pools.
    fn context(&self, pools: u64) -> u64 {
        static CONTEXTS: Mutex<BTreeMap<usize, u64>> = Mutex::new(BTreeMap::new());
        let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        let measure = || {
            let memory = self.device.as_ref().and_then(CudaDevice::memory);
            context_of(self.before, memory.map(in_use), pools) + KERNELS
        };
        *contexts.entry(self.number).or_insert_with(measure)
    }

    fn look(&self) -> Reading {
        let memory = self.device.as_ref().and_then(CudaDevice::memory);
        let used = |pools: &Pools| (pools.reserved)() + pools.context;
        Reading {
            used: self.pools.get().map_or(0, used),
            free: memory.map(|memory| memory.free),
            total: memory.map(|memory| memory.total),
        }
    }
}

fn in_use(bytes: Bytes) -> u64 {
    bytes.total.saturating_sub(bytes.free)
}

/// Bytes of the kernels' code, which the driver loads into the context later; not measured.
const KERNELS: u64 = 64 << 20;

/// Returns the bytes of a context from the bytes in use before and after it was opened, of which the
/// pools have some.
fn context_of(before: Option<u64>, after: Option<u64>, pools: u64) -> u64 {
    let more = before.zip(after).map(|(before, after)| {
        let more = after.saturating_sub(before);
        more.saturating_sub(pools)
    });
    let believed = more.filter(|more| BELIEVED.contains(more));
    believed.unwrap_or(USUAL_CONTEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_what_opening_took_if_that_is_believable() {
        let mib = |n: u64| Some(n << 20);
        assert_eq!(context_of(mib(700), mib(1000), 0), 300 << 20);
        assert_eq!(context_of(mib(700), mib(1000), 50 << 20), 250 << 20);
        // The context existed before; another program took or freed memory; nothing is known.
        for (before, after) in [
            (mib(700), mib(700)),
            (mib(700), mib(9000)),
            (mib(700), mib(100)),
            (None, mib(700)),
            (mib(700), None),
        ] {
            assert_eq!(context_of(before, after, 0), USUAL_CONTEXT);
        }
    }

    #[test]
    fn a_gpu_counts_its_pools_and_the_context_and_no_other_memory_of_the_process() {
        let meter = Meter::open(DeviceChoice::Cuda(4095));
        assert_eq!((meter.kind(), meter.used()), (MeterKind::Pools, 0));
        meter.attach(|| 7000);
        meter.attach(|| 9);
        assert_eq!(meter.used(), 7000 + USUAL_CONTEXT + KERNELS);
        assert_eq!(meter.most(), meter.used());
        assert_eq!(meter.context(), USUAL_CONTEXT + KERNELS);
        assert_eq!(meter.by_driver(), None);
        let host = Meter::open(DeviceChoice::Cpu);
        host.attach(|| 7000);
        assert_eq!((host.context(), host.by_driver()), (0, None));
    }

    #[test]
    fn fixed_readings_come_in_order_and_the_last_stays() {
        let used = |used| Reading {
            used,
            ..Reading::default()
        };
        let meter = Meter::fixed([used(1), used(2)]);
        assert_eq!([(); 3].map(|()| meter.used()), [1, 2, 2]);
        assert_eq!(Meter::fixed([]).look(), Reading::default());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_host_tells_what_is_used_and_free() {
        let _alone = crate::memory::counting::tests::COUNTERS.lock().unwrap();
        let reading = Meter::open(DeviceChoice::Cpu).look();
        assert!(reading.used > 0);
        assert!(reading.free <= reading.total && reading.free > Some(0));
    }

    #[test]
    fn a_gpu_that_is_absent_reads_as_nothing() {
        let reading = Meter::open(DeviceChoice::Cuda(4096)).look();
        assert_eq!(reading, Reading::default());
    }
}
