//! NV12 on a device: whole planes are copied to the host for reading; for writing only the rows of
//! the hole are copied.

use std::ops::Range;

use propainter::InpaintedFrame;

use crate::propainter::video::{
    device::transfer::{DeviceTransfer, Rows},
    layout::{Component, error::InvalidBuffer, sample::ByteSample},
    planar::Yuv,
};

/// The planes of a frame: on the device, and in `bytes` on the host.
struct Planes {
    device: [Component; 3],
    host: [Component; 3],
    bytes: Vec<u8>,
}

impl Planes {
    fn new(device: [Component; 3], height: usize) -> Self {
        let [mut luma, mut u, mut v] = device;
        let width = |component: Component| component.columns * component.step;
        (luma.plane, luma.stride) = (0, width(luma));
        for chroma in [&mut u, &mut v] {
            (chroma.plane, chroma.stride) = (luma.stride * height, width(*chroma));
        }
        let bytes = vec![0; luma.stride * height + u.stride * height.div_ceil(2)];
        Self {
            device,
            host: [luma, u, v],
            bytes,
        }
    }

    /// Returns the rows of luma and of chroma that belong to these rows of the frame: on the device
    /// and on the host.
    fn parts(&self, rows: &Range<usize>) -> [(Rows, Range<usize>); 2] {
        let chroma = rows.start / 2..rows.end.div_ceil(2);
        [(0, rows.clone()), (1, chroma)].map(|(component, rows)| {
            let (device, host) = (self.device[component], self.host[component]);
            let part = Rows {
                start: device.plane + rows.start * device.stride,
                stride: device.stride,
                width: host.stride,
                count: rows.len(),
            };
            let first = host.plane + rows.start * host.stride;
            (part, first..first + rows.len() * host.stride)
        })
    }

    fn fetch(
        &mut self,
        transfer: &dyn DeviceTransfer,
        buffer: &gst::BufferRef,
        rows: &Range<usize>,
    ) -> Result<(), InvalidBuffer> {
        for (part, host) in self.parts(rows) {
            transfer
                .read(buffer, part, &mut self.bytes[host])
                .map_err(InvalidBuffer)?;
        }
        Ok(())
    }
}

/// Reads a frame into RGB.
///
/// # Errors
/// The transfer fails.
pub fn read(
    yuv: &Yuv,
    transfer: &dyn DeviceTransfer,
    buffer: &gst::BufferRef,
    components: [Component; 3],
    height: usize,
    rgb: &mut [u8],
) -> Result<(), InvalidBuffer> {
    let mut planes = Planes::new(components, height);
    planes.fetch(transfer, buffer, &(0..height))?;
    yuv.read(ByteSample, &planes.bytes, planes.host, rgb);
    Ok(())
}

/// Writes the fill.
///
/// # Errors
/// The transfer fails.
pub fn write(
    yuv: &Yuv,
    transfer: &dyn DeviceTransfer,
    buffer: &mut gst::BufferRef,
    components: [Component; 3],
    done: &InpaintedFrame,
) -> Result<(), InvalidBuffer> {
    let rows = done.hole.area().rows;
    if rows.is_empty() {
        return Ok(());
    }
    let mut planes = Planes::new(components, done.hole.height());
    planes.fetch(transfer, buffer, &rows)?;
    yuv.write(ByteSample, &mut planes.bytes, planes.host, done);
    for (part, host) in planes.parts(&rows) {
        transfer
            .write(buffer, part, &planes.bytes[host])
            .map_err(InvalidBuffer)?;
    }
    Ok(())
}
