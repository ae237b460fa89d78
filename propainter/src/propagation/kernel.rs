//! The inner loops of the patch search, compiled twice: for any processor, and for eight
//! lanes where it has AVX2. Both do the same operations in the same order, so results are
//! the same on every machine.

#![expect(unsafe_code, reason = "calls into functions compiled for AVX2")]

use super::{
    patch::{SIDE, Template},
    plane::Level,
};

/// Sums over the pixels known on both sides; d is place − template, x and y its gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    pub count: f32,
    pub d: f32,
    pub dd: f32,
    pub x: f32,
    pub y: f32,
    pub xx: f32,
    pub xy: f32,
    pub yy: f32,
    pub xd: f32,
    pub yd: f32,
}

/// Sums for the place whose upper left corner is (x, y). It and the pixels around it that
/// interpolation touches lie within the level's margin.
pub fn sums(template: &Template, target: &Level, x: f32, y: f32) -> Sums {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        return unsafe { sums_avx2(template, target, x, y) };
    }
    sums_plain(template, target, x, y)
}

/// The template whose upper left pixel is (x, y); one pixel around it lies within the margin.
pub fn template(level: &Level, x: isize, y: isize) -> Template {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: as above.
        return unsafe { template_avx2(level, x, y) };
    }
    template_plain(level, x, y)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sums_avx2(template: &Template, target: &Level, x: f32, y: f32) -> Sums {
    sums_plain(template, target, x, y)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn template_avx2(level: &Level, x: isize, y: isize) -> Template {
    template_plain(level, x, y)
}

#[inline(always)]
fn sums_plain(template: &Template, target: &Level, x: f32, y: f32) -> Sums {
    let (x0, y0) = (floor(x), floor(y));
    let (u, v) = (x - x0 as f32, y - y0 as f32);
    let start = target.offset(x0, y0);
    let stride = target.stride;
    let luma = &target.luma[start..start + SIDE * stride + SIDE + 1];
    let valid = &target.valid[start..start + SIDE * stride + SIDE + 1];
    let mut lanes = [[0.0f32; SIDE]; 10];
    let mut above = across(luma, valid, 0, stride, u);
    for row in 0..SIDE {
        let below = across(luma, valid, row + 1, stride, u);
        let (value, weight) = (&template.value[row], &template.weight[row]);
        let (dx, dy) = (&template.dx[row], &template.dy[row]);
        for c in 0..SIDE {
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
    let [count, d, dd, x, y, xx, xy, yy, xd, yd] = lanes.map(total);
    Sums {
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

/// A row interpolated across, and where both pixels are known.
#[inline(always)]
fn across(
    luma: &[u8],
    valid: &[u8],
    row: usize,
    stride: usize,
    u: f32,
) -> ([f32; SIDE], [u8; SIDE]) {
    let luma = &luma[row * stride..row * stride + SIDE + 1];
    let valid = &valid[row * stride..row * stride + SIDE + 1];
    let (mut line, mut known) = ([0.0f32; SIDE], [0u8; SIDE]);
    for c in 0..SIDE {
        let (a, b) = (f32::from(luma[c]), f32::from(luma[c + 1]));
        line[c] = a + u * (b - a);
        known[c] = valid[c] & valid[c + 1];
    }
    (line, known)
}

#[inline(always)]
fn template_plain(level: &Level, x: isize, y: isize) -> Template {
    let stride = level.stride;
    let first = level.offset(x - 1, y - 1);
    let luma = &level.luma[first..first + (SIDE + 1) * stride + SIDE + 2];
    let valid = &level.valid[first..first + (SIDE + 1) * stride + SIDE + 2];
    let mut out = Template {
        value: [[0.0; SIDE]; SIDE],
        dx: [[0.0; SIDE]; SIDE],
        dy: [[0.0; SIDE]; SIDE],
        weight: [[0.0; SIDE]; SIDE],
        count: 0.0,
        variance: 0.0,
    };
    let mut lanes = [[0.0f32; SIDE]; 3];
    for row in 0..SIDE {
        let line = |n: usize| (row + n) * stride..(row + n) * stride + SIDE + 2;
        let (above, here, below) = (&luma[line(0)], &luma[line(1)], &luma[line(2)]);
        let (over, known, under) = (&valid[line(0)], &valid[line(1)], &valid[line(2)]);
        for c in 0..SIDE {
            let all = known[c] & known[c + 1] & known[c + 2] & over[c + 1] & under[c + 1];
            let (value, weight) = (f32::from(here[c + 1]), f32::from(all));
            out.value[row][c] = value;
            out.weight[row][c] = weight;
            out.dx[row][c] = 0.5 * (f32::from(here[c + 2]) - f32::from(here[c]));
            out.dy[row][c] = 0.5 * (f32::from(below[c + 1]) - f32::from(above[c + 1]));
            lanes[0][c] += weight;
            lanes[1][c] += weight * value;
            lanes[2][c] += weight * value * value;
        }
    }
    let [count, sum, squares] = lanes.map(total);
    out.count = count;
    if count > 0.0 {
        let mean = sum / count;
        out.variance = (squares / count - mean * mean).max(0.0);
    }
    out
}

/// Sum of eight lanes, by halves.
#[inline(always)]
fn total(lane: [f32; SIDE]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lane;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// `f32::floor` without a call, for what fits an integer.
#[inline(always)]
pub fn floor(x: f32) -> isize {
    let whole = x as isize;
    whole - isize::from(x < whole as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frame, Mask, propagation::plane::Pyramid};

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn wide_and_plain_loops_agree_to_the_bit() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            eprintln!("skipped: this processor has no AVX2");
            return;
        }
        let (width, height) = (40, 32);
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) as u8;
        let rgb = (0..3 * width * height).map(noise).collect();
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(20, 10, 9, 5);
        let pyramid = Pyramid::new(&Frame::new(width, height, rgb), Some(&hole));
        let level = pyramid.finest();
        for i in 0..200 {
            let (x, y) = ((i * 7 % 50) as isize - 12, (i * 5 % 40) as isize - 11);
            // SAFETY: AVX2 was found above.
            let (plain, wide) = (template_plain(level, x, y), unsafe {
                template_avx2(level, x, y)
            });
            assert_eq!(plain, wide);
            let (u, v) = (x as f32 + 0.37 * (i % 5) as f32, y as f32 + 0.21);
            // SAFETY: as above.
            let (plain, wide) = (sums_plain(&plain, level, u, v), unsafe {
                sums_avx2(&wide, level, u, v)
            });
            assert_eq!(plain, wide);
        }
    }

    #[test]
    fn floor_is_the_floor() {
        for x in [-3.5f32, -3.0, -0.25, 0.0, 0.75, 2.0, 1e6] {
            assert_eq!(floor(x), x.floor() as isize);
        }
    }
}
