//! The random holes of the official training: a blob that stands still or wanders.

use rand::{RngExt, seq::IndexedRandom};
use tiny_skia::{PathBuilder, Stroke};

use super::{
    Holes,
    canvas::{Canvas, Shape},
    is_partial, motion,
};
use crate::random::Random;

/// The canvas, and where the axes lie on it: left, right, upper and lower side.
const CANVAS: (usize, usize) = (640, 480);
const AXES: [f64; 4] = [0.125, 0.9, 0.12, 0.89];
/// Width of the outline: two points.
const OUTLINE: f32 = 2.0 * 100.0 / 72.0;

/// Draws the holes of a clip of at least three pixels each way by the official rule.
pub fn official(random: &mut Random, width: usize, height: usize, frames: usize) -> Holes {
    let shape = shape(random, width, height);
    let ranges = [height - shape.height(), width - shape.width].map(|range| range as i64);
    let places = motion::wander(random, ranges, frames);
    let hole = |[row, column]: [i64; 2]| {
        let mut frame = vec![0; width * height];
        shape.place(&mut frame, width, row, column);
        frame
    };
    places.into_iter().map(hole).collect()
}

/// Draws a blob, cut to its bounding box. One that has no pixels, or nothing else, is drawn again.
fn shape(random: &mut Random, width: usize, height: usize) -> Shape {
    loop {
        let box_height = random.random_range(height / 3..height);
        let box_width = random.random_range(width / 3..width);
        let shape = cut(&resized(&blob(random), box_width, box_height));
        if is_partial(&shape.pixels) {
            return shape;
        }
    }
}

/// Draws the blob on the canvas: a closed chain of cubic Bézier curves.
fn blob(random: &mut Random) -> Canvas {
    let choose = |random: &mut Random, from: &[f64]| *from.choose(random).expect("a choice");
    let curves = choose(random, &[6.0, 7.0, 8.0]) as usize;
    let ragged = choose(random, &[0.6, 0.7, 0.8]);
    let last = 3 * curves;
    let mut point = |index: usize| {
        let angle = std::f64::consts::TAU * index as f64 / last as f64;
        let radius = 1.0 - ragged + 2.0 * ragged * random.random::<f64>();
        [radius * angle.cos(), radius * angle.sin()]
    };
    let mut points: Vec<_> = (0..=last).map(&mut point).collect();
    points[last] = points[0];
    let all = || points.iter().flatten().copied();
    let least = 1.1 * all().fold(f64::INFINITY, f64::min);
    let most = 1.1 * all().fold(f64::NEG_INFINITY, f64::max);
    let on_canvas = |&[x, y]: &[f64; 2]| {
        let [left, right, top, bottom] = AXES;
        let part = |at: f64| (at - least) / (most - least);
        let x = (left + (right - left) * part(x)) * CANVAS.0 as f64;
        let y = (bottom - (bottom - top) * part(y)) * CANVAS.1 as f64;
        (x as f32, y as f32)
    };
    let points: Vec<_> = points.iter().map(on_canvas).collect();
    let mut path = PathBuilder::new();
    path.move_to(points[0].0, points[0].1);
    for curve in points[1..].chunks_exact(3) {
        let [(ax, ay), (bx, by), (x, y)] = [curve[0], curve[1], curve[2]];
        path.cubic_to(ax, ay, bx, by, x, y);
    }
    let path = path.finish();
    let mut canvas = Canvas::new(CANVAS.0, CANVAS.1);
    canvas.fill(path.clone());
    let outline = Stroke {
        width: OUTLINE,
        ..Stroke::default()
    };
    canvas.stroke(path, &outline);
    canvas
}

/// Resizes bilinearly, pixel centre to pixel centre, without a filter. Only what stays exactly black
/// in eight bits belongs to the shape.
fn resized(canvas: &Canvas, width: usize, height: usize) -> Shape {
    let (from_width, shades) = (canvas.width(), canvas.shades());
    let from_height = shades.len() / from_width;
    let axis = |size: usize, from: usize| -> Vec<(usize, usize, f32)> {
        let scale = from as f32 / size as f32;
        let place = |at: usize| {
            let at = ((at as f32 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f32);
            let first = at as usize;
            (first, (first + 1).min(from - 1), at - first as f32)
        };
        (0..size).map(place).collect()
    };
    let columns = axis(width, from_width);
    let mut pixels = Vec::with_capacity(width * height);
    for (top, bottom, down) in axis(height, from_height) {
        let row = |row: usize| &shades[row * from_width..][..from_width];
        let (top, bottom) = (row(top), row(bottom));
        pixels.extend(columns.iter().map(|&(left, right, across)| {
            // Of what is drawn; the picture is black where that is 255.
            let mix =
                |row: &[u8]| f32::from(row[left]) * (1.0 - across) + f32::from(row[right]) * across;
            let shade = mix(top) * (1.0 - down) + mix(bottom) * down;
            u8::from(255.0 - shade < 0.5)
        }));
    }
    Shape { width, pixels }
}

/// Cuts a shape to its bounding box, without that box's last row and column.
fn cut(shape: &Shape) -> Shape {
    let rows = || shape.pixels.chunks_exact(shape.width);
    let filled = |row: &[u8]| row.contains(&1);
    let (Some(top), Some(bottom)) = (rows().position(filled), rows().rposition(filled)) else {
        let (width, pixels) = (1, Vec::new());
        return Shape { width, pixels };
    };
    let in_column = |&x: &usize| rows().any(|row| row[x] == 1);
    let left = (0..shape.width).find(in_column).unwrap_or(0);
    let right = (0..shape.width).rfind(in_column).unwrap_or(0);
    let rows = rows().take(bottom).skip(top);
    Shape {
        width: (right - left).max(1),
        pixels: rows.flat_map(|row| row[left..right].to_vec()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_exactly_black_belongs_to_the_shape() {
        let mut canvas = Canvas::new(8, 2);
        canvas.rectangle(0.0, 0.0, 4.5, 2.0);
        assert_eq!(resized(&canvas, 8, 2).pixels[..8], [1, 1, 1, 1, 0, 0, 0, 0]);
        // The third pixel is the mean of two, of which one is half covered.
        assert_eq!(resized(&canvas, 4, 1).pixels, [1, 1, 0, 0]);
        canvas.rectangle(0.0, 0.0, 5.0, 2.0);
        assert_eq!(resized(&canvas, 8, 2).pixels[..8], [1, 1, 1, 1, 1, 0, 0, 0]);
    }

    #[test]
    fn shapes_are_cut_without_the_last_row_and_column() {
        let mut canvas = Canvas::new(8, 6);
        canvas.rectangle(2.0, 1.0, 4.0, 3.0);
        let shape = cut(&canvas.touched());
        assert_eq!((shape.width, shape.height()), (3, 2));
        assert_eq!(shape.pixels, [1; 6]);
        assert_eq!(cut(&Canvas::new(3, 3).touched()).height(), 0);
    }
}
