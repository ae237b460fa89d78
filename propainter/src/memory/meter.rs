//! Measures the memory that this process has on a device and the memory that is free there, as the
//! driver or the host reports it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Counting,
    counting::Watch,
    driver::{Bytes, CudaDevice},
    host,
};
use crate::DeviceChoice;

/// One measurement of a device's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bytes that this process has there; 0 where they are not reported.
    pub used: u64,
    /// Bytes that the process could still allocate.
    pub free: Option<u64>,
    /// Bytes that the device has.
    pub total: Option<u64>,
}

/// Measures a device's memory.
///
/// On a GPU it reads the driver's figure for this process, context and pools included. Where the
/// driver does not list processes, it takes the increase of the memory in use since the first
/// measurement, so open the meter before the device. On the host it takes the bytes of the counting
/// allocator or, where that is not installed, the resident memory.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Source>);

#[derive(Debug)]
enum Source {
    Host(Watch),
    Gpu {
        device: CudaDevice,
        /// Bytes that were in use at the first measurement.
        before: u64,
    },
    /// Readings that a test gives; the last one repeats.
    #[cfg(test)]
    Fixed(Mutex<std::collections::VecDeque<Reading>>),
    Unknown,
}

impl Meter {
    /// Opens the meter of `device`. A GPU that does not answer gives empty readings.
    pub fn open(device: DeviceChoice) -> Self {
        Self(Arc::new(match device {
            DeviceChoice::Cpu => Source::Host(Watch::new()),
            DeviceChoice::Cuda(n) => gpu(n).unwrap_or(Source::Unknown),
            DeviceChoice::Auto => gpu(0).unwrap_or_else(|| Source::Host(Watch::new())),
        }))
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
            Source::Gpu { device, before } => reading(device.own(), device.memory(), *before),
            #[cfg(test)]
            Source::Fixed(readings) => {
                let mut readings = readings.lock().unwrap_or_else(PoisonError::into_inner);
                let first = readings.front().copied().unwrap_or_default();
                if readings.len() > 1 {
                    readings.pop_front();
                }
                first
            }
            Source::Unknown => Reading::default(),
        }
    }

    /// Starts the interval of [`most`](Self::most).
    pub fn start(&self) {
        if let Source::Host(watch) = &*self.0 {
            watch.restart();
        }
    }

    /// Returns the most bytes that this process had on the device since [`start`](Self::start). On
    /// a GPU it returns the bytes at present: the library's pools rarely free memory, so that is
    /// close to the peak.
    pub fn most(&self) -> u64 {
        match &*self.0 {
            Source::Host(watch) if Counting::installed() => watch.peak(),
            _ => self.used(),
        }
    }

    /// Returns the bytes of this process on the device; 0 where they are not reported.
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

fn gpu(n: usize) -> Option<Source> {
    /// The bytes in use at the first measurement, by the number of the GPU.
    static BEFORE: Mutex<BTreeMap<usize, u64>> = Mutex::new(BTreeMap::new());
    let device = CudaDevice::find(n)?;
    let in_use = in_use(device.memory()?);
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = *before.entry(n).or_insert(in_use);
    Some(Source::Gpu { device, before })
}

fn in_use(bytes: Bytes) -> u64 {
    bytes.total.saturating_sub(bytes.free)
}

fn reading(own: Option<u64>, device: Option<Bytes>, before: u64) -> Reading {
    let more = device.map(|device| in_use(device).saturating_sub(before));
    Reading {
        used: own.or(more).unwrap_or(0),
        free: device.map(|device| device.free),
        total: device.map(|device| device.total),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_own_figure_counts_and_without_it_the_difference() {
        let device = Some(Bytes {
            free: 600,
            total: 1000,
        });
        let expected = Reading {
            used: 150,
            free: Some(600),
            total: Some(1000),
        };
        assert_eq!(reading(Some(150), device, 100), expected);
        assert_eq!(reading(None, device, 250), expected);
        // Another process freed more than this one allocated.
        assert_eq!(reading(None, device, 500).used, 0);
        assert_eq!(reading(None, None, 100), Reading::default());
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
