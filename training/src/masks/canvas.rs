//! Shapes on a canvas.

use tiny_skia::{FillRule, Mask, Path, PathBuilder, Rect, Stroke, Transform};

/// A canvas of shades from 0 to 255, on which shapes are drawn antialiased.
pub(super) struct Canvas {
    mask: Mask,
}

impl Canvas {
    /// Makes an empty canvas. Sides of 0 become 1.
    pub fn new(width: usize, height: usize) -> Self {
        let mask = Mask::new(width.max(1) as u32, height.max(1) as u32);
        Self {
            mask: mask.expect("a canvas that fits into memory"),
        }
    }

    /// Fills a path; one without an area draws nothing.
    pub fn fill(&mut self, path: Option<Path>) {
        if let Some(path) = path {
            self.mask
                .fill_path(&path, FillRule::Winding, true, Transform::identity());
        }
    }

    /// Draws the outline of a path.
    pub fn stroke(&mut self, path: Option<Path>, stroke: &Stroke) {
        self.fill(path.and_then(|path| path.stroke(stroke, 1.0)));
    }

    /// Fills a rectangle.
    pub fn rectangle(&mut self, x: f32, y: f32, width: f32, height: f32) {
        let rect = Rect::from_xywh(x, y, width, height);
        self.fill(rect.map(PathBuilder::from_rect));
    }

    /// Returns the width.
    pub fn width(&self) -> usize {
        self.mask.width() as usize
    }

    /// Returns the shades, row by row.
    pub fn shades(&self) -> &[u8] {
        self.mask.data()
    }

    /// Returns the shape of all pixels that were touched.
    pub fn touched(&self) -> Shape {
        let pixels = self.shades().iter().map(|&shade| u8::from(shade > 0));
        Shape {
            width: self.width(),
            pixels: pixels.collect(),
        }
    }
}

/// A shape: a picture of 0 and 1, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub width: usize,
    pub pixels: Vec<u8>,
}

impl Shape {
    /// Returns the height.
    pub fn height(&self) -> usize {
        self.pixels.len() / self.width.max(1)
    }

    /// Marks the shape's pixels in a frame, with its upper left corner at `row` and `column`. What
    /// lies outside of the frame is left out.
    pub fn place(&self, frame: &mut [u8], width: usize, row: i64, column: i64) {
        let height = (frame.len() / width) as i64;
        for (y, line) in self.pixels.chunks_exact(self.width).enumerate() {
            let y = row + y as i64;
            if !(0..height).contains(&y) {
                continue;
            }
            let target = &mut frame[y as usize * width..][..width];
            for (x, pixel) in line.iter().enumerate() {
                let x = column + x as i64;
                if *pixel > 0 && (0..width as i64).contains(&x) {
                    target[x as usize] = 1;
                }
            }
        }
    }
}
