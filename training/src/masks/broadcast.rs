//! Holes in the shape of what is removed from broadcasts.

use rand::RngExt;
use tiny_skia::{PathBuilder, Stroke, Transform};

use super::{
    Holes,
    canvas::{Canvas, Shape},
    glyphs::Line,
    motion,
};
use crate::random::Random;

/// The clip that holes are drawn for.
#[derive(Clone, Copy)]
pub(super) struct Clip {
    pub width: usize,
    pub height: usize,
    pub frames: usize,
}

impl Clip {
    fn canvas(self) -> Canvas {
        Canvas::new(self.width, self.height)
    }

    fn empty(self) -> Holes {
        vec![vec![0; self.width * self.height]; self.frames]
    }

    /// Returns holes that are what was drawn on a canvas of the clip's size, in every frame.
    fn still(self, canvas: &Canvas) -> Holes {
        vec![canvas.touched().pixels; self.frames]
    }

    fn sides(self) -> (f32, f32) {
        (self.width as f32, self.height as f32)
    }
}

/// Returns a random part of `whole`, between two of its fractions.
fn part(random: &mut Random, whole: f32, least: f32, most: f32) -> f32 {
    whole * random.random_range(least..most)
}

/// One to three rectangles, each still or wandering.
pub(super) fn rectangles(random: &mut Random, clip: Clip) -> Holes {
    let mut holes = clip.empty();
    for _ in 0..random.random_range(1..=3) {
        let mut side = |whole: usize| part(random, whole as f32, 0.06, 0.5).max(1.0) as usize;
        let (width, height) = (side(clip.width), side(clip.height));
        let pixels = vec![1; width * height];
        let shape = Shape { width, pixels };
        let ranges = [clip.height - height, clip.width - width].map(|range| range as i64);
        let places = motion::wander(random, ranges, clip.frames);
        for (hole, [row, column]) in holes.iter_mut().zip(places) {
            shape.place(hole, clip.width, row, column);
        }
    }
    holes
}

/// A station's logo: an emblem with letters beside it, in a corner.
pub(super) fn logo(random: &mut Random, clip: Clip) -> Holes {
    let (width, height) = clip.sides();
    let mut canvas = clip.canvas();
    let size = part(random, height, 0.08, 0.22);
    let letters = part(random, width, 0.03, 0.2);
    let margin = part(random, height, 0.03, 0.1);
    let (right, bottom): (bool, bool) = (random.random(), random.random());
    let x = if right {
        width - margin - size - letters
    } else {
        margin
    };
    let y = if bottom {
        height - margin - size
    } else {
        margin
    };
    emblem(
        &mut canvas,
        random,
        [x + size / 2.0, y + size / 2.0],
        size / 2.0,
    );
    let line = size * 0.6;
    let place = Transform::from_translate(x + size * 1.1, y + size * 0.2);
    let line = Line {
        height: line,
        length: letters,
        place,
    };
    line.draw(&mut canvas, random);
    clip.still(&canvas)
}

/// A disc, a ring, a diamond or a rectangle.
fn emblem(canvas: &mut Canvas, random: &mut Random, [x, y]: [f32; 2], radius: f32) {
    match random.random_range(0..4) {
        0 => canvas.fill(PathBuilder::from_circle(x, y, radius)),
        1 => {
            let stroke = Stroke {
                width: radius * 0.3,
                ..Stroke::default()
            };
            canvas.stroke(PathBuilder::from_circle(x, y, radius * 0.85), &stroke);
        }
        2 => {
            let mut path = PathBuilder::new();
            path.move_to(x, y - radius);
            path.line_to(x + radius, y);
            path.line_to(x, y + radius);
            path.line_to(x - radius, y);
            path.close();
            canvas.fill(path.finish());
        }
        _ => canvas.rectangle(x - radius, y - radius * 0.7, radius * 2.0, radius * 1.4),
    }
}

/// A ticker along the lower or upper side: the whole band, or letters that run through it.
pub(super) fn ticker(random: &mut Random, clip: Clip) -> Holes {
    let (width, height) = clip.sides();
    let band = part(random, height, 0.06, 0.16).max(2.0);
    let margin = part(random, height, 0.0, 0.1);
    let y = match random.random_bool(0.8) {
        true => height - margin - band,
        false => margin,
    };
    if random.random() {
        let mut canvas = clip.canvas();
        canvas.rectangle(0.0, y, width, band);
        return clip.still(&canvas);
    }
    let speed = random.random_range(1..=6);
    let length = clip.width + speed * clip.frames;
    let mut canvas = Canvas::new(length, band as usize);
    let line = Line {
        height: band * 0.7,
        length: length as f32,
        place: Transform::from_translate(0.0, band * 0.15),
    };
    line.draw(&mut canvas, random);
    let shape = canvas.touched();
    let mut holes = clip.empty();
    for (frame, hole) in holes.iter_mut().enumerate() {
        let column = -((speed * frame) as i64);
        shape.place(hole, clip.width, y as i64, column);
    }
    holes
}

/// One to three lines of text, which may change within the clip.
pub(super) fn text(random: &mut Random, clip: Clip) -> Holes {
    let first = lines(random, clip);
    let mut holes = clip.still(&first);
    if random.random() {
        let next = lines(random, clip).touched().pixels;
        let change = random.random_range(0..clip.frames);
        holes[change..].fill(next);
    }
    holes
}

fn lines(random: &mut Random, clip: Clip) -> Canvas {
    let (width, height) = clip.sides();
    let mut canvas = clip.canvas();
    let letter = part(random, height, 0.05, 0.11);
    let count = random.random_range(1..=3);
    let lowest = part(random, height, 0.7, 0.9);
    for line in 0..count {
        let length = part(random, width, 0.3, 0.9);
        let y = lowest - line as f32 * letter * 1.4;
        let line = Line {
            height: letter,
            length,
            place: Transform::from_translate((width - length) / 2.0, y),
        };
        line.draw(&mut canvas, random);
    }
    canvas
}

/// A see-through overlay: slanted text all over the picture, or a large emblem. Every pixel that it
/// touches belongs to the hole, however little of it covers the pixel.
pub(super) fn overlay(random: &mut Random, clip: Clip) -> Holes {
    let (width, height) = clip.sides();
    let mut canvas = clip.canvas();
    let angle = random.random_range(-40.0..40.0);
    if random.random() {
        let radius = part(random, height, 0.15, 0.4);
        emblem(&mut canvas, random, [width / 2.0, height / 2.0], radius);
        return clip.still(&canvas);
    }
    let letter = part(random, height, 0.04, 0.1);
    let distance = part(random, height, 0.2, 0.4);
    let reach = width.max(height);
    let turned = Transform::from_rotate_at(angle, width / 2.0, height / 2.0);
    let mut y = (height - reach) / 2.0;
    while y < (height + reach) / 2.0 {
        let start = part(random, width, -0.5, 0.0);
        let line = Line {
            height: letter,
            length: 1.5 * reach,
            place: Transform::from_translate(start, y).post_concat(turned),
        };
        line.draw(&mut canvas, random);
        y += distance;
    }
    clip.still(&canvas)
}
