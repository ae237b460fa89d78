//! The AVX2 form of the sums: one vector of eight lanes per row of a patch, with the operations and
//! the order of the reference form.
//!
//! Invariant: every function here requires AVX2 and nothing else. All memory is read through
//! slices; the only unsafe operation is one store into a local array.

use std::arch::x86_64::*;

use super::{PATCH_SIDE, PatchSums, PyramidLevel, Template, locate};

/// See [`super::sums`].
#[target_feature(enable = "avx2")]
pub fn sums(template: &Template, target: &PyramidLevel, x: f32, y: f32) -> PatchSums {
    let (start, u, v) = locate(target, x, y);
    let (u, v) = (_mm256_set1_ps(u), _mm256_set1_ps(v));
    let mut lanes = [_mm256_setzero_ps(); 10];
    let mut above = interpolate_row(target, start, u);
    for row in 0..PATCH_SIDE {
        let below = interpolate_row(target, start + (row + 1) * target.stride, u);
        let known = to_floats(_mm_and_si128(above.1, below.1));
        let w = _mm256_mul_ps(load_row(&template.weight[row]), known);
        let between = _mm256_mul_ps(v, _mm256_sub_ps(below.0, above.0));
        let sample = _mm256_add_ps(above.0, between);
        let d = _mm256_sub_ps(sample, load_row(&template.value[row]));
        let (dx, dy) = (load_row(&template.dx[row]), load_row(&template.dy[row]));
        let wd = _mm256_mul_ps(w, d);
        let (wx, wy) = (_mm256_mul_ps(w, dx), _mm256_mul_ps(w, dy));
        let terms = [
            w,
            wd,
            _mm256_mul_ps(wd, d),
            wx,
            wy,
            _mm256_mul_ps(wx, dx),
            _mm256_mul_ps(wx, dy),
            _mm256_mul_ps(wy, dy),
            _mm256_mul_ps(wx, d),
            _mm256_mul_ps(wy, d),
        ];
        for (lane, term) in lanes.iter_mut().zip(terms) {
            *lane = _mm256_add_ps(*lane, term);
        }
        above = below;
    }
    let mut sums = [0.0; 10];
    for (sum, lane) in sums.iter_mut().zip(lanes) {
        *sum = horizontal_sum(lane);
    }
    PatchSums::new(sums)
}

/// See [`super::template`].
#[target_feature(enable = "avx2")]
pub fn template(level: &PyramidLevel, x: isize, y: isize) -> Template {
    let (first, stride) = (level.offset(x, y), level.stride);
    let half = _mm256_set1_ps(0.5);
    let mut out = Template::default();
    let mut lanes = [_mm256_setzero_ps(); 3];
    for row in 0..PATCH_SIDE {
        let at = first + row * stride;
        let luma = |at: usize| to_floats(load_bytes(&level.luma, at));
        let valid = |at: usize| load_bytes(&level.valid, at);
        let across = _mm_and_si128(_mm_and_si128(valid(at - 1), valid(at)), valid(at + 1));
        let down = _mm_and_si128(valid(at - stride), valid(at + stride));
        let weight = to_floats(_mm_and_si128(across, down));
        let value = luma(at);
        let dx = _mm256_mul_ps(half, _mm256_sub_ps(luma(at + 1), luma(at - 1)));
        let dy = _mm256_mul_ps(half, _mm256_sub_ps(luma(at + stride), luma(at - stride)));
        out.value[row] = store_row(value);
        out.weight[row] = store_row(weight);
        out.dx[row] = store_row(dx);
        out.dy[row] = store_row(dy);
        let weighted = _mm256_mul_ps(weight, value);
        let terms = [weight, weighted, _mm256_mul_ps(weighted, value)];
        for (lane, term) in lanes.iter_mut().zip(terms) {
            *lane = _mm256_add_ps(*lane, term);
        }
    }
    out.measure(
        horizontal_sum(lanes[0]),
        horizontal_sum(lanes[1]),
        horizontal_sum(lanes[2]),
    );
    out
}

/// Interpolates a row horizontally, and marks where both pixels are known.
#[target_feature(enable = "avx2")]
fn interpolate_row(level: &PyramidLevel, at: usize, u: __m256) -> (__m256, __m128i) {
    let a = to_floats(load_bytes(&level.luma, at));
    let b = to_floats(load_bytes(&level.luma, at + 1));
    let line = _mm256_add_ps(a, _mm256_mul_ps(u, _mm256_sub_ps(b, a)));
    let known = _mm_and_si128(
        load_bytes(&level.valid, at),
        load_bytes(&level.valid, at + 1),
    );
    (line, known)
}

/// Loads eight bytes of a plane into the low half of a register.
#[target_feature(enable = "avx2")]
fn load_bytes(plane: &[u8], at: usize) -> __m128i {
    let mut bytes = [0; PATCH_SIDE];
    bytes.copy_from_slice(&plane[at..at + PATCH_SIDE]);
    _mm_cvtsi64_si128(i64::from_le_bytes(bytes))
}

/// Converts eight bytes to floats.
#[target_feature(enable = "avx2")]
fn to_floats(bytes: __m128i) -> __m256 {
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))
}

/// Loads a row of a patch.
#[target_feature(enable = "avx2")]
fn load_row(row: &[f32; PATCH_SIDE]) -> __m256 {
    let [a, b, c, d, e, f, g, h] = *row;
    _mm256_setr_ps(a, b, c, d, e, f, g, h)
}

/// Stores a vector as a row of a patch.
#[target_feature(enable = "avx2")]
fn store_row(lane: __m256) -> [f32; PATCH_SIDE] {
    let mut row = [0.0; PATCH_SIDE];
    // SAFETY: `row` has room for the eight numbers that are written, and the store needs no
    // alignment.
    unsafe { _mm256_storeu_ps(row.as_mut_ptr(), lane) };
    row
}

/// Adds the eight lanes in the order of the reference form.
#[target_feature(enable = "avx2")]
fn horizontal_sum(lane: __m256) -> f32 {
    let fours = _mm_add_ps(
        _mm256_castps256_ps128(lane),
        _mm256_extractf128_ps::<1>(lane),
    );
    let twos = _mm_add_ps(fours, _mm_movehl_ps(fours, fours));
    _mm_cvtss_f32(_mm_add_ss(twos, _mm_shuffle_ps::<1>(twos, twos)))
}
