//! Frames in the memory of the GPU that the networks compute on. Their bytes come to the host only when
//! somebody asks for them.

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use super::Mask;
use crate::Rect;

/// Memory of a device for the samples of one frame.
pub trait DeviceMemory: fmt::Debug + Send + Sync {
    /// Returns the address on the device.
    fn address(&self) -> u64;

    /// Copies every `step`-th pixel of every `step`-th row of a part of a frame of `size` (rows, columns)
    /// to the host, as RGB bytes.
    ///
    /// # Errors
    /// What the device says.
    fn rgb(
        &self,
        samples: &Samples,
        size: [usize; 2],
        part: &Rect,
        step: usize,
    ) -> Result<Vec<u8>, String>;

    /// Returns the memory as what made it knows it.
    fn as_any(&self) -> &dyn Any;
}

/// Makes [`DeviceMemory`].
pub trait DeviceStore: fmt::Debug + Send + Sync {
    /// Returns memory for `bytes` bytes, which no work of the device uses any more; `None` if there is too
    /// little.
    fn take(&self, bytes: usize) -> Option<Box<dyn DeviceMemory>>;
}

/// How samples lie in memory, without padding, and become RGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// Pixels of `step` bytes, with red, green and blue at these offsets.
    Packed {
        /// Bytes of a pixel.
        step: usize,
        /// Offsets of red, green and blue.
        rgb: [usize; 3],
    },
    /// Luma, then pairs of chroma, each of which two by two pixels share.
    SemiPlanar {
        /// Bytes of a sample, 1 or 2; the lower one comes first.
        bytes: usize,
        /// Bits below the sample.
        shift: usize,
        /// The conversion.
        matrix: YuvMatrix,
    },
}

/// The conversion of YUV to RGB, with factors of 16 fractional bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct YuvMatrix {
    /// Luma of black.
    pub luma_offset: i32,
    /// Factor of luma.
    pub luma_gain: i32,
    /// Chroma of gray.
    pub gray: i32,
    /// Factor of V in red.
    pub red_from_v: i32,
    /// Factor of U in green.
    pub green_from_u: i32,
    /// Factor of V in green.
    pub green_from_v: i32,
    /// Factor of U in blue.
    pub blue_from_u: i32,
}

/// The samples of a frame on a device, complete.
#[derive(Debug)]
pub struct DevicePixels {
    /// The memory that holds them.
    pub memory: Box<dyn DeviceMemory>,
    /// How they lie there.
    pub samples: Samples,
    /// Rows and columns.
    pub size: [usize; 2],
}

impl DevicePixels {
    /// Describes the frame of `size` (rows, columns) in `memory`.
    pub fn new(memory: Box<dyn DeviceMemory>, samples: Samples, size: [usize; 2]) -> Self {
        Self {
            memory,
            samples,
            size,
        }
    }
}

/// Other pixels in the hole of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// The hole.
    pub hole: Mask,
    /// The bounding box of the hole.
    pub area: Rect,
    /// The RGB bytes of the area. Those outside the hole mean nothing.
    pub rgb: Vec<u8>,
}

impl Overlay {
    /// Returns where a rectangle of a part of the frame, within the overlay's area, lies in the area.
    fn within(&self, inner: &Rect, part: &Rect) -> Rect {
        let part = [part.rows.start, part.columns.start];
        let area = [self.area.rows.start, self.area.columns.start];
        match inner.is_empty() {
            true => Rect::default(),
            false => inner.map(|range, axis| {
                range.start + part[axis] - area[axis]..range.end + part[axis] - area[axis]
            }),
        }
    }
}

/// A part of a frame on a device, with other pixels in a hole if there is an overlay.
#[derive(Clone, Debug)]
pub struct DeviceFrame {
    /// The frame.
    pub pixels: Arc<DevicePixels>,
    /// The part of it.
    pub part: Rect,
    /// The other pixels.
    pub overlay: Option<Overlay>,
    /// All together on the host, once somebody has asked for them.
    joined: OnceLock<Vec<u8>>,
}

impl DeviceFrame {
    /// Returns a part of the frame in `pixels` with this overlay.
    pub fn new(pixels: Arc<DevicePixels>, part: Rect, overlay: Option<Overlay>) -> Self {
        Self {
            pixels,
            part,
            overlay,
            joined: OnceLock::new(),
        }
    }

    /// Returns the RGB bytes; copies them to the host if they are not there yet.
    pub fn rgb(&self) -> &[u8] {
        self.joined.get_or_init(|| {
            let mut joined = self.sampled(1);
            let Some(Overlay { hole, area, rgb }) = &self.overlay else {
                return joined;
            };
            let width = hole.width();
            let lines = rgb.chunks_exact(3 * area.columns.len().max(1));
            for (row, line) in area.rows.clone().zip(lines) {
                let first = row * width + area.columns.start;
                let holes = &hole.hole()[first..][..area.columns.len()];
                let out = joined[3 * first..].chunks_exact_mut(3);
                for ((out, pixel), &hole) in out.zip(line.chunks_exact(3)).zip(holes) {
                    if hole != 0 {
                        out.copy_from_slice(pixel);
                    }
                }
            }
            joined
        })
    }

    /// Returns the bytes of the overlay for writing; none without one.
    pub fn fill_mut(&mut self) -> &mut [u8] {
        self.joined = OnceLock::new();
        let fill = self.overlay.as_mut().map(|overlay| &mut overlay.rgb);
        fill.map(Vec::as_mut_slice).unwrap_or_default()
    }

    /// Copies every `step`-th pixel of every `step`-th row to the host, without the overlay.
    ///
    /// # Panics
    /// The device fails. Whoever calls an engine turns this into an error.
    pub fn sampled(&self, step: usize) -> Vec<u8> {
        let DevicePixels {
            memory,
            samples,
            size,
        } = &*self.pixels;
        let read = memory.rgb(samples, *size, &self.part, step);
        read.unwrap_or_else(|problem| panic!("a frame cannot be read: {problem}"))
    }

    /// Returns a part of this part.
    pub fn cut(&self, part: &Rect) -> Self {
        let [top, left] = [self.part.rows.start, self.part.columns.start];
        let whole = Rect::new([
            top + part.rows.start..top + part.rows.end,
            left + part.columns.start..left + part.columns.end,
        ]);
        let overlay = self.overlay.as_ref().map(|overlay| {
            let [height, width] = part.size();
            let hole = part.cut(overlay.hole.hole(), 1, overlay.hole.width());
            let hole = Mask::from_hole(width, height, hole);
            let area = hole.bounding_box();
            let inside = overlay.within(&area, part);
            Overlay {
                rgb: inside.cut(&overlay.rgb, 3, overlay.area.columns.len()),
                hole,
                area,
            }
        });
        Self::new(self.pixels.clone(), whole, overlay)
    }

    /// Returns the bytes that are on the host for this frame alone.
    #[cfg(feature = "networks")]
    pub fn host_bytes(&self) -> usize {
        self.overlay.as_ref().map_or(0, |overlay| overlay.rgb.len())
    }

    /// Returns whether both are the same; `None` if only their bytes can tell.
    pub fn is_same(&self, other: &Self) -> Option<bool> {
        let same = Arc::ptr_eq(&self.pixels, &other.pixels) && self.part == other.part;
        same.then(|| self.overlay == other.overlay)
    }
}
