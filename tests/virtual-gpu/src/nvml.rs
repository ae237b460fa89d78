//! NVML: what the driver tells of a device's memory and of the processes on it. Handles are numbers
//! of devices, plus one.

#![allow(non_snake_case)]

use std::ffi::{c_char, c_int, c_uint};

use crate::{
    abi::{
        Out, Text,
        device::{identity, model, place},
    },
    driver::{Driver, driver},
    handles::Handle,
    settings::Processes,
    status::Answer,
};

/// A status of NVML (`nvmlReturn_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct NvmlStatus(pub c_int);

const SUCCESS: NvmlStatus = NvmlStatus(0);
const INVALID_ARGUMENT: NvmlStatus = NvmlStatus(2);
const NOT_SUPPORTED: NvmlStatus = NvmlStatus(3);
const NOT_FOUND: NvmlStatus = NvmlStatus(6);
const INSUFFICIENT_SIZE: NvmlStatus = NvmlStatus(7);
const DRIVER_NOT_LOADED: NvmlStatus = NvmlStatus(9);

/// `nvmlMemory_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Memory {
    total: u64,
    free: u64,
    used: u64,
}

/// `nvmlMemory_v2_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MemoryV2 {
    version: c_uint,
    total: u64,
    reserved: u64,
    free: u64,
    used: u64,
}

/// `nvmlProcessInfo_t` of the functions `_v2` and `_v3`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Process {
    pid: c_uint,
    bytes: u64,
    instances: [c_uint; 2],
}

/// `nvmlUtilization_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

/// `nvmlPciInfo_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Pci {
    old_id: [u8; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    device_id: c_uint,
    subsystem: c_uint,
    id: [u8; 32],
}

type Told = Result<(), NvmlStatus>;

fn tell(body: impl FnOnce(&Driver) -> Told) -> NvmlStatus {
    let driver = driver();
    if !driver.settings.nvml {
        return DRIVER_NOT_LOADED;
    }
    body(&driver).err().unwrap_or(SUCCESS)
}

fn give(answer: Answer) -> Told {
    answer.map_err(|_| INVALID_ARGUMENT)
}

macro_rules! nvml {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) |$driver:ident| $body:expr;
    )*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($argument: $type),*) -> NvmlStatus {
            tell(|$driver| $body)
        }
    )*};
}

nvml! {
    /// Starts NVML.
    fn nvmlInit_v2() |_driver| Ok(());

    /// Starts NVML.
    fn nvmlInitWithFlags(_flags: c_uint) |_driver| Ok(());

    /// Stops NVML.
    fn nvmlShutdown() |_driver| Ok(());

    /// Tells the version of the driver.
    fn nvmlSystemGetDriverVersion(text: Out<c_char>, length: c_uint) |driver| {
        give(text.set_text(release(driver.settings.driver), length as c_int))
    };

    /// Tells the version of CUDA that the driver knows.
    fn nvmlSystemGetCudaDriverVersion_v2(version: Out<c_int>) |driver| give(version.set(driver.settings.driver));

    /// Tells the version of NVML.
    fn nvmlSystemGetNVMLVersion(text: Out<c_char>, length: c_uint) |_driver| {
        give(text.set_text("12.0", length as c_int))
    };

    /// Counts the devices.
    fn nvmlDeviceGetCount_v2(count: Out<c_uint>) |driver| give(count.set(driver.devices.len() as c_uint));

    /// Finds a device by its number.
    fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: Out<Handle>) |driver| {
        give(device.set(handle(driver, |n| n == index as usize)?))
    };

    /// Finds a device by its place; NVML writes the domain in eight digits, CUDA in four.
    fn nvmlDeviceGetHandleByPciBusId_v2(text: Text, device: Out<Handle>) |driver| {
        let text = text.str().map_err(|_| INVALID_ARGUMENT)?.to_ascii_uppercase();
        let domainless = text.rsplit_once(':').map(|(rest, slot)| {
            format!("{}:{slot}", rest.rsplit_once(':').map_or(rest, |(_, bus)| bus))
        });
        let wanted = domainless.unwrap_or_default();
        give(device.set(handle(driver, |n| place(n as c_int).ends_with(&wanted) && !wanted.is_empty())?))
    };

    /// Finds a device by its identity.
    fn nvmlDeviceGetHandleByUUID(text: Text, device: Out<Handle>) |driver| {
        let text = text.str().map_err(|_| INVALID_ARGUMENT)?;
        give(device.set(handle(driver, |n| uuid(n) == text)?))
    };

    /// Tells a device's number.
    fn nvmlDeviceGetIndex(device: Handle, index: Out<c_uint>) |driver| {
        give(index.set(number(driver, device)? as c_uint))
    };

    /// Tells a device's name.
    fn nvmlDeviceGetName(device: Handle, text: Out<c_char>, length: c_uint) |driver| {
        number(driver, device)?;
        give(text.set_text(model(driver.settings.sm), length as c_int))
    };

    /// Tells a device's identity.
    fn nvmlDeviceGetUUID(device: Handle, text: Out<c_char>, length: c_uint) |driver| {
        let number = number(driver, device)?;
        give(text.set_text(&uuid(number), length as c_int))
    };

    /// Tells a device's place.
    fn nvmlDeviceGetPciInfo_v3(device: Handle, pci: Out<Pci>) |driver| {
        let number = number(driver, device)?;
        let mut id = [0; 32];
        let text = format!("0000{}", place(number as c_int));
        id[..text.len()].copy_from_slice(text.as_bytes());
        give(pci.set(Pci {
            old_id: [0; 16],
            domain: 0,
            bus: number as c_uint + 1,
            device: 0,
            device_id: 0x2504_10de,
            subsystem: 0,
            id,
        }))
    };

    /// Tells a device's architecture.
    fn nvmlDeviceGetCudaComputeCapability(device: Handle, major: Out<c_int>, minor: Out<c_int>) |driver| {
        number(driver, device)?;
        give(major.set(driver.settings.sm / 10))?;
        give(minor.set(driver.settings.sm % 10))
    };

    /// Tells a device's memory.
    fn nvmlDeviceGetMemoryInfo(device: Handle, memory: Out<Memory>) |driver| {
        give(memory.set(memory_of(driver, device)?))
    };

    /// Tells a device's memory.
    fn nvmlDeviceGetMemoryInfo_v2(device: Handle, memory: Out<MemoryV2>) |driver| {
        let Memory { total, free, used } = memory_of(driver, device)?;
        let version = memory.get().map_err(|_| INVALID_ARGUMENT)?.version;
        give(memory.set(MemoryV2 { version, total, reserved: 0, free, used }))
    };

    /// Tells how busy a device is: not at all.
    fn nvmlDeviceGetUtilizationRates(device: Handle, rates: Out<Utilization>) |driver| {
        number(driver, device)?;
        give(rates.set(Utilization { gpu: 0, memory: 0 }))
    };

    /// Tells whether a device is divided into instances.
    fn nvmlDeviceGetMigMode(device: Handle, current: Out<c_uint>, pending: Out<c_uint>) |driver| {
        number(driver, device)?;
        let divided = driver.settings.nvml_memory.ok_or(NOT_SUPPORTED)? > driver.settings.memory;
        give(current.set(c_uint::from(divided)))?;
        give(pending.set(c_uint::from(divided)))
    };

    /// Lists the processes on a device.
    fn nvmlDeviceGetComputeRunningProcesses_v3(device: Handle, count: Out<c_uint>, list: Out<Process>) |driver| {
        processes(driver, device, count, list)
    };

    /// Lists the processes on a device.
    fn nvmlDeviceGetComputeRunningProcesses_v2(device: Handle, count: Out<c_uint>, list: Out<Process>) |driver| {
        processes(driver, device, count, list)
    };
}

