//! NVIDIA's libraries, loaded at run time. This is the only place that opens them.
//!
//! Both belong to NVIDIA's driver: `libcuda.so.1` (the driver API) and `libnvidia-ml.so.1` (NVML).
//! A machine without them runs everything else. Once loaded, a library stays loaded until the
//! process ends, so that functions taken from it stay valid.

use std::{
    ffi::{CStr, c_int, c_uint, c_void},
    ptr,
    sync::OnceLock,
};

use libloading::Library;

use super::cuda_faults::{DriverError, status};

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

/// The oldest driver API that this build runs on, as `cuDriverGetVersion` numbers it: CUDA 12.0, which
/// driver 525 brought.
const OLDEST_API: c_int = 12000;

/// Starts the CUDA driver and returns the number of devices that it sees.
///
/// # Errors
/// [`DriverError`] if there is no driver, it is too old, or it does not answer.
pub fn device_count() -> Result<usize, DriverError> {
    let driver = NvidiaLibrary::driver().ok_or(DriverError::NoDriver)?;
    type Version = unsafe extern "C" fn(*mut c_int) -> c_int;
    type Init = unsafe extern "C" fn(c_uint) -> c_int;
    // SAFETY: the functions have had these C signatures since CUDA 2.2.
    let (version, init, count) = unsafe {
        (
            find::<Version>(driver, c"cuDriverGetVersion")?,
            find::<Init>(driver, c"cuInit")?,
            find::<Version>(driver, c"cuDeviceGetCount")?,
        )
    };
    let mut api = 0;
    // SAFETY: `api` outlives the call that writes it. The driver need not be started.
    if unsafe { version(&mut api) } == 0 && api < OLDEST_API {
        return Err(DriverError::TooOld(api));
    }
    // SAFETY: the driver documents 0 as the only flags. It may be called more than once.
    started(unsafe { init(0) })?;
    let mut devices = 0;
    // SAFETY: the driver is started; `devices` outlives the call that writes it.
    started(unsafe { count(&mut devices) })?;
    Ok(usize::try_from(devices).unwrap_or(0))
}

/// Returns a function of the driver.
///
/// # Safety
/// As [`NvidiaLibrary::function`].
unsafe fn find<F: Copy>(
    driver: &'static NvidiaLibrary,
    name: &'static CStr,
) -> Result<F, DriverError> {
    // SAFETY: the caller names the signature.
    let function = unsafe { driver.function(name) };
    function.ok_or_else(|| DriverError::Missing(name.to_str().unwrap_or_default()))
}

fn started(status: c_int) -> Result<(), DriverError> {
    match status {
        0 => Ok(()),
        status => Err(DriverError::Start(status)),
    }
}

/// The context of a device, which computing and everything else in this process share. It exists as
/// long as someone holds it.
#[derive(Debug)]
pub struct PrimaryContext {
    device: c_int,
    handle: *mut c_void,
    release: unsafe extern "C" fn(c_int) -> c_int,
}

// SAFETY: the driver's handles may be used on any thread.
unsafe impl Send for PrimaryContext {}
// SAFETY: as above.
unsafe impl Sync for PrimaryContext {}

impl PrimaryContext {
    /// Returns the `CUcontext` and the `CUdevice`.
    pub fn handles(&self) -> (*mut c_void, c_int) {
        (self.handle, self.device)
    }

    /// Opens device `index`.
    ///
    /// # Errors
    /// [`DriverError`] if there is no such device, it is not free, or it does not open.
    pub fn open(index: usize) -> Result<Self, DriverError> {
        /// `CU_DEVICE_ATTRIBUTE_COMPUTE_MODE` and its value for devices that nobody may use.
        const COMPUTE_MODE: c_int = 20;
        const PROHIBITED: c_int = 2;
        type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
        type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
        type Retain = unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int;
        type Release = unsafe extern "C" fn(c_int) -> c_int;
        let count = device_count()?;
        let driver = NvidiaLibrary::driver().ok_or(DriverError::NoDriver)?;
        // SAFETY: the functions have had these C signatures since CUDA 7 (`CUdevice` is an int,
        // `CUcontext` a pointer).
        let (get, attribute, retain, release) = unsafe {
            (
                find::<Get>(driver, c"cuDeviceGet")?,
                find::<Attribute>(driver, c"cuDeviceGetAttribute")?,
                find::<Retain>(driver, c"cuDevicePrimaryCtxRetain")?,
                find::<Release>(driver, c"cuDevicePrimaryCtxRelease_v2")?,
            )
        };
        let ordinal = c_int::try_from(index).ok();
        let ordinal = ordinal.filter(|_| index < count);
        let ordinal = ordinal.ok_or(DriverError::OutOfRange { index, count })?;
        let (mut device, mut mode, mut context) = (0, 0, ptr::null_mut());
        // SAFETY: the driver is started, and every pointer is to a local of its type.
        let status = unsafe {
            match get(&mut device, ordinal) {
                0 => {
                    let known = attribute(&mut mode, COMPUTE_MODE, device) == 0;
                    if known && mode == PROHIBITED {
                        return Err(DriverError::Prohibited(index));
                    }
                    retain(&mut context, device)
                }
                status => status,
            }
        };
        match status {
            0 => Ok(Self {
                device,
                handle: context,
                release,
            }),
            status::DEVICE_UNAVAILABLE => Err(DriverError::Taken(index)),
            status => Err(DriverError::Open { index, status }),
        }
    }
}

impl Drop for PrimaryContext {
    fn drop(&mut self) {
        // SAFETY: the context was retained once for this value. Others keep it with their own
        // retains.
        unsafe { (self.release)(self.device) };
    }
}
