//! The contents that the engine without weights is measured on: generated clips under a still logo,
//! each with its truth. Every frame is a pure function of its index.

use std::f32::consts::TAU;

use propainter::{Frame, Mask, internals::synthetic::Scene};

/// A kind of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Scenery that passes at 4.3 pixels a frame.
    Pan,
    /// Another scenery every twelve frames, each in slow motion.
    Cuts,
    /// A spotted ball that bounces over a flat ground and passes under the logo.
    Ball,
    /// Colour bars that scroll by twelve pixels a frame.
    Bars,
    /// Grey noise, new in every frame.
    Snow,
    /// Scenery in slow motion with grain of 8 levels (standard deviation), new in every frame.
    Grain,
    /// A still picture.
    Still,
}

impl Content {
    /// All contents, in the order of the tables.
    pub const ALL: [Self; 7] = [
        Self::Pan,
        Self::Cuts,
        Self::Ball,
        Self::Bars,
        Self::Snow,
        Self::Grain,
        Self::Still,
    ];

    /// Returns the name in tables and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pan => "pan",
            Self::Cuts => "cuts",
            Self::Ball => "ball",
            Self::Bars => "bars",
            Self::Snow => "snow",
            Self::Grain => "grain",
            Self::Still => "still",
        }
    }
}

/// Pixels by which a scenery is wider and higher than a frame.
const ROOM: (usize, usize) = (640, 160);
/// Frames between two cuts.
const SHOT: usize = 12;

/// A clip of some content.
pub struct Clip {
    content: Content,
    width: usize,
    height: usize,
    /// The sceneries that frames are taken from.
    sceneries: Vec<Frame>,
}

impl Clip {
    /// Renders what all frames of a clip share. At 1920×1080 a scenery takes about a second.
    pub fn new(content: Content, width: usize, height: usize) -> Self {
        let count = match content {
            Content::Pan | Content::Grain | Content::Still => 1,
            Content::Cuts => 3,
            Content::Ball | Content::Bars | Content::Snow => 0,
        };
        let scenery = |seed: u64| {
            let scene = Scene {
                parallax: 0.0,
                ..Scene::new(width + ROOM.0, height + ROOM.1, 3 + seed)
            };
            scene.truth(0)
        };
        Self {
            content,
            width,
            height,
            sceneries: (0..count).map(scenery).collect(),
        }
    }

    /// Returns the rectangle of the logo: left, top, width, height. At 1920×1080 it is 200×100.
    pub fn logo(&self) -> [usize; 4] {
        let (width, height) = (self.width * 5 / 48, self.height * 5 / 54);
        let left = self.width - self.width / 24 - width;
        [left, self.height / 18, width, height]
    }

    /// Returns the hole, which is the logo.
    pub fn hole(&self) -> Mask {
        let [x, y, width, height] = self.logo();
        let mut hole = Mask::empty(self.width, self.height);
        hole.add_rectangle(x as i64, y as i64, width as u64, height as u64);
        hole
    }

    /// Renders a frame with the logo.
    pub fn frame(&self, index: usize) -> Frame {
        let mut frame = self.truth(index);
        let [left, top, width, height] = self.logo();
        for (y, row) in frame.rgb_mut().chunks_exact_mut(3 * self.width).enumerate() {
            if (top..top + height).contains(&y) {
                let pixels = row[3 * left..3 * (left + width)].chunks_exact_mut(3);
                for (x, pixel) in pixels.enumerate() {
                    let bar = (x / 16 + (y - top) / 16) % 2 == 0;
                    pixel.copy_from_slice(if bar { &[245; 3] } else { &[170, 20, 35] });
                }
            }
        }
        frame
    }

    /// Renders a frame without the logo.
    pub fn truth(&self, index: usize) -> Frame {
        match self.content {
            Content::Pan => self.view(0, path(index, 4.3, ROOM.0), path(index, 0.2, ROOM.1)),
            Content::Cuts => {
                let (shot, within) = (index / SHOT, index % SHOT);
                let x = (shot * 97 % 500) as f32 + 1.3 * within as f32;
                self.view(shot % self.sceneries.len(), x, (shot * 31 % 140) as f32)
            }
            Content::Ball => self.ball(index),
            Content::Bars => self.bars(12 * index),
            Content::Snow => {
                let mut random = Random::new(index);
                self.pixels(|_, _| [random.byte(); 3])
            }
            Content::Grain => {
                let (x, y) = (path(index, 1.6, ROOM.0), path(index, 0.7, ROOM.1));
                let mut frame = self.view(0, x, y);
                let mut random = Random::new(index);
                for pixel in frame.rgb_mut().chunks_exact_mut(3) {
                    // A sum of four bytes has a deviation of 148.
                    let sum: i32 = (0..4).map(|_| i32::from(random.byte())).sum();
                    let grain = (sum - 510) * 7 / 128;
                    for byte in pixel {
                        *byte = (i32::from(*byte) + grain).clamp(0, 255) as u8;
                    }
                }
                frame
            }
            Content::Still => self.view(0, 100.0, 50.0),
        }
    }