/// Tells what a status means.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlErrorString(status: NvmlStatus) -> *const c_char {
    let text = match status {
        SUCCESS => c"Success",
        NOT_SUPPORTED => c"Not Supported",
        NOT_FOUND => c"Not Found",
        INSUFFICIENT_SIZE => c"Insufficient Size",
        DRIVER_NOT_LOADED => c"Driver Not Loaded",
        _ => c"Invalid Argument",
    };
    text.as_ptr()
}

fn handle(driver: &Driver, wanted: impl Fn(usize) -> bool) -> Result<Handle, NvmlStatus> {
    let found = (0..driver.devices.len()).find(|&n| wanted(n));
    found.map(|n| Handle(n as u64 + 1)).ok_or(NOT_FOUND)
}

fn number(driver: &Driver, device: Handle) -> Result<usize, NvmlStatus> {
    let number = (device.0 as usize).wrapping_sub(1);
    (number < driver.devices.len())
        .then_some(number)
        .ok_or(INVALID_ARGUMENT)
}

fn uuid(number: usize) -> String {
    let digits: String = identity(number as c_int)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    format!("GPU-{}", parts.join("-"))
}

fn memory_of(driver: &Driver, device: Handle) -> Result<Memory, NvmlStatus> {
    let used = driver.used(number(driver, device)?);
    let total = driver
        .settings
        .nvml_memory
        .unwrap_or(driver.settings.memory);
    Ok(Memory {
        total,
        free: total.saturating_sub(used),
        used,
    })
}

fn processes(driver: &Driver, device: Handle, count: Out<c_uint>, list: Out<Process>) -> Told {
    let bytes = driver.own(number(driver, device)?);
    let own = std::process::id();
    let process = |pid, bytes| Process {
        pid,
        bytes,
        instances: [c_uint::MAX; 2],
    };
    let listed = match driver.settings.processes {
        _ if bytes == 0 => vec![],
        Processes::None => vec![],
        Processes::Own => vec![process(1, driver.settings.others), process(own, bytes)],
        Processes::Foreign => vec![process(own.wrapping_add(70_000), bytes)],
        // NVML_VALUE_NOT_AVAILABLE.
        Processes::NoBytes => vec![process(own, u64::MAX)],
    };
    let listed: Vec<_> = listed
        .into_iter()
        .filter(|process| process.bytes > 0)
        .collect();
    let room = count.get().map_err(|_| INVALID_ARGUMENT)? as usize;
    give(count.set(listed.len() as c_uint))?;
    if room < listed.len() {
        return Err(INSUFFICIENT_SIZE);
    }
    let mut processes = listed.into_iter().enumerate();
    processes.try_for_each(|(i, process)| give(list.set_at(i, process)))
}

/// Returns the first release of the driver that knows a version of CUDA.
fn release(driver: c_int) -> &'static str {
    match driver {
        ..12000 => "520.61.05",
        12000 => "525.60.13",
        12010 => "530.30.02",
        12020 => "535.54.03",
        12030 => "545.23.06",
        12040 => "550.54.14",
        12050 => "555.42.02",
        12060 => "560.28.03",
        12080 => "570.26.00",
        12090 => "575.51.03",
        _ => "580.65.06",
    }
}
