//! Copies and fills.

use std::ffi::{c_int, c_uint};

use super::{In, interface};
use crate::{
    driver::Driver,
    driver::execution::work::{Copy, Fill, Side, Work},
    driver::memory::regions,
    handles::Handle,
    status::{Answer, Status},
};

/// One half of `CUDA_MEMCPY2D`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Half {
    x: usize,
    y: usize,
    kind: c_int,
    host: u64,
    device: u64,
    array: u64,
    pitch: usize,
}

/// `CUDA_MEMCPY2D`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Copy2d {
    source: Half,
    target: Half,
    width: usize,
    height: usize,
}

interface! {
    /// Copies to the device.
    fn cuMemcpyHtoD_v2(target: u64, source: u64, bytes: usize) |driver| {
        let copy = linear(host(driver, source), Side::Device(target), bytes);
        waited(driver, copy)
    };

    /// Copies to the host.
    fn cuMemcpyDtoH_v2(target: u64, source: u64, bytes: usize) |driver| {
        let copy = linear(Side::Device(source), host(driver, target), bytes);
        waited(driver, copy)
    };

    /// Copies on the device.
    fn cuMemcpyDtoD_v2(target: u64, source: u64, bytes: usize) |driver| {
        waited(driver, linear(Side::Device(source), Side::Device(target), bytes))
    };

    /// Copies to the device in the order of a stream.
    fn cuMemcpyHtoDAsync_v2(target: u64, source: u64, bytes: usize, stream: Handle) |driver| {
        let copy = linear(host(driver, source), Side::Device(target), bytes);
        ordered(driver, copy, stream)
    };

    /// Copies to the host in the order of a stream.
    fn cuMemcpyDtoHAsync_v2(target: u64, source: u64, bytes: usize, stream: Handle) |driver| {
        let copy = linear(Side::Device(source), host(driver, target), bytes);
        ordered(driver, copy, stream)
    };

    /// Copies on the device in the order of a stream.
    fn cuMemcpyDtoDAsync_v2(target: u64, source: u64, bytes: usize, stream: Handle) |driver| {
        ordered(driver, linear(Side::Device(source), Side::Device(target), bytes), stream)
    };

    /// Copies between any addresses.
    fn cuMemcpy(target: u64, source: u64, bytes: usize) |driver| {
        let copy = linear(anywhere(driver, source), anywhere(driver, target), bytes);
        waited(driver, copy)
    };

    /// Copies between any addresses in the order of a stream.
    fn cuMemcpyAsync(target: u64, source: u64, bytes: usize, stream: Handle) |driver| {
        let copy = linear(anywhere(driver, source), anywhere(driver, target), bytes);
        ordered(driver, copy, stream)
    };

    /// Copies between devices.
    fn cuMemcpyPeer(target: u64, _to: Handle, source: u64, _from: Handle, bytes: usize) |driver| {
        waited(driver, linear(Side::Device(source), Side::Device(target), bytes))
    };

    /// Copies between devices in the order of a stream.
    fn cuMemcpyPeerAsync(target: u64, _to: Handle, source: u64, _from: Handle, bytes: usize, stream: Handle) |driver| {
        ordered(driver, linear(Side::Device(source), Side::Device(target), bytes), stream)
    };

    /// Copies rows.
    fn cuMemcpy2D_v2(copy: In<Copy2d>) |driver| {
        let copy = rows(driver, copy.get()?)?;
        waited(driver, copy)
    };

    /// Copies rows of any alignment.
    fn cuMemcpy2DUnaligned_v2(copy: In<Copy2d>) |driver| {
        let copy = rows(driver, copy.get()?)?;
        waited(driver, copy)
    };

    /// Copies rows in the order of a stream.
    fn cuMemcpy2DAsync_v2(copy: In<Copy2d>, stream: Handle) |driver| {
        let copy = rows(driver, copy.get()?)?;
        ordered(driver, copy, stream)
    };

    /// Fills bytes.
    fn cuMemsetD8_v2(address: u64, value: u8, count: usize) |driver| fill_now(driver, address, &[value], count);

    /// Fills 16-bit numbers.
    fn cuMemsetD16_v2(address: u64, value: u16, count: usize) |driver| {
        fill_now(driver, address, &value.to_ne_bytes(), count)
    };

    /// Fills 32-bit numbers.
    fn cuMemsetD32_v2(address: u64, value: c_uint, count: usize) |driver| {
        fill_now(driver, address, &value.to_ne_bytes(), count)
    };

    /// Fills bytes in the order of a stream.
    fn cuMemsetD8Async(address: u64, value: u8, count: usize, stream: Handle) |driver| {
        fill(driver, address, 0, &[value], [count, 1], stream)
    };