    /// Renders a frame pixel by pixel, row by row.
    fn pixels(&self, mut colour: impl FnMut(usize, usize) -> [u8; 3]) -> Frame {
        let mut rgb = Vec::with_capacity(3 * self.width * self.height);
        for y in 0..self.height {
            (0..self.width).for_each(|x| rgb.extend(colour(x, y)));
        }
        Frame::new(self.width, self.height, rgb)
    }

    /// Returns the part of a scenery that begins at (x, y), bilinear between its pixels.
    fn view(&self, scenery: usize, x: f32, y: f32) -> Frame {
        let scenery = &self.sceneries[scenery];
        let stride = 3 * scenery.width();
        let (first, u) = (3 * x as usize, (256.0 * x.fract()) as u32);
        let (top, v) = (y as usize, (256.0 * y.fract()) as u32);
        let weights = [(256 - u) * (256 - v), u * (256 - v), (256 - u) * v, u * v];
        let mut rgb = vec![0; 3 * self.width * self.height];
        for (y, out) in rgb.chunks_exact_mut(3 * self.width).enumerate() {
            let row =
                |y: usize, x: usize| &scenery.rgb()[(top + y) * stride + first + x..][..out.len()];
            let (a, b) = (row(y, 0), row(y, 3));
            let (c, d) = (row(y + 1, 0), row(y + 1, 3));
            for (i, out) in out.iter_mut().enumerate() {
                let four = [a[i], b[i], c[i], d[i]].map(u32::from);
                let sum: u32 = four
                    .iter()
                    .zip(weights)
                    .map(|(byte, weight)| byte * weight)
                    .sum();
                *out = ((sum + (1 << 15)) >> 16) as u8;
            }
        }
        Frame::new(self.width, self.height, rgb)
    }

    /// Renders the ball.
    fn ball(&self, index: usize) -> Frame {
        let [left, top, width, height] = self.logo().map(|side| side as f32);
        let radius = 0.3 * width;
        // It rolls to and fro below the logo and jumps up behind it.
        let x = left - width + path(index, 0.05 * width, (3.0 * width) as usize);
        let jump = (index as f32 * TAU / 40.0).sin().abs();
        let y = top + 2.2 * height - jump * 1.7 * height;
        let (sin, cos) = (index as f32 * 0.08).sin_cos();
        self.pixels(|px, py| {
            let (dx, dy) = (px as f32 - x, py as f32 - y);
            // A ramp of two pixels makes subpixel motion of the edge visible.
            let cover = ((radius - dx.hypot(dy)) * 0.5 + 0.5).clamp(0.0, 1.0);
            let (u, v) = (dx * cos - dy * sin, dx * sin + dy * cos);
            let spot = (u * 9.0 / radius).sin() * (v * 9.0 / radius).sin();
            let ball = [200.0 + 50.0 * spot, 120.0 + 80.0 * spot, 60.0];
            std::array::from_fn(|c| {
                let ground = [70.0, 120.0, 60.0][c];
                (ground + cover * (ball[c] - ground)).round() as u8
            })
        })
    }

    /// Renders the bars, moved to the left by `by` pixels.
    fn bars(&self, by: usize) -> Frame {
        const BARS: [[u8; 3]; 7] = [
            [191, 191, 191],
            [191, 191, 0],
            [0, 191, 191],
            [0, 191, 0],
            [191, 0, 191],
            [191, 0, 0],
            [0, 0, 191],
        ];
        self.pixels(|x, _| BARS[(x + by) % self.width * BARS.len() / self.width])
    }
}

/// Returns a position that goes to and fro by `speed` a frame within `length`.
fn path(index: usize, speed: f32, length: usize) -> f32 {
    let length = (length - 2) as f32;
    let run = index as f32 * speed % (2.0 * length);
    run.min(2.0 * length - run)
}

/// A generator of random bytes (splitmix64), eight at a time.
struct Random {
    state: u64,
    left: u64,
    count: u32,
}

impl Random {
    fn new(index: usize) -> Self {
        Self {
            state: (index as u64) << 32,
            left: 0,
            count: 0,
        }
    }

    fn byte(&mut self) -> u8 {
        if self.count == 0 {
            self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (self.left, self.count) = (z ^ (z >> 31), 8);
        }
        let byte = self.left as u8;
        self.left >>= 8;
        self.count -= 1;
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_equals_its_truth_but_under_the_logo() {
        for content in Content::ALL {
            let clip = Clip::new(content, 192, 108);
            let hole = clip.hole();
            assert_eq!(
                hole.hole().iter().filter(|&&hole| hole == 1).count(),
                20 * 10
            );
            for index in [0, 5, 13] {
                let (truth, frame) = (clip.truth(index), clip.frame(index));
                assert_eq!(truth, clip.truth(index), "{content:?} is reproducible");
                let pixels = truth.rgb().chunks(3).zip(frame.rgb().chunks(3));
                assert!(
                    pixels
                        .zip(hole.hole())
                        .all(|((a, b), &hole)| a == b || hole == 1)
                );
            }
            let moves = clip.truth(0) != clip.truth(1);
            assert_eq!(moves, content != Content::Still, "{content:?}");
        }
    }
}
