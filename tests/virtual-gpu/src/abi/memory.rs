//! Memory of devices and pinned memory of the host.

use std::ffi::{c_int, c_uint};

use super::{In, Out, interface};
use crate::{
    driver::Driver,
    driver::memory::regions::{self, Kind},
    handles::Handle,
    status::{Answer, Status},
};

interface! {
    /// Allocates device memory.
    fn cuMemAlloc_v2(address: Out<u64>, bytes: usize) |driver| {
        let allocated = allocate(driver, bytes)?;
        address.set(allocated)
    };

    /// Allocates rows of device memory.
    fn cuMemAllocPitch_v2(address: Out<u64>, pitch: Out<usize>, width: usize, height: usize, element: c_uint) |driver| {
        if ![4, 8, 16].contains(&element) {
            return Err(Status::INVALID_VALUE);
        }
        let row = width.next_multiple_of(512);
        let bytes = row.checked_mul(height).ok_or(Status::INVALID_VALUE)?;
        let allocated = allocate(driver, bytes)?;
        pitch.set(row)?;
        address.set(allocated)
    };

    /// Allocates memory that host and device see.
    fn cuMemAllocManaged(address: Out<u64>, bytes: usize, _flags: c_uint) |driver| {
        let allocated = allocate(driver, bytes)?;
        address.set(allocated)
    };

    /// Frees device memory, after all work on the device.
    fn cuMemFree_v2(address: u64) |driver| {
        let context = driver.current()?;
        driver.forbidden_in_capture()?;
        if address == 0 {
            return Ok(());
        }
        driver.run_all(context)?;
        driver.free(address)
    };

    /// Tells the free and all memory of the current device.
    fn cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>) |driver| {
        let device = driver.current_device()?;
        let (free_now, all) = driver.memory_info(device);
        free.set_if_wanted(free_now as usize);
        total.set_if_wanted(all as usize);
        Ok(())
    };

    /// Tells the allocation that an address is in.
    fn cuMemGetAddressRange_v2(base: Out<u64>, bytes: Out<usize>, address: u64) |driver| {
        driver.current()?;
        let (start, region) = regions::find(address).ok_or(Status::NOT_FOUND)?;
        base.set_if_wanted(start);
        bytes.set_if_wanted(region.bytes as usize);
        Ok(())
    };

    /// Allocates pinned memory.
    fn cuMemAllocHost_v2(address: Out<u64>, bytes: usize) |driver| {
        let pinned = allocate_pinned(driver, bytes)?;
        address.set(pinned)
    };

    /// Allocates pinned memory.
    fn cuMemHostAlloc(address: Out<u64>, bytes: usize, _flags: c_uint) |driver| {
        let pinned = allocate_pinned(driver, bytes)?;
        address.set(pinned)
    };

    /// Frees pinned memory, after all work that may use it.
    fn cuMemFreeHost(address: u64) |driver| {
        let context = driver.current()?;
        driver.run_all(context)?;
        driver.free_pinned(address)
    };

    /// Pins memory of the host.
    fn cuMemHostRegister_v2(address: u64, bytes: usize, _flags: c_uint) |driver| {
        let context = driver.current()?;
        driver.forbidden_in_capture()?;
        driver.pin(context, address, bytes as u64)
    };

    /// Ends that.
    fn cuMemHostUnregister(address: u64) |driver| {
        driver.current()?;
        driver.unpin(address)
    };

    /// Tells the address under which a device sees pinned memory: the same.
    fn cuMemHostGetDevicePointer_v2(address: Out<u64>, host: u64, _flags: c_uint) |driver| {
        driver.current()?;
        match driver.is_pinned(host) {
            true => address.set(host),
            false => Err(Status::INVALID_VALUE),
        }
    };

    /// Tells the flags that pinned memory was allocated with.
    fn cuMemHostGetFlags(flags: Out<c_uint>, _host: u64) |_driver| flags.set(0);

    /// Takes advice on managed memory and does nothing.
    fn cuMemAdvise(_address: u64, _bytes: usize, _advice: c_int, _device: c_int) |_driver| Ok(());

    /// Takes advice on managed memory and does nothing.
    fn cuMemAdvise_v2(_address: u64, _bytes: usize, _advice: c_int, _location: u64) |_driver| Ok(());

    /// Moves managed memory, which is where it is.
    fn cuMemPrefetchAsync(_address: u64, _bytes: usize, _device: c_int, _stream: Handle) |_driver| Ok(());

    /// Moves managed memory, which is where it is.
    fn cuMemPrefetchAsync_v2(_address: u64, _bytes: usize, _location: u64, _flags: c_uint, _stream: Handle) |_driver| Ok(());

    /// Tells an attribute of an address.
    fn cuPointerGetAttribute(value: Out<()>, attribute: c_int, address: u64) |driver| {
        pointer_attribute(driver, value, attribute, address)
    };

    /// Tells attributes of an address; those that do not apply are zero.
    fn cuPointerGetAttributes(count: c_uint, attributes: In<c_int>, values: In<Out<()>>, address: u64) |driver| {
        for i in 0..count as usize {
            let (attribute, value) = (attributes.at(i)?, values.at(i)?);
            if pointer_attribute(driver, value, attribute, address).is_err() {
                match attribute {
                    2 | 9 => value.cast::<c_int>().set(0)?,
                    8 | 13 => value.cast::<u8>().set(0)?,
                    _ => value.cast::<u64>().set(0)?,
                }
            }
        }
        Ok(())
    };

    /// Sets an attribute of an address, which changes nothing here.
    fn cuPointerSetAttribute(_value: In<c_int>, _attribute: c_int, address: u64) |_driver| {
        regions::find(address).map(drop).ok_or(Status::INVALID_VALUE)
    };
}

