//! The driver itself, its statuses and its devices.

use std::ffi::{c_char, c_int, c_void};

use super::{Out, Text, interface};
use crate::{
    driver::Driver,
    driver::execution::modules::shared_memory,
    settings::ComputeMode,
    status::{Answer, Status},
    symbols,
};

interface! {
    /// Starts the driver.
    fn cuInit(flags: u32) |driver| {
        driver.started = true;
        match (flags, driver.devices.is_empty()) {
            (0, false) => Ok(()),
            (0, true) => Err(Status::NO_DEVICE),
            _ => Err(Status::INVALID_VALUE),
        }
    };

    /// Tells the version of CUDA that the driver knows.
    fn cuDriverGetVersion(version: Out<c_int>) |driver| version.set(driver.settings.driver);

    /// Tells the name of a status.
    fn cuGetErrorName(status: Status, name: Out<*const c_char>) |_driver| {
        name.set(status.name().map_or(std::ptr::null(), |name| name.as_ptr()))?;
        status.name().map(drop).ok_or(Status::INVALID_VALUE)
    };

    /// Tells what a status means.
    fn cuGetErrorString(status: Status, text: Out<*const c_char>) |_driver| {
        text.set(status.text().map_or(std::ptr::null(), |text| text.as_ptr()))?;
        status.text().map(drop).ok_or(Status::INVALID_VALUE)
    };

    /// Counts the devices.
    fn cuDeviceGetCount(count: Out<c_int>) |driver| {
        if !driver.started {
            return Err(Status::NOT_INITIALIZED);
        }
        count.set(driver.devices.len() as c_int)
    };

    /// Finds a device by its number.
    fn cuDeviceGet(device: Out<c_int>, ordinal: c_int) |driver| {
        driver.device(ordinal)?;
        device.set(ordinal)
    };

    /// Tells a device's name.
    fn cuDeviceGetName(name: Out<c_char>, length: c_int, device: c_int) |driver| {
        driver.device(device)?;
        name.set_text(model(driver.settings.sm), length)
    };

    /// Tells a device's identity.
    fn cuDeviceGetUuid(uuid: Out<[u8; 16]>, device: c_int) |driver| {
        driver.device(device)?;
        uuid.set(identity(device))
    };

    /// Tells a device's identity.
    fn cuDeviceGetUuid_v2(uuid: Out<[u8; 16]>, device: c_int) |driver| {
        driver.device(device)?;
        uuid.set(identity(device))
    };

    /// Tells the identity of an adapter, which only Windows has.
    fn cuDeviceGetLuid(_luid: Out<[u8; 8]>, _nodes: Out<u32>, _device: c_int) |_driver| {
        Err(Status::NOT_SUPPORTED)
    };

    /// Tells a device's memory in bytes.
    fn cuDeviceTotalMem_v2(bytes: Out<usize>, device: c_int) |driver| {
        driver.device(device)?;
        bytes.set(driver.settings.memory as usize)
    };

    /// Tells a device's place.
    fn cuDeviceGetPCIBusId(text: Out<c_char>, length: c_int, device: c_int) |driver| {
        driver.device(device)?;
        text.set_text(&place(device), length)
    };

    /// Finds a device by its place.
    fn cuDeviceGetByPCIBusId(device: Out<c_int>, text: Text) |driver| {
        let text = text.str()?;
        let numbers = 0..driver.devices.len() as c_int;
        let found = numbers.into_iter().find(|&n| place(n).ends_with(text));
        device.set(found.ok_or(Status::INVALID_DEVICE)?)
    };

    /// Tells an attribute of a device.
    fn cuDeviceGetAttribute(value: Out<c_int>, attribute: c_int, device: c_int) |driver| {
        driver.device(device)?;
        value.set(self::attribute(driver, attribute, device))
    };

    /// Whether two devices see each other's memory: they do not.
    fn cuDeviceCanAccessPeer(can: Out<c_int>, device: c_int, peer: c_int) |driver| {
        driver.device(device)?;
        driver.device(peer)?;
        can.set(0)
    };

