//! What the CUDA driver's statuses mean: a sentence for each that keeps a device from being used, and
//! the faults after which a device is lost.

use std::ffi::c_int;

/// The reason why a CUDA device cannot be used, as a sentence that says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// There is no library of the driver.
    #[error(
        "this machine has no CUDA driver (libcuda.so.1 is not found); install NVIDIA's driver, or set \
         device=cpu"
    )]
    NoDriver,
    /// The driver is older than this build supports.
    #[error(
        "the CUDA driver is too old: it is made for CUDA {}.{}, and 12.0 is needed; install NVIDIA's \
         driver 525 or later, or set device=cpu",
        .0 / 1000, .0 % 1000 / 10
    )]
    TooOld(c_int),
    /// The library lacks a function.
    #[error(
        "the CUDA driver (libcuda.so.1) lacks the function {0}; install NVIDIA's driver 525 or later, \
         or set device=cpu"
    )]
    Missing(&'static str),
    /// The driver does not start; this is the status of `cuInit` or `cuDeviceGetCount`.
    #[error("{}", start_problem(*.0))]
    Start(c_int),
    /// There is no device with this number.
    #[error("there is no device cuda:{index}; {}", devices_seen(*.count))]
    OutOfRange {
        /// The number asked for.
        index: usize,
        /// The number of devices.
        count: usize,
    },
    /// The device is set so that no program may compute on it.
    #[error(
        "cuda:{0} is in the compute mode 'prohibited', so no program may use it; set the mode with \
         nvidia-smi -i {0} -c DEFAULT, or set another device"
    )]
    Prohibited(usize),
    /// Another program uses the device alone.
    #[error(
        "cuda:{0} is in an exclusive compute mode and another program uses it; end that program, set \
         the mode with nvidia-smi -i {0} -c DEFAULT, or set another device"
    )]
    Taken(usize),
    /// The device does not open; `status` is that of `cuDevicePrimaryCtxRetain`.
    #[error("{}", open_problem(*.index, *.status))]
    Open {
        /// The number of the device.
        index: usize,
        /// The driver's status.
        status: c_int,
    },
}

/// Statuses of the driver API (`CUresult`), each with a remedy.
pub(super) mod status {
    use std::ffi::c_int;

    pub const OUT_OF_MEMORY: c_int = 2;
    pub const STUB_LIBRARY: c_int = 34;
    pub const DEVICE_UNAVAILABLE: c_int = 46;
    pub const NO_DEVICE: c_int = 100;
    pub const ECC_UNCORRECTABLE: c_int = 214;
    pub const OPERATING_SYSTEM: c_int = 304;
    pub const SYSTEM_NOT_READY: c_int = 802;
    pub const SYSTEM_DRIVER_MISMATCH: c_int = 803;
    pub const COMPAT_NOT_SUPPORTED: c_int = 804;
    pub const UNKNOWN: c_int = 999;
}

fn start_problem(status: c_int) -> String {
    let (problem, remedy) = match status {
        status::NO_DEVICE => return format!("there is no CUDA device; {}", devices_seen(0)),
        status::STUB_LIBRARY => (
            "libcuda.so.1 is the stub of the CUDA toolkit and not the driver",
            "take the stub's folder out of LD_LIBRARY_PATH",
        ),
        status::OPERATING_SYSTEM => (
            "the operating system denies access to the GPU",
            "give this user access to /dev/nvidia*, or the container its GPUs",
        ),
        status::SYSTEM_NOT_READY => (
            "the GPUs of this machine are not ready",
            "start nvidia-fabricmanager, or wait until it has started",
        ),
        status::SYSTEM_DRIVER_MISMATCH => (
            "the CUDA driver's library and its kernel module have different versions",
            "restart the machine",
        ),
        status::COMPAT_NOT_SUPPORTED => (
            "the CUDA compatibility package does not support this GPU",
            "take its libcuda.so.1 out of the library path",
        ),
        status::UNKNOWN => (
            "the CUDA driver does not start (error 999)",
            "restart the machine, or reload the kernel module nvidia_uvm",
        ),
        other => {
            return format!(
                "the CUDA driver does not start (error {other}); check that nvidia-smi works, or set \
                 device=cpu"
            );
        }
    };
    format!("{problem}; {remedy}, or set device=cpu")
}

fn devices_seen(count: usize) -> String {
    match count {
        0 => "the CUDA driver sees none: check nvidia-smi and CUDA_VISIBLE_DEVICES, or set device=cpu"
            .to_owned(),
        1 => "the CUDA driver sees one: set device=cuda:0".to_owned(),
        _ => format!(
            "the CUDA driver sees {count}: set device=cuda:0 to cuda:{}",
            count - 1
        ),
    }
}