    /// Fills 16-bit numbers in the order of a stream.
    fn cuMemsetD16Async(address: u64, value: u16, count: usize, stream: Handle) |driver| {
        fill(driver, address, 0, &value.to_ne_bytes(), [count, 1], stream)
    };

    /// Fills 32-bit numbers in the order of a stream.
    fn cuMemsetD32Async(address: u64, value: c_uint, count: usize, stream: Handle) |driver| {
        fill(driver, address, 0, &value.to_ne_bytes(), [count, 1], stream)
    };

    /// Fills rows of bytes in the order of a stream.
    fn cuMemsetD2D8Async(address: u64, pitch: usize, value: u8, width: usize, height: usize, stream: Handle) |driver| {
        fill(driver, address, pitch, &[value], [width, height], stream)
    };

    /// Fills rows of 32-bit numbers in the order of a stream.
    fn cuMemsetD2D32Async(address: u64, pitch: usize, value: c_uint, width: usize, height: usize, stream: Handle) |driver| {
        fill(driver, address, pitch, &value.to_ne_bytes(), [width, height], stream)
    };
}

fn host(driver: &Driver, address: u64) -> Side {
    Side::Host(address, driver.is_pinned(address))
}

fn anywhere(driver: &Driver, address: u64) -> Side {
    match regions::is_device(address) {
        true => Side::Device(address),
        false => host(driver, address),
    }
}

fn linear(source: Side, target: Side, bytes: usize) -> Copy {
    let bytes = bytes as u64;
    Copy {
        source: (source, bytes),
        target: (target, bytes),
        width: bytes,
        height: 1,
    }
}

fn rows(driver: &Driver, copy: Copy2d) -> Answer<Copy> {
    let side = |half: Half| {
        let offset = (half.y * half.pitch + half.x) as u64;
        let side = match half.kind {
            1 => host(driver, half.host + offset),
            2 => Side::Device(half.device + offset),
            4 => anywhere(driver, half.device + offset),
            _ => return Err(Status::INVALID_VALUE),
        };
        let pitch = match half.pitch {
            0 => copy.width,
            pitch => pitch,
        };
        if pitch < copy.width && copy.height > 1 {
            return Err(Status::INVALID_VALUE);
        }
        Ok((side, pitch as u64))
    };
    Ok(Copy {
        source: side(copy.source)?,
        target: side(copy.target)?,
        width: copy.width as u64,
        height: copy.height as u64,
    })
}

/// Copies in the order of a stream. The driver takes pageable memory before it returns, and waits
/// for a download to it.
fn ordered(driver: &mut Driver, mut copy: Copy, stream: Handle) -> Answer {
    let stream = driver.stream(stream)?;
    let capturing = driver.streams.get(stream)?.capture.is_some();
    if let (Side::Host(address, false), true, false) =
        (&copy.source.0, driver.settings.late, capturing)
    {
        let span = copy.source.1 * copy.height.saturating_sub(1) + copy.width;
        let bytes = In::<u8>::at_address(*address).bytes(span as usize)?;
        copy.source.0 = Side::Staged(bytes.into());
    }
    let waits = matches!(copy.target.0, Side::Host(_, false)) && !capturing;
    driver.submit(stream, Work::Copy(copy))?;
    if waits {
        driver.run(stream, u64::MAX)?;
        let device = driver.device_of(stream)?;
        driver.counts(device).waiting_copies += 1;
        let context = driver.streams.get(stream)?.context;
        driver.learn_failures(context)?;
    }
    Ok(())
}

/// Copies, after all work of the context, and waits.
fn waited(driver: &mut Driver, copy: Copy) -> Answer {
    let on_device = matches!(
        (&copy.source.0, &copy.target.0),
        (Side::Device(_), Side::Device(_))
    );
    let stream = driver.before_synchronous_call()?;
    driver.submit(stream, Work::Copy(copy))?;
    driver.run(stream, u64::MAX)?;
    if on_device {
        return Ok(());
    }
    let device = driver.device_of(stream)?;
    driver.counts(device).waiting_copies += 1;
    let context = driver.streams.get(stream)?.context;
    driver.learn_failures(context)
}

fn fill(
    driver: &mut Driver,
    address: u64,
    pitch: usize,
    pattern: &[u8],
    [width, height]: [usize; 2],
    stream: Handle,
) -> Answer {
    if !address.is_multiple_of(pattern.len() as u64) {
        return Err(Status::INVALID_VALUE);
    }
    let stream = driver.stream(stream)?;
    let fill = Fill {
        address,
        pitch: pitch as u64,
        pattern: pattern.to_vec(),
        width: width as u64,
        height: height as u64,
    };
    driver.submit(stream, Work::Fill(fill))
}

fn fill_now(driver: &mut Driver, address: u64, pattern: &[u8], count: usize) -> Answer {
    driver.before_synchronous_call()?;
    fill(driver, address, 0, pattern, [count, 1], Handle::NULL)
}
