//! Synthetic clips with ground truth, for tests, benchmarks and the demo. Textured scenery passes a
//! camera; the objects to be removed (a moving disc, a still logo) are drawn over it.

use std::f32::consts::TAU;

use rayon::prelude::*;

use crate::{Frame, Mask};

/// The parameters of a synthetic clip. Every frame is a pure function of them, so frames can be
/// rendered in any order and are reproducible to the byte.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// Seed of the texture, the skyline and the path of the disc.
    pub seed: u64,
    /// Motion of the scenery per frame in pixels (right, down).
    pub pan: (f32, f32),
    /// Additional speed of the near hills, relative to the far scenery. At 0 both move together.
    pub parallax: f32,
    /// Amplitude of a slow oscillation of exposure, as a share of brightness; 0 keeps it constant.
    pub exposure: f32,
    /// Whether to draw a moving disc.
    pub object: bool,
    /// Whether to draw a still logo in the upper right corner.
    pub logo: bool,
}

impl Scene {
    /// Returns a slow pan with parallax, disc and logo.
    pub fn new(width: usize, height: usize, seed: u64) -> Self {
        Self {
            width,
            height,
            seed,
            pan: (-2.3, 0.1),
            parallax: 0.5,
            exposure: 0.0,
            object: true,
            logo: true,
        }
    }

    /// Renders frame `index` without disc and logo.
    pub fn truth(&self, index: usize) -> Frame {
        self.render(index, |_, _| None)
    }

    /// Renders frame `index` with disc and logo, as a camera would deliver it.
    pub fn frame(&self, index: usize) -> Frame {
        let texture = Noise::new(self.seed ^ 0x0b5e);
        let disc = self.disc(index);
        self.render(index, |x, y| {
            if self.logo
                && let Some(colour) = self.logo_colour(x, y)
            {
                return Some(colour);
            }
            if self.object {
                let (dx, dy) = (x - disc.x, y - disc.y);
                if dx * dx + dy * dy <= disc.radius * disc.radius {
                    let (u, v) = (dx * disc.cos - dy * disc.sin, dx * disc.sin + dy * disc.cos);
                    let light = 130.0 + 90.0 * texture.at(u / 5.0, v / 5.0);
                    return Some([light + 40.0, light * 0.6, 50.0]);
                }
            }
            None
        })
    }

    /// Returns the mask of disc and logo in frame `index`.
    pub fn mask(&self, index: usize) -> Mask {
        let disc = self.disc(index);
        let mut luma = vec![0; self.width * self.height];
        for (i, value) in luma.iter_mut().enumerate() {
            let (x, y) = ((i % self.width) as f32, (i / self.width) as f32);
            let (dx, dy) = (x - disc.x, y - disc.y);
            let object = self.object && dx * dx + dy * dy <= disc.radius * disc.radius;
            let logo = self.logo && self.logo_colour(x, y).is_some();
            *value = if object || logo { 255 } else { 0 };
        }
        Mask::from_luma(self.width, self.height, luma)
    }

    /// Renders the scenery, covered where `over` returns a colour.
    fn render(&self, index: usize, over: impl Fn(f32, f32) -> Option<[f32; 3]> + Sync) -> Frame {
        let (width, height) = (self.width, self.height);
        let noise = Noise::new(self.seed);
        let time = index as f32;
        let gain = 1.0 + self.exposure * (time * TAU / 50.0).sin();
        let far = (-self.pan.0 * time, -self.pan.1 * time);
        let speed = 1.0 + self.parallax;
        let near = (far.0 * speed, far.1 * speed);
        let scale = height as f32;
        let mut rgb = vec![0; 3 * width * height];
        rgb.par_chunks_mut(3 * width)
            .enumerate()
            .for_each(|(row, pixels)| {
                let y = row as f32;
                for (column, pixel) in pixels.chunks_exact_mut(3).enumerate() {
                    let x = column as f32;
                    let colour = over(x, y).unwrap_or_else(|| {
                        let back = noise.scenery(x + far.0, y + far.1, [0.95, 1.0, 1.1]);
                        let u = x + near.0;
                        let hills = noise.at(u / (0.6 * scale), 7.5) - 0.5;
                        let skyline = scale * (0.66 + 0.3 * hills) - near.1;
                        // A ramp of two pixels makes subpixel motion of the skyline visible.
                        let cover = ((y - skyline) * 0.5 + 0.5).clamp(0.0, 1.0);
                        if cover == 0.0 {
                            return back;
                        }
                        let front = noise.scenery(u + 911.0, y + near.1 + 577.0, [0.8, 0.9, 0.5]);
                        std::array::from_fn(|c| back[c] + cover * (front[c] - back[c]))
                    });
                    for (byte, value) in pixel.iter_mut().zip(colour) {
                        *byte = (value * gain).round().clamp(0.0, 255.0) as u8;
                    }
                }
            });
        Frame::new(width, height, rgb)
    }

