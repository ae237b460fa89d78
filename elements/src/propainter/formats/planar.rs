//! Luma in a plane of its own, chroma in one or two, of 8 or 10 bits.

use propainter::Done;

use super::{super::color::Coefficients, hole_row, layout::Component};

/// How a sample is stored.
pub trait Sample {
    type Raw: Copy;

    fn all(bytes: &[u8]) -> &[Self::Raw];

    fn all_mut(bytes: &mut [u8]) -> &mut [Self::Raw];

    fn get(raw: Self::Raw) -> i32;

    /// `raw` with another value; bits beside the sample stay.
    fn with(raw: Self::Raw, value: i32) -> Self::Raw;

    /// Gives the sample whose first byte is `at` another value.
    fn put(bytes: &mut [u8], at: usize, value: i32) {
        let bytes = &mut bytes[at..at + size_of::<Self::Raw>()];
        let sample = &mut Self::all_mut(bytes)[0];
        *sample = Self::with(*sample, value);
    }

    /// A component's step and first sample, in samples.
    fn steps(component: Component) -> (usize, usize) {
        let size = size_of::<Self::Raw>();
        (component.step / size, component.first / size)
    }
}

/// A byte.
pub struct Eight;

impl Sample for Eight {
    type Raw = u8;

    fn all(bytes: &[u8]) -> &[u8] {
        bytes
    }

    fn all_mut(bytes: &mut [u8]) -> &mut [u8] {
        bytes
    }

    fn get(raw: u8) -> i32 {
        raw.into()
    }

    fn with(_: u8, value: i32) -> u8 {
        value as u8
    }
}

/// 10 bits of a little-endian word, `SHIFT` bits from its low end.
pub struct Ten<const SHIFT: u32>;

impl<const SHIFT: u32> Sample for Ten<SHIFT> {
    type Raw = [u8; 2];

    fn all(bytes: &[u8]) -> &[[u8; 2]] {
        bytes.as_chunks().0
    }

    fn all_mut(bytes: &mut [u8]) -> &mut [[u8; 2]] {
        bytes.as_chunks_mut().0
    }

    fn get(raw: [u8; 2]) -> i32 {
        ((u16::from_le_bytes(raw) >> SHIFT) & 0x3ff).into()
    }

    fn with(raw: [u8; 2], value: i32) -> [u8; 2] {
        let beside = u16::from_le_bytes(raw) & !(0x3ff << SHIFT);
        (beside | ((value as u16 & 0x3ff) << SHIFT)).to_le_bytes()
    }
}

/// One chroma sample is for `1 << across` by `1 << down` pixels.
#[derive(Clone, Copy, Debug)]
pub struct Yuv {
    pub colors: Coefficients,
    pub across: u32,
    pub down: u32,
}

impl Yuv {
    pub fn read<S: Sample>(&self, bytes: &[u8], components: [Component; 3], rgb: &mut [u8]) {
        match self.across {
            0 => self.read_blocks::<S, 1>(bytes, components, rgb),
            _ => self.read_blocks::<S, 2>(bytes, components, rgb),
        }
    }

    /// `BLOCK` pixels of a row share a chroma sample.
    fn read_blocks<S: Sample, const BLOCK: usize>(
        &self,
        bytes: &[u8],
        [luma, u, v]: [Component; 3],
        rgb: &mut [u8],
    ) {
        let colors = &self.colors;
        let ((u_step, u_first), (v_step, v_first)) = (S::steps(u), S::steps(v));
        let mut terms = vec![[0; 3]; u.columns];
        for (y, out) in rgb.chunks_exact_mut(3 * luma.columns).enumerate() {
            if y % (1 << self.down) == 0 {
                let us = S::all(&bytes[u.row(y >> self.down)]).chunks_exact(u_step);
                let vs = S::all(&bytes[v.row(y >> self.down)]).chunks_exact(v_step);
                for (term, (us, vs)) in terms.iter_mut().zip(us.zip(vs)) {
                    *term = colors.chroma_terms(S::get(us[u_first]), S::get(vs[v_first]));
                }
            }
            let (out, _) = out.as_chunks_mut::<3>();
            let (blocks, rest) = S::all(&bytes[luma.row(y)]).as_chunks::<BLOCK>();
            let (out_blocks, out_rest) = out.as_chunks_mut::<BLOCK>();
            for ((lumas, out), &term) in blocks.iter().zip(out_blocks).zip(&terms) {
                *out = lumas.map(|luma| colors.rgb(S::get(luma), term));
            }
            for (&luma, out) in rest.iter().zip(out_rest) {
                *out = colors.rgb(S::get(luma), terms[u.columns - 1]);
            }
        }
    }

    pub fn write<S: Sample>(&self, bytes: &mut [u8], components: [Component; 3], done: &Done) {
        self.write_luma::<S>(bytes, components[0], done);
        match self.across {
            0 => self.write_chroma::<S, 1>(bytes, components, done),
            _ => self.write_chroma::<S, 2>(bytes, components, done),
        }
    }

    fn write_luma<S: Sample>(&self, bytes: &mut [u8], luma: Component, done: &Done) {
        for y in 0..done.hole.height() {
            let Some((fill, hole)) = hole_row(done, y) else {
                continue;
            };
            let row = S::all_mut(&mut bytes[luma.row(y)]);
            for ((out, &fill), &hole) in row.iter_mut().zip(fill).zip(hole) {
                *out = if hole == 1 {
                    S::with(*out, self.colors.luma(fill))
                } else {
                    *out
                };
            }
        }
    }

    fn write_chroma<S: Sample, const BLOCK: usize>(
        &self,
        bytes: &mut [u8],
        [_, u, v]: [Component; 3],
        done: &Done,
    ) {
        let down = self.down;
        let (width, height) = (done.hole.width(), done.hole.height());
        let mut sums = vec![[0; 3]; u.columns];
        let mut whole = vec![0; u.columns];
        for top in (0..height).step_by(1 << down) {
            let rows = top..height.min(top + (1 << down));
            if rows.clone().any(|y| hole_row(done, y).is_none()) {
                continue;
            }
            sums.fill([0; 3]);
            whole.fill(1);
            for (fill, hole) in rows.clone().filter_map(|y| hole_row(done, y)) {
                let blocks = fill.chunks(BLOCK).zip(hole.chunks(BLOCK));
                for ((fill, hole), (sum, whole)) in blocks.zip(sums.iter_mut().zip(&mut whole)) {
                    for ([r, g, b], hole) in fill.iter().zip(hole) {
                        sum[0] += i32::from(*r);
                        sum[1] += i32::from(*g);
                        sum[2] += i32::from(*b);
                        *whole &= hole;
                    }
                }
            }
            let (us, vs) = (u.row(top >> down).start, v.row(top >> down).start);
            for (column, (&sum, _)) in sums
                .iter()
                .zip(&whole)
                .enumerate()
                .filter(|(_, (_, w))| **w == 1)
            {
                // At odd edges a sample covers 1 or 2 pixels in place of 2 or 4.
                let covered = rows.len() * (width - column * BLOCK).min(BLOCK);
                let [new_u, new_v] = self.colors.chroma(sum, covered.ilog2());
                S::put(bytes, us + column * u.step + u.first, new_u);
                S::put(bytes, vs + column * v.step + v.first, new_v);
            }
        }
    }
}