fn open_problem(index: usize, status: c_int) -> String {
    match status {
        status::OUT_OF_MEMORY => format!(
            "cuda:{index} has no memory left to be opened; end other programs that use it, or set \
             another device"
        ),
        status::ECC_UNCORRECTABLE => format!(
            "cuda:{index} reports a memory error that it cannot correct; reset it with nvidia-smi -r \
             -i {index}, or set another device"
        ),
        other => format!(
            "cuda:{index} does not open (error {other}); check that nvidia-smi works, or set another \
             device"
        ),
    }
}

/// The faults after which the driver documents the context as unusable, with their statuses.
const STICKY: [(u32, &str); 11] = [
    (214, "CUDA_ERROR_ECC_UNCORRECTABLE"),
    (700, "CUDA_ERROR_ILLEGAL_ADDRESS"),
    (702, "CUDA_ERROR_LAUNCH_TIMEOUT"),
    (709, "CUDA_ERROR_CONTEXT_IS_DESTROYED"),
    (710, "CUDA_ERROR_ASSERT"),
    (714, "CUDA_ERROR_HARDWARE_STACK_ERROR"),
    (715, "CUDA_ERROR_ILLEGAL_INSTRUCTION"),
    (716, "CUDA_ERROR_MISALIGNED_ADDRESS"),
    (717, "CUDA_ERROR_INVALID_ADDRESS_SPACE"),
    (718, "CUDA_ERROR_INVALID_PC"),
    (719, "CUDA_ERROR_LAUNCH_FAILED"),
];

/// Returns the fault that a device's error message names after which its context is lost: the
/// driver's name of it, or the line that says so. `None` if the device may still work.
pub fn lost_context(problem: &str) -> Option<&str> {
    let status = |line: &str| {
        let (_, status) = line.split_once("failed with status ")?;
        let digits = status.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok()
    };
    let named = problem.lines().find_map(|line| {
        let status = status(line);
        let fault = STICKY
            .iter()
            .find(|(number, name)| line.contains(name) || status == Some(*number));
        fault.map(|(_, name)| *name)
    });
    let said = || problem.lines().find(|line| line.contains("poisoned"));
    named.or_else(said).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_context_is_told_from_other_failures() {
        let fault =
            "The device is poisoned\nCaused by:\n  cuEventSynchronize failed with status 700";
        assert_eq!(lost_context(fault), Some("CUDA_ERROR_ILLEGAL_ADDRESS"));
        let fault = "CUDA allocation error: DriverError(CUDA_ERROR_LAUNCH_FAILED, \"unspecified\")";
        assert_eq!(lost_context(fault), Some("CUDA_ERROR_LAUNCH_FAILED"));
        let fault = "The device was poisoned during launch";
        assert_eq!(lost_context(fault), Some(fault));
        for other in [
            "cuLaunchKernel failed with status 1",
            "cuMemAlloc failed with status 2",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "injected by a test",
        ] {
            assert_eq!(lost_context(other), None, "{other}");
        }
    }

    #[test]
    fn each_problem_is_one_sentence_that_says_what_to_do() {
        let open = |status| DriverError::Open { index: 1, status };
        let out_of_range = |count| DriverError::OutOfRange { index: 3, count };
        let cases = [
            (DriverError::NoDriver, "install NVIDIA's driver"),
            (DriverError::TooOld(11040), "CUDA 11.4, and 12.0 is needed"),
            (DriverError::TooOld(11080), "driver 525 or later"),
            (DriverError::Missing("cuInit"), "cuInit"),
            (DriverError::Start(100), "CUDA_VISIBLE_DEVICES"),
            (DriverError::Start(34), "LD_LIBRARY_PATH"),
            (DriverError::Start(304), "/dev/nvidia*"),
            (DriverError::Start(802), "nvidia-fabricmanager"),
            (DriverError::Start(803), "restart the machine"),
            (DriverError::Start(804), "compatibility package"),
            (DriverError::Start(999), "restart the machine"),
            (DriverError::Start(7), "error 7"),
            (out_of_range(0), "cuda:3"),
            (out_of_range(1), "set device=cuda:0"),
            (out_of_range(3), "cuda:0 to cuda:2"),
            (DriverError::Prohibited(1), "nvidia-smi -i 1 -c DEFAULT"),
            (DriverError::Taken(1), "end that program"),
            (open(2), "no memory left"),
            (open(214), "nvidia-smi -r -i 1"),
            (open(101), "error 101"),
        ];
        for (error, words) in cases {
            let text = error.to_string();
            assert!(text.contains(words), "{text}");
            let one_sentence = !text.contains('\n') && !text.contains(". ");
            let has_a_remedy = text.contains("; ") || text.contains(": set");
            assert!(one_sentence && has_a_remedy, "{text}");
        }
    }
}