    /// Returns the disc in frame `index`.
    fn disc(&self, index: usize) -> Disc {
        let (w, h) = (self.width as f32, self.height as f32);
        let radius = 0.11 * h;
        let phase = (self.seed % 97) as f32 * 0.13;
        let time = index as f32;
        let bounce = |speed: f32, length: f32| {
            let run = ((phase + time * speed / length.max(1.0)) % 2.0).abs();
            if run < 1.0 { run } else { 2.0 - run }
        };
        let (sin, cos) = (time * 0.05).sin_cos();
        Disc {
            x: radius + bounce(0.011 * w, w - 2.0 * radius) * (w - 2.0 * radius),
            y: 0.3 * h + radius + bounce(0.013 * h, 0.5 * h) * (0.5 * h),
            radius,
            sin,
            cos,
        }
    }

    /// Returns the colour of the logo at a pixel, or `None` beside it: a rounded plate with a ring
    /// and three bars.
    fn logo_colour(&self, x: f32, y: f32) -> Option<[f32; 3]> {
        let (w, h) = (self.width as f32, self.height as f32);
        let (lw, lh) = (0.2 * w, 0.16 * h);
        let (u, v) = (x - (w - lw - 0.06 * w), y - 0.08 * h);
        let corner = 0.3 * lh;
        let outside = |t: f32, length: f32| (corner - t).max(t - (length - 1.0 - corner)).max(0.0);
        if outside(u, lw).hypot(outside(v, lh)) > corner {
            return None;
        }
        let ring = (u - 0.5 * lh).hypot(v - 0.5 * lh) / (0.5 * lh);
        let bar = (v / lh * 7.0) as i32 % 2 == 1 && u > 1.15 * lh && u < lw - 0.3 * lh;
        Some(if (0.4..0.72).contains(&ring) || bar {
            [245.0, 245.0, 245.0]
        } else {
            [170.0, 20.0, 35.0]
        })
    }
}

/// Returns the PSNR over the pixels and channels of the hole in dB: infinite if they are equal,
/// `None` if the hole is empty.
///
/// All three arguments have the same size.
pub fn psnr_in_hole(truth: &Frame, out: &Frame, hole: &Mask) -> Option<f64> {
    let (sum, count) = square_error_in_hole(truth, out, hole);
    (count > 0).then(|| 10.0 * (255.0 * 255.0 * count as f64 / sum as f64).log10())
}

/// Returns the sum of squared differences over the bytes of the hole, and their number.
pub fn square_error_in_hole(truth: &Frame, out: &Frame, hole: &Mask) -> (u64, u64) {
    let pairs = truth.rgb().chunks_exact(3).zip(out.rgb().chunks_exact(3));
    let (mut sum, mut count) = (0, 0);
    for ((a, b), _) in pairs.zip(hole.hole()).filter(|(_, hole)| **hole == 1) {
        for (&a, &b) in a.iter().zip(b) {
            sum += u64::from(a.abs_diff(b)).pow(2);
        }
        count += 3;
    }
    (sum, count)
}

/// The moving disc, in pixels, with the sine and cosine of its rotation.
struct Disc {
    x: f32,
    y: f32,
    radius: f32,
    sin: f32,
    cos: f32,
}

