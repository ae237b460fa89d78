//! Frames and masks, the input and output of a session. Copies share their pixels until one of them is
//! changed.

pub mod device;
mod fill;

use std::sync::Arc;

use self::device::{DeviceFrame, DevicePixels, Overlay};
use crate::Rect;

/// An 8-bit RGB image, rows from top to bottom, pixels interleaved, without padding.
#[derive(Clone, Debug)]
pub struct Frame {
    width: usize,
    height: usize,
    pixels: Arc<Pixels>,
}

/// Where the pixels of a frame are.
#[derive(Clone, Debug)]
enum Pixels {
    Host(Vec<u8>),
    Device(DeviceFrame),
}

impl Frame {
    /// Wraps `rgb`, which holds `3·width·height` bytes.
    ///
    /// # Panics
    /// If the length does not fit the size, or a side is zero.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        assert!(width > 0 && height > 0, "a frame has at least one pixel");
        assert_eq!(rgb.len(), 3 * width * height, "RGB bytes of a frame");
        Self {
            width,
            height,
            pixels: Arc::new(Pixels::Host(rgb)),
        }
    }

    /// Wraps a frame in the memory of the GPU that the networks compute on. Its bytes come to the host
    /// only if something needs them there.
    #[doc(hidden)]
    pub fn on_device(pixels: Arc<DevicePixels>) -> Self {
        let [height, width] = pixels.size;
        Self {
            width,
            height,
            pixels: Arc::new(Pixels::Device(DeviceFrame::new(
                pixels,
                Rect::whole([height, width]),
                None,
            ))),
        }
    }

    /// Returns the width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the RGB bytes, row by row.
    pub fn rgb(&self) -> &[u8] {
        match &*self.pixels {
            Pixels::Host(rgb) => rgb,
            Pixels::Device(frame) => frame.rgb(),
        }
    }

    /// Returns the RGB bytes for writing; copies them first if another frame shares them.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        if let Pixels::Device(frame) = &*self.pixels {
            self.pixels = Arc::new(Pixels::Host(frame.rgb().to_vec()));
        }
        match Arc::make_mut(&mut self.pixels) {
            Pixels::Host(rgb) => rgb,
            Pixels::Device(_) => unreachable!("it is on the host now"),
        }
    }

    /// Returns the frame if it lies in the memory of a GPU.
    pub(crate) fn device(&self) -> Option<&DeviceFrame> {
        match &*self.pixels {
            Pixels::Host(_) => None,
            Pixels::Device(frame) => Some(frame),
        }
    }

    /// Returns a part of the frame.
    pub(crate) fn cut(&self, part: &Rect) -> Self {
        let [height, width] = part.size();
        let pixels = match &*self.pixels {
            Pixels::Host(rgb) => Pixels::Host(part.cut(rgb, 3, self.width)),
            Pixels::Device(frame) => Pixels::Device(frame.cut(part)),
        };
        Self {
            width,
            height,
            pixels: Arc::new(pixels),
        }
    }

    /// Returns the RGB bytes of a part. Of a frame in the memory of a GPU only those of a fill are valid.
    #[doc(hidden)]
    pub fn fill_in(&self, part: &Rect) -> Vec<u8> {
        let frame = match &*self.pixels {
            Pixels::Host(rgb) => return part.cut(rgb, 3, self.width),
            Pixels::Device(frame) => frame,
        };
        let mut out = vec![0; 3 * part.pixels()];
        if let Some(Overlay { area, rgb, .. }) = &frame.overlay {
            let both = part.intersection(area);
            let within = |outer: &Rect| {
                let from = [outer.rows.start, outer.columns.start];
                both.map(|range, axis| range.start - from[axis]..range.end - from[axis])
            };
            if !both.is_empty() {
                let bytes = within(area).cut(rgb, 3, area.columns.len());
                within(part).paste(&bytes, &mut out, 3, part.columns.len());
            }
        }
        out
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        if (self.width, self.height) != (other.width, other.height) {
            return false;
        }
        let on_device = self.device().zip(other.device());
        let same = on_device.and_then(|(one, other)| one.is_same(other));
        same.unwrap_or_else(|| self.rgb() == other.rgb())
    }
}

impl Eq for Frame {}

/// A mask of the pixels to fill (the hole): one byte per pixel, 1 in the hole, 0 elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width: usize,
    height: usize,
    hole: Arc<Vec<u8>>,
}

impl Mask {
    /// Converts luma to a mask: every value that is not zero is in the hole (spec section 7,
    /// step 1).
    ///
    /// # Panics
    /// If the length does not fit the size, or a side is zero.
    pub fn from_luma(width: usize, height: usize, mut luma: Vec<u8>) -> Self {
        assert!(width > 0 && height > 0, "a mask has at least one pixel");
        assert_eq!(luma.len(), width * height, "bytes of a mask");
        for value in &mut luma {
            *value = u8::from(*value != 0);
        }
        Self {
            width,
            height,
            hole: Arc::new(luma),
        }
    }

    /// Returns a mask without a hole.
    ///
    /// # Panics
    /// If a side is zero.
    pub fn empty(width: usize, height: usize) -> Self {
        assert!(width > 0 && height > 0, "a mask has at least one pixel");
        Self::from_hole(width, height, vec![0; width * height])
    }

