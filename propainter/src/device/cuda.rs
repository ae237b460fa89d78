//! NVIDIA's libraries, loaded at run time. This is the only place that opens them.
//!
//! Both belong to NVIDIA's driver: `libcuda.so.1` (the driver API) and `libnvidia-ml.so.1` (NVML).
//! A machine without them runs everything else. Once loaded, a library stays loaded until the
//! process ends, so that functions taken from it stay valid.

use std::{
    ffi::{CStr, c_int, c_uint},
    sync::OnceLock,
};

use libloading::Library;

/// A library of NVIDIA's driver, loaded for the rest of the process.
#[derive(Debug)]
pub struct NvidiaLibrary(Library);

impl NvidiaLibrary {
    /// Returns the driver API, `libcuda.so.1`; `None` if the machine has no CUDA driver.
    pub fn driver() -> Option<&'static Self> {
        static DRIVER: OnceLock<Option<NvidiaLibrary>> = OnceLock::new();
        DRIVER.get_or_init(|| Self::load("libcuda.so.1")).as_ref()
    }

    /// Returns NVML, `libnvidia-ml.so.1`; `None` if the machine has none.
    pub fn nvml() -> Option<&'static Self> {
        static NVML: OnceLock<Option<NvidiaLibrary>> = OnceLock::new();
        NVML.get_or_init(|| Self::load("libnvidia-ml.so.1"))
            .as_ref()
    }

    fn load(name: &str) -> Option<Self> {
        // SAFETY: loading runs the initialisers of NVIDIA's library and nothing else. They may run
        // at any time and on any thread.
        unsafe { Library::new(name) }.ok().map(Self)
    }

    /// Returns the function `name`; `None` if the library has no symbol of this name.
    ///
    /// # Safety
    /// `F` must be an `unsafe extern "C" fn` with the C signature that NVIDIA's header declares
    /// for `name`.
    pub unsafe fn function<F: Copy>(&'static self, name: &CStr) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<unsafe extern "C" fn()>()) };
        // SAFETY: the caller names the signature. The library is never unloaded.
        let symbol = unsafe { self.0.get::<F>(name.to_bytes_with_nul()) };
        symbol.ok().map(|symbol| *symbol)
    }
}

/// The reason why the CUDA driver names no devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// The library lacks a function.
    #[error("the CUDA driver lacks {0}")]
    Missing(&'static str),
    /// `cuInit` returned this status.
    #[error("the CUDA driver does not start (error {0})")]
    Init(c_int),
    /// `cuDeviceGetCount` returned this status.
    #[error("the CUDA driver does not count its devices (error {0})")]
    Count(c_int),
}

/// Starts the CUDA driver and returns the number of devices that it sees; `None` if the machine
/// has no CUDA driver.
///
/// # Errors
/// [`DriverError`] if the driver is present but does not answer.
pub fn device_count() -> Option<Result<usize, DriverError>> {
    type Init = unsafe extern "C" fn(c_uint) -> c_int;
    type Count = unsafe extern "C" fn(*mut c_int) -> c_int;
    let driver = NvidiaLibrary::driver()?;
    let count = || {
        // SAFETY: the function has had this C signature since CUDA 2.
        let init = unsafe { driver.function::<Init>(c"cuInit") };
        let init = init.ok_or(DriverError::Missing("cuInit"))?;
        // SAFETY: the driver documents 0 as the only flags. It may be called more than once.
        let status = unsafe { init(0) };
        if status != 0 {
            return Err(DriverError::Init(status));
        }
        // SAFETY: as above.
        let device_count = unsafe { driver.function::<Count>(c"cuDeviceGetCount") };
        let device_count = device_count.ok_or(DriverError::Missing("cuDeviceGetCount"))?;
        let mut count = 0;
        // SAFETY: the driver is started; `count` outlives the call that writes it.
        let status = unsafe { device_count(&mut count) };
        if status != 0 {
            return Err(DriverError::Count(status));
        }
        Ok(usize::try_from(count).unwrap_or(0))
    };
    Some(count())
}