/// Period of the lattice.
const SIDE: usize = 128;

/// Smooth value noise on a lattice that repeats every [`SIDE`] cells.
struct Noise(Vec<f32>);

impl Noise {
    fn new(seed: u64) -> Self {
        let values = (0..(SIDE * SIDE) as u64).map(|i| {
            let mut z = seed.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
        });
        Self(values.collect())
    }

    /// Returns the value at a position on the lattice, in [0, 1].
    fn at(&self, x: f32, y: f32) -> f32 {
        let (x0, y0) = (x.floor(), y.floor());
        let ease = |t: f32| t * t * t * (t * (6.0 * t - 15.0) + 10.0);
        let (u, v) = (ease(x - x0), ease(y - y0));
        let wrap = |t: i64| t.rem_euclid(SIDE as i64) as usize;
        let (x0, x1) = (wrap(x0 as i64), wrap(x0 as i64 + 1));
        let (y0, y1) = (wrap(y0 as i64) * SIDE, wrap(y0 as i64 + 1) * SIDE);
        let mix = |a: f32, b: f32, t: f32| a + t * (b - a);
        mix(
            mix(self.0[y0 + x0], self.0[y0 + x1], u),
            mix(self.0[y1 + x0], self.0[y1 + x1], u),
            v,
        )
    }

    /// Returns the colour of the scenery at a pixel position: octaves of noise with cells of 84
    /// down to 5 pixels.
    fn scenery(&self, x: f32, y: f32, tint: [f32; 3]) -> [f32; 3] {
        let octaves = [
            (84.0, 1.0),
            (41.0, 0.7),
            (19.0, 0.5),
            (9.0, 0.35),
            (5.0, 0.2),
        ];
        let (mut light, mut total) = (0.0, 0.0);
        for (i, (cell, weight)) in octaves.into_iter().enumerate() {
            let shift = 17.3 * i as f32;
            light += weight * (self.at(x / cell + shift, y / cell + shift) - 0.5);
            total += weight;
        }
        let hue = self.at(x / 60.0 + 61.7, y / 60.0) - 0.5;
        let light = 120.0 + 270.0 * light / total;
        [
            light * tint[0] + 60.0 * hue,
            light * tint[1],
            light * tint[2] - 60.0 * hue,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_differ_from_the_truth_in_the_mask_only() {
        let scene = Scene::new(96, 56, 5);
        for index in [0, 7] {
            let (truth, frame, mask) = (scene.truth(index), scene.frame(index), scene.mask(index));
            let pixels = truth.rgb().chunks(3).zip(frame.rgb().chunks(3));
            assert!(
                pixels
                    .zip(mask.hole())
                    .all(|((a, b), &hole)| a == b || hole == 1)
            );
            assert!(!mask.is_empty());
            assert!(psnr_in_hole(&truth, &frame, &mask).is_some_and(|psnr| psnr < 20.0));
        }
    }

    #[test]
    fn a_pan_by_whole_pixels_moves_the_frame_exactly() {
        let scene = Scene {
            pan: (-3.0, 0.0),
            parallax: 0.0,
            ..Scene::new(64, 24, 9)
        };
        let (a, b) = (scene.truth(0), scene.truth(4));
        for y in 0..24 {
            let row = |frame: &Frame, x: usize| frame.rgb()[3 * (y * 64 + x)..][..3].to_vec();
            for x in 0..52 {
                let (moved, still) = (row(&a, x + 12), row(&b, x));
                let near = moved.iter().zip(&still).all(|(a, b)| a.abs_diff(*b) <= 1);
                assert!(near, "pixel {x}, {y}");
            }
        }
    }

    #[test]
    fn any_size_renders() {
        for (width, height) in [(1, 1), (8, 8), (7, 5)] {
            let scene = Scene::new(width, height, 1);
            assert_eq!(scene.frame(3).rgb().len(), 3 * width * height);
            assert_eq!(scene.mask(3).hole().len(), width * height);
        }
    }
}
