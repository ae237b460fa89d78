//! RGB pixels whose channels are bytes beside each other.

use propainter::Done;

use crate::propainter::video::{hole_rows::holes, layout::Component};

/// A pixel is `STEP` bytes, its red, green and blue at these of them.
pub fn read<const STEP: usize>(
    bytes: &[u8],
    pixels: Component,
    [red, green, blue]: [usize; 3],
    rgb: &mut [u8],
) {
    for (y, out) in rgb.chunks_exact_mut(3 * pixels.columns).enumerate() {
        let (row, _) = bytes[pixels.row(y)].as_chunks::<STEP>();
        for (pixel, out) in row.iter().zip(out.as_chunks_mut::<3>().0) {
            *out = [pixel[red], pixel[green], pixel[blue]];
        }
    }
}

/// [`read`] where pixels are RGB already.
pub fn copy(bytes: &[u8], pixels: Component, rgb: &mut [u8]) {
    for (y, out) in rgb.chunks_exact_mut(3 * pixels.columns).enumerate() {
        out.copy_from_slice(&bytes[pixels.row(y)]);
    }
}

pub fn write(bytes: &mut [u8], pixels: Component, (step, order): (usize, [usize; 3]), done: &Done) {
    for (y, columns, fill, hole) in holes(done) {
        let row = &mut bytes[pixels.row(y)][step * columns.start..step * columns.end];
        let row = row.chunks_exact_mut(step);
        for (pixel, (fill, _)) in row
            .zip(fill.iter().zip(hole))
            .filter(|(_, (_, h))| **h == 1)
        {
            for (&at, &value) in order.iter().zip(fill) {
                pixel[at] = value;
            }
        }
    }
}
