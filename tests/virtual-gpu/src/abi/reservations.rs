//! Virtual memory management.

use std::ffi::{c_int, c_void};

use super::{In, Out, interface};
use crate::{driver::memory::reservations::GRANULARITY, handles::Handle, status::Status};

/// The part of `CUmemAllocationProp` that is read.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AllocationProperties {
    kind: c_int,
    handles: c_int,
    location: c_int,
    device: c_int,
}

/// `CUmemAccessDesc`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Access {
    location: c_int,
    device: c_int,
    flags: c_int,
}

interface! {
    /// Tells what sizes must be multiples of.
    fn cuMemGetAllocationGranularity(bytes: Out<usize>, _properties: In<AllocationProperties>, _option: c_int) |_driver| {
        bytes.set(GRANULARITY as usize)
    };

    /// Reserves addresses.
    fn cuMemAddressReserve(address: Out<u64>, bytes: usize, _alignment: usize, _wish: u64, _flags: u64) |driver| {
        let start = driver.reserve_addresses(bytes as u64)?;
        address.set(start)
    };

    /// Gives addresses back.
    fn cuMemAddressFree(address: u64, bytes: usize) |driver| driver.release_addresses(address, bytes as u64);

    /// Makes physical memory.
    fn cuMemCreate(memory: Out<Handle>, bytes: usize, properties: In<AllocationProperties>, _flags: u64) |driver| {
        driver.forbidden_in_capture()?;
        let device = properties.get()?.device;
        driver.device(device)?;
        let made = driver.create_physical(device as usize, bytes as u64)?;
        memory.set(made)
    };

    /// Releases physical memory, which is freed once it is mapped nowhere.
    fn cuMemRelease(memory: Handle) |driver| driver.release_physical(memory);

    /// Maps physical memory to addresses.
    fn cuMemMap(address: u64, bytes: usize, offset: usize, memory: Handle, _flags: u64) |driver| match offset {
        0 => driver.map(address, bytes as u64, memory),
        _ => Err(Status::INVALID_VALUE),
    };

    /// Takes mappings away.
    fn cuMemUnmap(address: u64, bytes: usize) |driver| driver.unmap(address, bytes as u64);

    /// Says what devices may do with addresses.
    fn cuMemSetAccess(address: u64, bytes: usize, access: In<Access>, count: usize) |driver| {
        for i in 0..count {
            driver.allow(address, bytes as u64, access.at(i)?.flags)?;
        }
        Ok(())
    };

    /// Tells the properties of physical memory: those of memory on a device.
    fn cuMemGetAllocationPropertiesFromHandle(properties: Out<AllocationProperties>, memory: Handle) |driver| {
        let device = driver.physical.get(memory)?.device() as c_int;
        properties.set(AllocationProperties { kind: 1, handles: 0, location: 1, device })
    };

    /// Shares physical memory with another process: not here.
    fn cuMemExportToShareableHandle(_out: *mut c_void, _memory: Handle, _kind: c_int, _flags: u64) |_driver| {
        Err(Status::NOT_SUPPORTED)
    };
}
