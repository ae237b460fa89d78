//! What a test asks of the virtual GPU, beside the driver's interface; [`crate::client`] calls it.

use std::ffi::c_int;

use super::{Out, Text, interface};
use crate::{
    counters::Counts,
    driver::{driver, kernel_lines},
    status::Status,
};

interface! {
    /// Tells what was counted on a device; `size` is that of [`Counts`].
    fn virtual_gpu_counts(device: c_int, counts: Out<Counts>, size: usize) |driver| {
        let index = index(driver.devices.len(), device)?;
        match size == size_of::<Counts>() {
            true => counts.set(driver.devices[index].counts),
            false => Err(Status::INVALID_VALUE),
        }
    };

    /// Sets all counts of a device to zero, those of its kernels too, and its peak to what is
    /// allocated.
    fn virtual_gpu_reset_counts(device: c_int) |driver| {
        let index = index(driver.devices.len(), device)?;
        driver.devices[index].counts.reset();
        driver.devices[index].kernels.clear();
        Ok(())
    };

    /// Sets the peak of a device to what is allocated.
    fn virtual_gpu_reset_peak(device: c_int) |driver| {
        let index = index(driver.devices.len(), device)?;
        let counts = &mut driver.devices[index].counts;
        counts.peak_bytes = counts.bytes;
        Ok(())
    };

    /// Lets the `n`-th allocation from now fail, `times` in all; 0 ends this.
    fn virtual_gpu_fail_allocation(device: c_int, n: u64, times: u64) |driver| {
        let index = index(driver.devices.len(), device)?;
        driver.devices[index].failures.fail_allocation(n, times);
        Ok(())
    };

    /// Lets the `n`-th launch from now read an illegal address; 0 ends this.
    fn virtual_gpu_fail_launch(device: c_int, n: u64) |driver| {
        let index = index(driver.devices.len(), device)?;
        driver.devices[index].failures.fail_launch(n);
        Ok(())
    };

    /// Lets the `n`-th copy from now between host and device read an illegal address; 0 ends this.
    fn virtual_gpu_fail_copy(device: c_int, n: u64) |driver| {
        let index = index(driver.devices.len(), device)?;
        driver.devices[index].failures.fail_copy(n);
        Ok(())
    };

    /// Lets the device fail by the `n`-th wait from now; 0 ends this.
    fn virtual_gpu_fail_wait(device: c_int, n: u64) |driver| {
        let index = index(driver.devices.len(), device)?;
        driver.devices[index].failures.fail_wait(n);
        Ok(())
    };

    /// Lets allocations of more bytes fail; `u64::MAX` ends this.
    fn virtual_gpu_limit_allocation(device: c_int, bytes: u64) |driver| {
        let index = index(driver.devices.len(), device)?;
        driver.devices[index].failures.largest = (bytes != u64::MAX).then_some(bytes);
        Ok(())
    };

    /// Sets the bytes that other processes take of each device.
    fn virtual_gpu_set_others(bytes: u64) |driver| {
        driver.settings.others = bytes;
        Ok(())
    };

    /// Appends the counts to the report under a title.
    fn virtual_gpu_mark(title: Text) |driver| {
        driver.report(title.str()?);
        Ok(())
    };
}

fn index(devices: usize, device: c_int) -> Result<usize, Status> {
    let index = usize::try_from(device).map_err(|_| Status::INVALID_DEVICE)?;
    (index < devices)
        .then_some(index)
        .ok_or(Status::INVALID_DEVICE)
}

/// Writes a line for each kernel of a device, as far as there is room, and returns the bytes of all.
#[unsafe(no_mangle)]
pub extern "C" fn virtual_gpu_kernels(device: c_int, text: Out<u8>, room: usize) -> usize {
    let driver = driver();
    let device = usize::try_from(device).ok();
    let device = device.and_then(|device| driver.devices.get(device));
    let lines = device.map(|device| kernel_lines(&device.kernels));
    give(&lines.unwrap_or_default(), text, room)
}

/// Returns the number of modules that were loaded.
#[unsafe(no_mangle)]
pub extern "C" fn virtual_gpu_module_count() -> usize {
    driver().sources.len()
}

/// Writes the text of a module, as far as there is room, and returns the bytes of all of it.
#[unsafe(no_mangle)]
pub extern "C" fn virtual_gpu_module(number: usize, text: Out<u8>, room: usize) -> usize {
    let source = driver().sources.get(number).cloned();
    give(&source.unwrap_or_default(), text, room)
}

fn give(all: &str, text: Out<u8>, room: usize) -> usize {
    for (i, byte) in all.bytes().take(room).enumerate() {
        // Without a pointer the caller wants the size alone.
        let _ = text.set_at(i, byte);
    }
    all.len()
}
