//! Packed RGB whose channels are bytes.

use propainter::InpaintedFrame;

use crate::propainter::video::{hole_rows::holes, layout::Component};

/// Reads pixels of `STEP` bytes with red, green and blue at these offsets.
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

/// Copies pixels that are RGB already; see [`read`].
pub fn copy(bytes: &[u8], pixels: Component, rgb: &mut [u8]) {
    for (y, out) in rgb.chunks_exact_mut(3 * pixels.columns).enumerate() {
        out.copy_from_slice(&bytes[pixels.row(y)]);
    }
}

/// Writes the pixels that lie in the hole. A pixel has `step` bytes; `order` has the offsets of red,
/// green and blue.
pub fn write(
    bytes: &mut [u8],
    pixels: Component,
    (step, order): (usize, [usize; 3]),
    done: &InpaintedFrame,
) {
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
