//! NV12 on a device: planes come to the host to be read, and of what is filled only the rows
//! that have hole travel.

use std::ops::Range;

use propainter::Done;

use crate::propainter::video::{
    device::{DeviceCopies, Rows},
    error::BadPicture,
    layout::{Component, sample::Eight},
    planar::Yuv,
};

/// A picture's planes on the device, and where they lie in `host`.
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

    /// Luma's and chroma's share of these rows of the picture: on the device and on the host.
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
        copies: &dyn DeviceCopies,
        buffer: &gst::BufferRef,
        rows: &Range<usize>,
    ) -> Result<(), BadPicture> {
        for (part, host) in self.parts(rows) {
            copies
                .read(buffer, part, &mut self.bytes[host])
                .map_err(BadPicture)?;
        }
        Ok(())
    }
}

/// The picture as RGB.
pub fn read(
    yuv: &Yuv,
    copies: &dyn DeviceCopies,
    buffer: &gst::BufferRef,
    components: [Component; 3],
    height: usize,
    rgb: &mut [u8],
) -> Result<(), BadPicture> {
    let mut planes = Planes::new(components, height);
    planes.fetch(copies, buffer, &(0..height))?;
    yuv.read(Eight, &planes.bytes, planes.host, rgb);
    Ok(())
}

/// Writes what was filled, as on the host.
pub fn write(
    yuv: &Yuv,
    copies: &dyn DeviceCopies,
    buffer: &mut gst::BufferRef,
    components: [Component; 3],
    done: &Done,
) -> Result<(), BadPicture> {
    let rows = done.hole.area().rows;
    if rows.is_empty() {
        return Ok(());
    }
    let mut planes = Planes::new(components, done.hole.height());
    planes.fetch(copies, buffer, &rows)?;
    yuv.write(Eight, &mut planes.bytes, planes.host, done);
    for (part, host) in planes.parts(&rows) {
        copies
            .write(buffer, part, &planes.bytes[host])
            .map_err(BadPicture)?;
    }
    Ok(())
}
