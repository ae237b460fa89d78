//! Masked, filled and true frames side by side.

use image::{ExtendedColorType, ImageEncoder, ImageError, codecs::png::PngEncoder};
use propainter::{Frame, Mask};

use crate::data::Sample;

/// Most frames of a sample that are shown.
const FRAMES: usize = 3;
/// Pixels between two frames.
const GAP: usize = 2;
/// Grey of the hole.
const HOLE: u8 = 128;

/// A picture in RGB.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The width in pixels.
    pub width: usize,
    /// The height in pixels.
    pub height: usize,
    /// RGB of each pixel, row by row.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Returns a white picture.
    pub fn white(width: usize, height: usize) -> Self {
        let rgb = vec![255; 3 * width * height];
        Self { width, height, rgb }
    }

    /// Sets a pixel; outside the picture nothing happens.
    pub fn set(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.width && y < self.height {
            self.rgb[3 * (y * self.width + x)..][..3].copy_from_slice(&colour);
        }
    }

    /// Puts a frame with its upper left corner at a place.
    fn put(&mut self, x: usize, y: usize, frame: &Frame) {
        for (row, rgb) in frame.rgb().chunks_exact(3 * frame.width()).enumerate() {
            let at = 3 * ((y + row) * self.width + x);
            self.rgb[at..at + rgb.len()].copy_from_slice(rgb);
        }
    }

    /// Returns the picture as PNG.
    ///
    /// # Errors
    /// None that can happen: it is written to memory.
    pub fn png(&self) -> Result<Vec<u8>, ImageError> {
        let mut png = Vec::new();
        let (width, height) = (self.width as u32, self.height as u32);
        PngEncoder::new(&mut png).write_image(&self.rgb, width, height, ExtendedColorType::Rgb8)?;
        Ok(png)
    }
}

/// Returns a picture of a sample: a row for each of some local frames, with a grey hole, filled, and as
/// it is in truth.
pub fn side_by_side(sample: &Sample, filled: &[Frame]) -> Picture {
    let (width, height) = (sample.frames[0].width(), sample.frames[0].height());
    let local = sample.local.min(filled.len());
    let shown = FRAMES.min(local);
    let mut picture = Picture::white(
        3 * width + 2 * GAP,
        (shown * (height + GAP)).saturating_sub(GAP).max(1),
    );
    for row in 0..shown {
        // The middle frames of equal parts.
        let number = (2 * row + 1) * local / (2 * shown);
        let truth = &sample.frames[number];
        let masked = masked(truth, &sample.holes[number]);
        for (column, frame) in [&masked, &filled[number], truth].into_iter().enumerate() {
            picture.put(column * (width + GAP), row * (height + GAP), frame);
        }
    }
    picture
}

/// Returns a frame with a grey hole.
fn masked(frame: &Frame, hole: &Mask) -> Frame {
    let mut masked = frame.clone();
    for (pixel, &hole) in masked.rgb_mut().chunks_exact_mut(3).zip(hole.hole()) {
        if hole == 1 {
            pixel.fill(HOLE);
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_frames_and_columns_are_masked_filled_true() {
        let frame = |value| Frame::new(2, 1, vec![value; 6]);
        let mut hole = Mask::empty(2, 1);
        hole.add_rectangle(1, 0, 1, 1);
        let sample = Sample {
            clip: String::new(),
            frames: (0..5).map(frame).collect(),
            holes: vec![hole; 5],
            local: 5,
            flows: None,
        };
        let picture = side_by_side(&sample, &vec![frame(200); 5]);
        assert_eq!((picture.width, picture.height), (3 * 2 + 4, 3 + 2 * 2));
        let first: Vec<u8> = picture.rgb[..30].iter().step_by(3).copied().collect();
        assert_eq!(first, [0, 128, 255, 255, 200, 200, 255, 255, 0, 0]);
        // Frames 0, 2 and 4 of five.
        assert_eq!(picture.rgb[3 * 10 * (2 * (1 + GAP))], 4);
        assert!(picture.png().unwrap().starts_with(b"\x89PNG"));
    }
}
