//! The description of a CUDA device and of its driver.

use std::ffi::{CStr, c_char, c_int, c_uint};

use super::cuda::NvidiaLibrary;

/// A CUDA device, as the driver describes it. A value is `None` where the driver does not tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The name of the product.
    pub name: Option<String>,
    /// The compute capability, major and minor: (8, 6) is sm_86.
    pub compute_capability: Option<(u32, u32)>,
    /// Bytes of memory that programs can use.
    pub memory: Option<u64>,
    /// Streaming multiprocessors.
    pub multiprocessors: Option<u32>,
    /// The fastest clock of the multiprocessors, in kHz.
    pub clock_khz: Option<u32>,
}

/// The driver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriverInfo {
    /// The newest version of CUDA that the driver serves, major and minor.
    pub cuda: Option<(u32, u32)>,
    /// The version of the driver itself, such as `535.183.01`, as NVML tells it.
    pub release: Option<String>,
}

/// Device attributes of the driver API.
const MULTIPROCESSORS: c_int = 16;
const CLOCK: c_int = 13;
const MAJOR: c_int = 75;
const MINOR: c_int = 76;

impl DeviceInfo {
    /// Asks the driver about device `n`; `None` if there is no driver or no such device. The driver
    /// must have been started by [`device_count`](super::cuda::device_count).
    pub fn of(n: usize) -> Option<Self> {
        type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
        type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
        type Memory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;
        type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
        let driver = NvidiaLibrary::driver()?;
        let (mut device, mut bytes) = (0, 0usize);
        let mut name: [c_char; 256] = [0; 256];
        // SAFETY: the types are the C signatures in cuda.h since CUDA 3.2 (`CUdevice` is an int).
        // Every pointer is to a local of its type, and the name's length is passed.
        unsafe {
            let get = driver.function::<Get>(c"cuDeviceGet")?;
            done(get(&mut device, c_int::try_from(n).ok()?))?;
            let named = driver.function::<Name>(c"cuDeviceGetName");
            let named = named.and_then(|function| done(function(name.as_mut_ptr(), 256, device)));
            let memory = driver.function::<Memory>(c"cuDeviceTotalMem_v2");
            let memory = memory.and_then(|function| done(function(&mut bytes, device)));
            let attribute = driver.function::<Attribute>(c"cuDeviceGetAttribute");
            let attribute = |which: c_int| {
                let mut value = 0;
                done(attribute?(&mut value, which, device))?;
                u32::try_from(value).ok()
            };
            Some(Self {
                name: named.and_then(|()| text(&name)),
                compute_capability: attribute(MAJOR).zip(attribute(MINOR)),
                memory: memory.map(|()| bytes as u64),
                multiprocessors: attribute(MULTIPROCESSORS),
                clock_khz: attribute(CLOCK),
            })
        }
    }
}

impl DriverInfo {
    /// Asks the driver; `None` on a machine without one.
    pub fn get() -> Option<Self> {
        type Version = unsafe extern "C" fn(*mut c_int) -> c_int;
        let driver = NvidiaLibrary::driver()?;
        let mut version = 0;
        // SAFETY: the type is the C signature in cuda.h; the pointer is to a local.
        let known = unsafe {
            let function = driver.function::<Version>(c"cuDriverGetVersion");
            function.and_then(|function| done(function(&mut version)))
        };
        let version = u32::try_from(version).unwrap_or(0);
        Some(Self {
            cuda: known.map(|()| (version / 1000, version % 1000 / 10)),
            release: release(),
        })
    }
}

/// Returns the driver's own version by NVML.
fn release() -> Option<String> {
    type Init = unsafe extern "C" fn() -> c_int;
    type Release = unsafe extern "C" fn(*mut c_char, c_uint) -> c_int;
    let nvml = NvidiaLibrary::nvml()?;
    let mut version: [c_char; 96] = [0; 96];
    // SAFETY: the types are the C signatures in nvml.h. NVML may be initialised more than once, and
    // the length of the local array is passed.
    unsafe {
        done(nvml.function::<Init>(c"nvmlInit_v2")?())?;
        let function = nvml.function::<Release>(c"nvmlSystemGetDriverVersion")?;
        done(function(version.as_mut_ptr(), 96))?;
    }
    text(&version)
}

/// Returns the text up to the zero; `None` if it is empty.
fn text(characters: &[c_char]) -> Option<String> {
    let bytes: Vec<u8> = characters.iter().map(|&c| c as u8).collect();
    let text = CStr::from_bytes_until_nul(&bytes).ok()?.to_string_lossy();
    (!text.is_empty()).then(|| text.into_owned())
}

/// Converts a status of NVML or CUDA. Both return 0 for success.
fn done(status: c_int) -> Option<()> {
    (status == 0).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_absent_is_none() {
        assert_eq!(DeviceInfo::of(4096), None);
        assert_eq!(DeviceInfo::of(usize::MAX), None);
    }

    #[test]
    fn a_text_ends_at_the_zero() {
        let characters = |text: &[u8]| text.iter().map(|&c| c as c_char).collect::<Vec<_>>();
        assert_eq!(text(&characters(b"535\0xx")), Some("535".to_owned()));
        assert_eq!(text(&characters(b"\0xx")), None);
        assert_eq!(text(&characters(b"xx")), None);
    }
}
