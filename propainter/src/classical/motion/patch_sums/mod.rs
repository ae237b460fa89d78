//! The inner loops of patch matching, in a reference form and an AVX2 form. Both do the same
//! operations in the same order, so results are bit-exact on every machine.

#[cfg(target_arch = "x86_64")]
mod avx2;

use super::{
    pyramid::PyramidLevel,
    template::{PATCH_SIDE, Template},
};
use crate::{classical::fields::grid::floor, device::isa::Isa};

/// Sums over the pixels known on both sides. `d` is target minus template; `x` and `y` are the
/// gradient of the template.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PatchSums {
    /// Number of pixels, as the sum of weights.
    pub count: f32,
    /// Sum of d.
    pub d: f32,
    /// Sum of d².
    pub dd: f32,
    /// Sum of x.
    pub x: f32,
    /// Sum of y.
    pub y: f32,
    /// Sum of x².
    pub xx: f32,
    /// Sum of x·y.
    pub xy: f32,
    /// Sum of y².
    pub yy: f32,
    /// Sum of x·d.
    pub xd: f32,
    /// Sum of y·d.
    pub yd: f32,
}

impl PatchSums {
    fn new([count, d, dd, x, y, xx, xy, yy, xd, yd]: [f32; 10]) -> Self {
        Self {
            count,
            d,
            dd,
            x,
            y,
            xx,
            xy,
            yy,
            xd,
            yd,
        }
    }
}

/// Computes the sums at the position whose upper left corner is (x, y). The position and the pixels
/// needed to interpolate it must lie within the margin of the level.
pub fn sums(template: &Template, target: &PyramidLevel, x: f32, y: f32) -> PatchSums {
    sums_with(Isa::best(), template, target, x, y)
}

/// Extracts the template whose upper left pixel is (x, y). It and one pixel around it must lie
/// within the margin.
pub fn template(level: &PyramidLevel, x: isize, y: isize) -> Template {
    template_with(Isa::best(), level, x, y)
}

/// Computes [`sums`] with the given instruction set.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
fn sums_with(isa: Isa, template: &Template, target: &PyramidLevel, x: f32, y: f32) -> PatchSums {
    #[cfg(target_arch = "x86_64")]
    if isa.has_avx2() {
        // SAFETY: `isa` reports AVX2 only if the processor has it, which is the only requirement of
        // the function.
        return unsafe { avx2::sums(template, target, x, y) };
    }
    sums_reference(template, target, x, y)
}

/// Computes [`template`] with the given instruction set.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
fn template_with(isa: Isa, level: &PyramidLevel, x: isize, y: isize) -> Template {
    #[cfg(target_arch = "x86_64")]
    if isa.has_avx2() {
        // SAFETY: `isa` reports AVX2 only if the processor has it, which is the only requirement of
        // the function.
        return unsafe { avx2::template(level, x, y) };
    }
    template_reference(level, x, y)
}

/// The reference form of [`sums`].
fn sums_reference(template: &Template, target: &PyramidLevel, x: f32, y: f32) -> PatchSums {
    let (start, u, v) = locate(target, x, y);
    let mut lanes = [[0.0f32; PATCH_SIDE]; 10];
    let mut above = interpolate_row(target, start, u);
    for row in 0..PATCH_SIDE {
        let below = interpolate_row(target, start + (row + 1) * target.stride, u);
        let (value, weight) = (&template.value[row], &template.weight[row]);
        let (dx, dy) = (&template.dx[row], &template.dy[row]);
        for c in 0..PATCH_SIDE {
            let w = weight[c] * f32::from(above.1[c] & below.1[c]);
            let d = above.0[c] + v * (below.0[c] - above.0[c]) - value[c];
            let (wd, wx, wy) = (w * d, w * dx[c], w * dy[c]);
            lanes[0][c] += w;
            lanes[1][c] += wd;
            lanes[2][c] += wd * d;
            lanes[3][c] += wx;
            lanes[4][c] += wy;
            lanes[5][c] += wx * dx[c];
            lanes[6][c] += wx * dy[c];
            lanes[7][c] += wy * dy[c];
            lanes[8][c] += wx * d;
            lanes[9][c] += wy * d;
        }
        above = below;
    }
    PatchSums::new(lanes.map(horizontal_sum))
}