fn allocate(driver: &mut Driver, bytes: usize) -> Answer<u64> {
    let context = driver.current()?;
    driver.forbidden_in_capture()?;
    driver.allocate(context, bytes as u64, Kind::Linear)
}

fn allocate_pinned(driver: &mut Driver, bytes: usize) -> Answer<u64> {
    let context = driver.current()?;
    driver.forbidden_in_capture()?;
    driver.allocate_pinned(context, bytes as u64)
}

/// Writes an attribute of an address (`CUpointer_attribute`).
fn pointer_attribute(driver: &Driver, value: Out<()>, attribute: c_int, address: u64) -> Answer {
    const HOST: c_int = 1;
    const DEVICE: c_int = 2;
    let region = regions::find(address);
    let pinned = driver.pinned.range(..=address).next_back();
    let pinned = pinned.filter(|(start, (bytes, _))| address - **start < *bytes);
    let (start, bytes, device, kind) = match (region, pinned) {
        (Some((start, region)), _) => (start, region.bytes, region.device, DEVICE),
        (None, Some((start, (bytes, device)))) => (*start, *bytes, *device, HOST),
        (None, None) => return Err(Status::INVALID_VALUE),
    };
    match attribute {
        // CONTEXT, MEMORY_TYPE, DEVICE_POINTER, HOST_POINTER, BUFFER_ID.
        1 => {
            let context = region.map(|(_, region)| region.context);
            value
                .cast::<Handle>()
                .set(context.unwrap_or(driver.devices[device].primary))
        }
        2 => value.cast::<c_int>().set(kind),
        3 => value.cast::<u64>().set(address),
        4 if kind == HOST => value.cast::<u64>().set(address),
        7 => value.cast::<u64>().set(start),
        // IS_MANAGED, DEVICE_ORDINAL, RANGE_START_ADDR, RANGE_SIZE, MAPPED, MEMPOOL_HANDLE.
        8 => value.cast::<u8>().set(0),
        9 => value.cast::<c_int>().set(device as c_int),
        11 => value.cast::<u64>().set(start),
        12 => value.cast::<u64>().set(bytes),
        13 => value.cast::<u8>().set(1),
        17 => match region.map(|(_, region)| region.kind) {
            Some(Kind::Pooled(pool)) => value.cast::<Handle>().set(pool),
            _ => value.cast::<Handle>().set(Handle::NULL),
        },
        _ => Err(Status::INVALID_VALUE),
    }
}