    /// Wraps mask pixels that are 1 in the hole and 0 elsewhere, without reading them.
    pub(crate) fn from_hole(width: usize, height: usize, hole: Vec<u8>) -> Self {
        debug_assert!(hole.len() == width * height && hole.iter().all(|&hole| hole < 2));
        Self {
            width,
            height,
            hole: Arc::new(hole),
        }
    }

    /// Returns the width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the mask pixels row by row: 1 in the hole, 0 elsewhere.
    pub fn hole(&self) -> &[u8] {
        &self.hole
    }

    /// Returns whether the mask has no hole.
    pub fn is_empty(&self) -> bool {
        self.hole.iter().all(|&hole| hole == 0)
    }

    /// Returns the bounding box of the hole, empty if there is none.
    pub fn bounding_box(&self) -> Rect {
        let rows = self.hole.chunks_exact(self.width).enumerate();
        // Searching whole rows is faster than testing pixels one by one.
        let rows = rows.filter(|(_, hole)| hole.contains(&1));
        let areas = rows.filter_map(|(row, hole)| {
            let first = hole.iter().position(|&hole| hole == 1)?;
            let last = hole.iter().rposition(|&hole| hole == 1)?;
            Some(Rect::new([row..row + 1, first..last + 1]))
        });
        areas.fold(Rect::default(), |all, area| all.union(&area))
    }

    /// Adds a rectangle to the hole, clipped to the frame.
    pub fn add_rectangle(&mut self, x: i64, y: i64, width: u64, height: u64) {
        let span = |start: i64, length: u64, limit: usize| {
            let end = i128::from(start) + i128::from(length);
            let start = i128::from(start).clamp(0, limit as i128) as usize;
            start..(end.clamp(0, limit as i128) as usize).max(start)
        };
        let columns = span(x, width, self.width);
        let hole = Arc::make_mut(&mut self.hole);
        for row in span(y, height, self.height) {
            hole[row * self.width..][columns.clone()].fill(1);
        }
    }

    /// Adds the hole of another mask of the same size.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn union(&mut self, other: &Mask) {
        assert_eq!((self.width, self.height), (other.width, other.height));
        let hole = Arc::make_mut(&mut self.hole).iter_mut();
        for (hole, more) in hole.zip(other.hole.iter()) {
            *hole |= more;
        }
    }

    /// Scales the mask by nearest neighbour, as Pillow's `NEAREST` does (pixel centres).
    pub fn resized(&self, width: usize, height: usize) -> Mask {
        let pick = |to: usize, from: usize, i: usize| ((2 * i + 1) * from / (2 * to)).min(from - 1);
        let columns: Vec<usize> = (0..width).map(|x| pick(width, self.width, x)).collect();
        let mut hole = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = &self.hole[pick(height, self.height, y) * self.width..][..self.width];
            hole.extend(columns.iter().map(|&x| row[x]));
        }
        Mask {
            width,
            height,
            hole: Arc::new(hole),
        }
    }

    /// Dilates the hole with a cross-shaped structuring element, `iterations` times (spec section
    /// 7, step 2). Pixels outside the frame do not belong to the hole.
    pub fn dilated(&self, iterations: usize) -> Mask {
        let (width, height) = (self.width, self.height);
        let hole = self.bounding_box();
        if hole.is_empty() {
            return self.clone();
        }
        // Pixels farther away do not change.
        let area = hole.grown(iterations, [height, width]);
        // The cross iterated k times is the city-block ball of radius k, so one two-pass
        // distance transform replaces k passes.
        let limit = iterations.min(width + height) as u32;
        let mut distance = Vec::with_capacity(area.pixels());
        for row in area.rows.clone() {
            let row = &self.hole[row * width..][area.columns.clone()];
            distance.extend(
                row.iter()
                    .map(|&hole| if hole == 1 { 0 } else { limit + 1 }),
            );
        }
        city_block(&mut distance, area.columns.len());
        let mut hole = vec![0; width * height];
        let rows = distance.chunks_exact(area.columns.len());
        for (row, distance) in area.rows.zip(rows) {
            let hole = &mut hole[row * width..][area.columns.clone()];
            for (hole, &distance) in hole.iter_mut().zip(distance) {
                *hole = u8::from(distance <= limit);
            }
        }
        Mask {
            width,
            height,
            hole: Arc::new(hole),
        }
    }
}

/// Lowers each cell of an image of this width to the minimum, over all cells, of their value plus
/// the city-block distance to them.
pub(crate) fn city_block(distance: &mut [u32], width: usize) {
    let cells = distance.len();
    for i in 0..cells {
        if i % width > 0 {
            distance[i] = distance[i].min(distance[i - 1] + 1);
        }
        if i >= width {
            distance[i] = distance[i].min(distance[i - width] + 1);
        }
    }
    for i in (0..cells).rev() {
        if i % width + 1 < width {
            distance[i] = distance[i].min(distance[i + 1] + 1);
        }
        if i + width < cells {
            distance[i] = distance[i].min(distance[i + width] + 1);
        }
    }
}

/// An inpainted frame, which is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InpaintedFrame {
    /// The inpainted frame, at the size that was pushed with the border around it if there is one;
    /// equal to the source outside the hole.
    pub frame: Frame,
    /// The dilated hole and the border, at the same size: only their pixels may differ from the
    /// source.
    pub hole: Mask,
}
