//! Opens the device that computes.

use std::panic;

use burn::tensor::Device;
use libloading::Library;

use crate::{DeviceChoice, Error};

impl DeviceChoice {
    /// Opens the device. `auto` takes the first card that opens and falls back to the CPU.
    ///
    /// # Errors
    /// A card that was asked for by name and is not there or does not answer.
    pub fn open(self) -> Result<Device, Error> {
        self.open_and_tell().map(|(device, _)| device)
    }

    /// As [`open`](Self::open), and why `auto` fell back where a driver is there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_and_tell(self) -> Result<(Device, Option<String>), Error> {
        match self {
            Self::Cpu => Ok((Device::flex(), None)),
            Self::Cuda(n) => match open_cuda(n) {
                Ok(device) => Ok((device, None)),
                Err(problem) => Err(Error::Device {
                    device: self.to_string(),
                    problem: problem.to_string(),
                }),
            },
            Self::Auto => Ok(match open_cuda(0) {
                Ok(device) => (device, None),
                Err(Problem::NoDriver) => (Device::flex(), None),
                Err(Problem::Card(problem)) => (Device::flex(), Some(problem)),
            }),
        }
    }
}

/// Why there is no card.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("no CUDA driver on this machine (libcuda.so.1); use device=cpu")]
    NoDriver,
    /// The driver is there.
    #[error("{0}")]
    Card(String),
}

/// Opens card `n`. The library panics where no driver is, so the driver's own count is
/// asked first, and the opening itself is caught.
fn open_cuda(n: usize) -> Result<Device, Problem> {
    let driver = driver().ok_or(Problem::NoDriver)?;
    let count = cards(&driver).map_err(Problem::Card)?;
    if n >= count {
        let problem = format!("the driver sees {count} card(s); the first is cuda:0");
        return Err(Problem::Card(problem));
    }
    let opened = panic::catch_unwind(|| {
        let device = Device::cuda(n);
        device.sync().map(|()| device)
    });
    let opened = opened.map_err(|_| Problem::Card("the card could not be opened".to_owned()))?;
    opened.map_err(|error| Problem::Card(format!("the card does not answer: {error:?}")))
}

fn driver() -> Option<Library> {
    // SAFETY: libcuda's initialisers are meant to run on load.
    unsafe { Library::new("libcuda.so.1") }.ok()
}

/// How many cards the CUDA driver sees.
fn cards(driver: &Library) -> Result<usize, String> {
    type Init = unsafe extern "C" fn(u32) -> i32;
    type Count = unsafe extern "C" fn(*mut i32) -> i32;
    // SAFETY: both symbols have had these C signatures since CUDA 2, and `count` outlives the
    // call that writes it. The library is not unloaded while its functions run.
    unsafe {
        let init = driver.get::<Init>(b"cuInit").map_err(|e| e.to_string())?;
        let status = init(0);
        if status != 0 {
            return Err(format!("the CUDA driver does not start (error {status})"));
        }
        let device_count = driver
            .get::<Count>(b"cuDeviceGetCount")
            .map_err(|e| e.to_string())?;
        let mut count = 0;
        let status = device_count(&mut count);
        if status != 0 {
            return Err(format!("the CUDA driver counts no cards (error {status})"));
        }
        Ok(usize::try_from(count).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::meter::Meter;

    #[test]
    fn a_card_beyond_the_last_is_an_error_that_names_it() {
        let error = DeviceChoice::Cuda(4096).open().unwrap_err().to_string();
        assert!(error.contains("cuda:4096"), "{error}");
    }

    /// Its memory is told, and a context shows as use.
    #[test]
    #[ignore = "needs a CUDA device; there, run `cargo test --release -p propainter -- --ignored`"]
    fn a_card_tells_what_it_has() {
        let meter = Meter::open(DeviceChoice::Cuda(0));
        let total = meter.total().expect("a card");
        let device = DeviceChoice::Cuda(0).open().expect("the card opens");
        let tensor = burn::tensor::Tensor::<1>::ones([32 << 20], &device);
        device.sync().expect("the card answers");
        let reading = meter.look();
        eprintln!("{reading:?}");
        assert!(reading.used >= 128 << 20 && reading.used < total);
        assert!(reading.free.is_some_and(|free| free < total));
        drop(tensor);
    }
}