    /// Tells how two devices are linked: not at all.
    fn cuDeviceGetP2PAttribute(value: Out<c_int>, _attribute: c_int, _from: c_int, _to: c_int) |_driver| {
        value.set(0)
    };

    /// Finds a function of this driver.
    fn cuGetProcAddress(name: Text, address: Out<*const c_void>, version: c_int, _flags: u64) |driver| {
        find(driver, name, address, version, None)
    };

    /// Finds a function of this driver, and says why not.
    fn cuGetProcAddress_v2(
        name: Text,
        address: Out<*const c_void>,
        version: c_int,
        _flags: u64,
        found: Out<c_int>,
    ) |driver| find(driver, name, address, version, Some(found));
}

/// Finds the newest form of a function that a program of this version of CUDA may know.
fn find(
    driver: &Driver,
    name: Text,
    address: Out<*const c_void>,
    version: c_int,
    found: Option<Out<c_int>>,
) -> Answer {
    let name = name.str()?;
    let version = version.min(driver.settings.driver);
    let forms = ["_v4", "_v3", "_v2", ""].map(|form| format!("{name}{form}"));
    let known = forms.iter().filter(|form| symbols::since(form) <= version);
    let function = known.filter_map(|form| symbols::address(form)).next();
    address.set(function.unwrap_or(std::ptr::null()))?;
    if let Some(found) = found {
        found.set_if_wanted(c_int::from(function.is_none()));
    }
    match function {
        Some(_) => Ok(()),
        None => Err(Status::NOT_FOUND),
    }
}

/// Returns the name of a GPU of an architecture that people have.
pub fn model(sm: i32) -> &'static str {
    match sm {
        75 => "NVIDIA GeForce RTX 2060",
        80 => "NVIDIA A100-SXM4-40GB",
        86 => "NVIDIA GeForce RTX 3060",
        89 => "NVIDIA GeForce RTX 4070",
        90 => "NVIDIA H100 80GB HBM3",
        120 => "NVIDIA GeForce RTX 5070",
        _ => "NVIDIA GPU",
    }
}

/// Returns the place of a device as CUDA writes it.
pub fn place(device: c_int) -> String {
    format!("0000:{:02X}:00.0", device + 1)
}

/// Returns the identity of a device.
pub fn identity(device: c_int) -> [u8; 16] {
    [device as u8 + 1; 16]
}

fn attribute(driver: &Driver, attribute: c_int, device: c_int) -> c_int {
    let sm = driver.settings.sm;
    match attribute {
        // Sides of blocks and grids.
        1..=3 => 1024,
        4 => 64,
        5 => i32::MAX,
        6 | 7 => 65535,
        // Shared and constant memory, a warp, the largest pitch, registers of a block.
        8 => 48 << 10,
        9 => 64 << 10,
        10 => 32,
        11 => i32::MAX,
        12 | 82 => 65536,
        // Clocks in kHz, alignment of textures, multiprocessors, the bus's width, the L2 cache.
        13 => 1_777_000,
        14 => 512,
        16 => 28,
        20 => match driver.settings.compute {
            ComputeMode::Default => 0,
            ComputeMode::Prohibited => 2,
            ComputeMode::Taken => 3,
        },
        36 => 7_501_000,
        37 => 192,
        38 => 3 << 20,
        // Host memory can be mapped, kernels overlap, two copy engines, one address space.
        19 | 31 | 41 | 78 | 83 | 95 => 1,
        40 => 2,
        33 => device + 1,
        39 => match sm {
            75 => 1024,
            80 | 90 | 100 => 2048,
            _ => 1536,
        },
        75 => sm / 10,
        76 => sm % 10,
        81 => shared_memory(sm) as c_int + 1024,
        97 => shared_memory(sm) as c_int,
        // Virtual memory management, memory pools, blocks of a multiprocessor.
        102 | 115 => 1,
        106 => 16,
        _ => 0,
    }
}
