//! Luma pyramids with a margin, and which of their pixels may be looked at.

use crate::{Frame, Mask};

/// Pixels around every plane, so that a patch may hang over the picture's edge.
pub const MARGIN: usize = 16;

/// One level: luma and validity (1 where the picture is known, 0 in the hole and the margin),
/// both `stride × (height + 2·MARGIN)` bytes.
pub struct Level {
    pub width: usize,
    pub height: usize,
    pub stride: usize,
    pub luma: Vec<u8>,
    pub valid: Vec<u8>,
}

impl Level {
    fn new(width: usize, height: usize) -> Self {
        let stride = width + 2 * MARGIN;
        let bytes = stride * (height + 2 * MARGIN);
        Self {
            width,
            height,
            stride,
            luma: vec![0; bytes],
            valid: vec![0; bytes],
        }
    }

    /// Where pixel (x, y) lies; both may reach `MARGIN` beyond the picture.
    pub fn offset(&self, x: isize, y: isize) -> usize {
        let margin = MARGIN as isize;
        debug_assert!(x >= -margin && y >= -margin);
        (y + margin) as usize * self.stride + (x + margin) as usize
    }

    fn of(frame: &Frame, hole: Option<&Mask>) -> Self {
        let mut level = Self::new(frame.width(), frame.height());
        let width = level.width;
        for (y, rgb) in frame.rgb().chunks_exact(3 * width).enumerate() {
            let start = level.offset(0, y as isize);
            let luma = &mut level.luma[start..start + width];
            for (out, rgb) in luma.iter_mut().zip(rgb.chunks_exact(3)) {
                let sum = 77 * u32::from(rgb[0]) + 150 * u32::from(rgb[1]) + 29 * u32::from(rgb[2]);
                *out = ((sum + 128) >> 8) as u8;
            }
            let valid = &mut level.valid[start..start + width];
            match hole {
                Some(hole) => {
                    let hole = &hole.hole()[y * width..][..width];
                    let pairs = valid.iter_mut().zip(hole);
                    pairs.for_each(|(valid, hole)| *valid = 1 - hole);
                }
                None => valid.fill(1),
            }
        }
        level
    }

    /// Half the size: means over the known ones of four pixels; known where two are.
    fn halved(&self) -> Self {
        let mut half = Self::new(self.width.div_ceil(2), self.height.div_ceil(2));
        for y in 0..half.height {
            let top = self.offset(0, 2 * y as isize);
            let bottom = top + self.stride;
            let start = half.offset(0, y as isize);
            let width = half.width;
            let rows = [
                (&self.luma[top..], &self.valid[top..]),
                (&self.luma[bottom..], &self.valid[bottom..]),
            ]
            .map(|(luma, valid)| luma[..2 * width].chunks_exact(2).zip(valid.chunks_exact(2)));
            let [above, below] = rows;
            let luma = &mut half.luma[start..start + width];
            let valid = &mut half.valid[start..start + width];
            for (((above, below), luma), valid) in above.zip(below).zip(luma).zip(valid) {
                let l = [above.0[0], above.0[1], below.0[0], below.0[1]].map(u32::from);
                let v = [above.1[0], above.1[1], below.1[0], below.1[1]].map(u32::from);
                let known: u32 = v.iter().sum();
                let sum: u32 = l.iter().zip(v).map(|(l, v)| l * v).sum();
                *luma = match known {
                    4 => (sum + 2) >> 2,
                    0 => 0,
                    n => (sum + n / 2) / n,
                } as u8;
                *valid = u8::from(known >= 2);
            }
        }
        half
    }
}

/// A frame's luma, finest level first.
pub struct Pyramid(pub Vec<Level>);

impl Pyramid {
    /// Halves until the next level's shorter side would be under 24 pixels.
    pub fn new(frame: &Frame, hole: Option<&Mask>) -> Self {
        let mut levels = vec![Level::of(frame, hole)];
        while let Some(last) = levels.last()
            && last.width.min(last.height) >= 48
        {
            levels.push(last.halved());
        }
        Self(levels)
    }

    pub fn finest(&self) -> &Level {
        &self.0[0]
    }

    /// Keeps the finest level only.
    pub fn shrink(&mut self) {
        self.0.truncate(1);
    }
}
