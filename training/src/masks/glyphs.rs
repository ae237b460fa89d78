//! Strokes that look like letters, without a font.

use rand::RngExt;
use tiny_skia::{LineCap, LineJoin, PathBuilder, Stroke, Transform};

use super::canvas::Canvas;
use crate::random::Random;

/// Columns and rows of the points that letters are made of, minus one.
const GRID: (u32, u32) = (2, 4);
/// Width of a letter and distance of two, in heights.
const WIDTH: f32 = 0.5;
const ADVANCE: f32 = 0.75;
/// One letter in this many is a space.
const SPACES: f64 = 1.0 / 6.0;

/// Letters in a line that begins at the origin, to be moved and turned by `place`.
pub(super) struct Line {
    /// The height of the letters.
    pub height: f32,
    /// The largest length of the line.
    pub length: f32,
    /// Where the line goes.
    pub place: Transform,
}

impl Line {
    /// Draws random letters as strokes of a sixth of their height; the first one is no space.
    pub fn draw(&self, canvas: &mut Canvas, random: &mut Random) {
        let stroke = Stroke {
            width: self.height / 6.0,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        let letters = (self.length / (ADVANCE * self.height)).max(1.0) as usize;
        let mut path = PathBuilder::new();
        for letter in 0..letters {
            if letter > 0 && random.random_bool(SPACES) {
                continue;
            }
            let left = letter as f32 * ADVANCE * self.height;
            for stroke in 0..random.random_range(1..=2) {
                for point in 0..random.random_range(3..=4) {
                    let mut along =
                        |steps: u32| random.random_range(0..=steps) as f32 / steps as f32;
                    let x = left + WIDTH * self.height * along(GRID.0);
                    let y = self.height * along(GRID.1);
                    match (stroke, point) {
                        // No letter is a single point.
                        (0, 0) => path.move_to(left, self.height),
                        (0, 1) => path.line_to(left + WIDTH * self.height * along(GRID.0), 0.0),
                        (_, 0) => path.move_to(x, y),
                        _ => path.line_to(x, y),
                    }
                }
            }
        }
        let path = path.finish().and_then(|path| path.transform(self.place));
        canvas.stroke(path, &stroke);
    }
}