/// Interpolates a row horizontally, and marks where both pixels are known.
fn interpolate_row(
    level: &PyramidLevel,
    at: usize,
    u: f32,
) -> ([f32; PATCH_SIDE], [u8; PATCH_SIDE]) {
    let (luma, valid) = (
        &level.luma[at..=at + PATCH_SIDE],
        &level.valid[at..=at + PATCH_SIDE],
    );
    let (mut line, mut known) = ([0.0; PATCH_SIDE], [0; PATCH_SIDE]);
    for c in 0..PATCH_SIDE {
        let (a, b) = (f32::from(luma[c]), f32::from(luma[c + 1]));
        line[c] = a + u * (b - a);
        known[c] = valid[c] & valid[c + 1];
    }
    (line, known)
}

/// The reference form of [`template`].
fn template_reference(level: &PyramidLevel, x: isize, y: isize) -> Template {
    let (first, stride) = (level.offset(x, y), level.stride);
    let mut out = Template::default();
    for row in 0..PATCH_SIDE {
        for c in 0..PATCH_SIDE {
            let at = first + row * stride + c;
            let luma = |at: usize| f32::from(level.luma[at]);
            let across = level.valid[at - 1] & level.valid[at] & level.valid[at + 1];
            let known = across & level.valid[at - stride] & level.valid[at + stride];
            out.value[row][c] = luma(at);
            out.weight[row][c] = f32::from(known);
            out.dx[row][c] = 0.5 * (luma(at + 1) - luma(at - 1));
            out.dy[row][c] = 0.5 * (luma(at + stride) - luma(at - stride));
        }
    }
    let mut lanes = [[0.0f32; PATCH_SIDE]; 3];
    for (weights, values) in out.weight.iter().zip(&out.value) {
        for (c, (weight, value)) in weights.iter().zip(values).enumerate() {
            lanes[0][c] += weight;
            lanes[1][c] += weight * value;
            lanes[2][c] += weight * value * value;
        }
    }
    let [count, sum, squares] = lanes.map(horizontal_sum);
    out.measure(count, sum, squares);
    out
}

/// Returns the index of the pixel at or before a position, and the fractional parts of the
/// position.
fn locate(level: &PyramidLevel, x: f32, y: f32) -> (usize, f32, f32) {
    let (x0, y0) = (floor(x), floor(y));
    (level.offset(x0, y0), x - x0 as f32, y - y0 as f32)
}

/// Adds eight lanes by halves, in the order of the AVX2 form.
fn horizontal_sum(lane: [f32; PATCH_SIDE]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lane;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Frame, Mask,
        classical::{hole::source_map::SourceMap, motion::pyramid::Pyramid},
    };

    #[test]
    fn every_form_equals_the_reference_form_to_the_bit() {
        let (width, height) = (40, 32);
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) as u8;
        let rgb = (0..3 * width * height).map(noise).collect();
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(20, 10, 9, 5);
        let source_map = SourceMap::new(&hole);
        let pyramid = Pyramid::new(&Frame::new(width, height, rgb), source_map.as_ref());
        let level = &pyramid.0[0];
        for i in 0..200 {
            let (x, y) = ((i * 7 % 50) as isize - 12, (i * 5 % 40) as isize - 11);
            let (u, v) = (x as f32 + 0.37 * (i % 5) as f32, y as f32 + 0.21);
            let reference = template_reference(level, x, y);
            let expected = sums_reference(&reference, level, u, v);
            for isa in Isa::all() {
                assert_eq!(template_with(isa, level, x, y), reference, "{isa}");
                assert_eq!(sums_with(isa, &reference, level, u, v), expected, "{isa}");
            }
        }
    }
}
