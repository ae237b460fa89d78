//! Allocation in the order of a stream, and pools.

use std::ffi::{c_int, c_void};

use super::{In, Out, interface};
use crate::{
    driver::Driver,
    driver::execution::work::Work,
    driver::memory::pools::Pool,
    handles::Handle,
    status::{Answer, Status},
};

/// The part of `CUmemPoolProps` that is read.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PoolProperties {
    allocation: c_int,
    handles: c_int,
    location: c_int,
    device: c_int,
}

interface! {
    /// Allocates from the device's pool in the order of a stream.
    fn cuMemAllocAsync(address: Out<u64>, bytes: usize, stream: Handle) |driver| {
        let stream = driver.stream(stream)?;
        let device = driver.device_of(stream)?;
        let pool = driver.devices[device].pool;
        let allocated = allocate(driver, bytes, pool, stream)?;
        address.set(allocated)
    };

    /// Allocates from a pool in the order of a stream.
    fn cuMemAllocFromPoolAsync(address: Out<u64>, bytes: usize, pool: Handle, stream: Handle) |driver| {
        let stream = driver.stream(stream)?;
        let allocated = allocate(driver, bytes, pool, stream)?;
        address.set(allocated)
    };

    /// Frees memory in the order of a stream.
    fn cuMemFreeAsync(address: u64, stream: Handle) |driver| {
        let stream = driver.stream(stream)?;
        crate::driver::memory::regions::check(address, 1)?;
        driver.submit(stream, Work::Free(address))
    };

    /// Makes a pool.
    fn cuMemPoolCreate(pool: Out<Handle>, properties: In<PoolProperties>) |driver| {
        let device = properties.get()?.device;
        driver.device(device)?;
        let made = driver.pools.insert(Pool::new(device as usize));
        pool.set(made)
    };

    /// Destroys a pool. What it has allocated stays until it is freed.
    fn cuMemPoolDestroy(pool: Handle) |driver| {
        let device = driver.pools.get(pool)?.device;
        let device = &mut driver.devices[device];
        if device.default_pool == pool {
            return Err(Status::INVALID_VALUE);
        }
        if device.pool == pool {
            device.pool = device.default_pool;
        }
        driver.pools.remove(pool).map(drop)
    };

    /// Gives idle bytes of a pool back to the device.
    fn cuMemPoolTrimTo(pool: Handle, keep: usize) |driver| {
        driver.pools.get_mut(pool)?.trim(keep as u64);
        Ok(())
    };

    /// Tells an attribute of a pool.
    fn cuMemPoolGetAttribute(pool: Handle, attribute: c_int, value: Out<()>) |driver| {
        let pool = driver.pools.get(pool)?;
        match attribute {
            1..=3 => value.cast::<c_int>().set(1),
            4 => value.cast::<u64>().set(pool.threshold),
            5 => value.cast::<u64>().set(pool.reserved[0]),
            6 => value.cast::<u64>().set(pool.reserved[1]),
            7 => value.cast::<u64>().set(pool.used[0]),
            8 => value.cast::<u64>().set(pool.used[1]),
            _ => Err(Status::INVALID_VALUE),
        }
    };

    /// Sets an attribute of a pool: its threshold, or 0 for a peak.
    fn cuMemPoolSetAttribute(pool: Handle, attribute: c_int, value: Out<()>) |driver| {
        let pool = driver.pools.get_mut(pool)?;
        match attribute {
            1..=3 => Ok(()),
            4 => {
                pool.threshold = value.cast::<u64>().get()?;
                Ok(())
            }
            6 => {
                pool.reserved[1] = pool.reserved[0];
                Ok(())
            }
            8 => {
                pool.used[1] = pool.used[0];
                Ok(())
            }
            _ => Err(Status::INVALID_VALUE),
        }
    };

    /// Lets devices use a pool, which here only its own does.
    fn cuMemPoolSetAccess(pool: Handle, _access: *const c_void, _count: usize) |driver| {
        driver.pools.get(pool).map(drop)
    };

    /// Tells the pool that a device came with.
    fn cuDeviceGetDefaultMemPool(pool: Out<Handle>, device: c_int) |driver| {
        let found = driver.device(device)?.default_pool;
        pool.set(found)
    };

    /// Tells the pool that a device uses.
    fn cuDeviceGetMemPool(pool: Out<Handle>, device: c_int) |driver| {
        let found = driver.device(device)?.pool;
        pool.set(found)
    };

    /// Sets the pool that a device uses.
    fn cuDeviceSetMemPool(device: c_int, pool: Handle) |driver| {
        let of = driver.pools.get(pool)?.device;
        driver.device(device)?.pool = pool;
        match of == device as usize {
            true => Ok(()),
            false => Err(Status::INVALID_VALUE),
        }
    };
}

fn allocate(driver: &mut Driver, bytes: usize, pool: Handle, stream: Handle) -> Answer<u64> {
    let found = driver.streams.get(stream)?;
    let (context, capture) = (found.context, found.capture);
    let address = driver.allocate_pooled(context, bytes as u64, pool)?;
    if capture.is_some() {
        driver.submit(stream, Work::Allocate)?;
    }
    Ok(address)
}
