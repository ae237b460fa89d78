//! Luma in a plane of its own, chroma in one or two, of 8 or 10 bits.

use std::marker::PhantomData;

use propainter::{
    Done,
    isa::{Isa, Job},
};

use super::{super::color::Coefficients, hole_row, holes, layout::Component};

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
    #[inline(always)]
    fn steps(component: Component) -> (usize, usize) {
        let size = size_of::<Self::Raw>();
        (component.step / size, component.first / size)
    }
}

/// A byte.
pub struct Eight;

impl Sample for Eight {
    type Raw = u8;

    #[inline(always)]
    fn all(bytes: &[u8]) -> &[u8] {
        bytes
    }

    fn all_mut(bytes: &mut [u8]) -> &mut [u8] {
        bytes
    }

    #[inline(always)]
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

    #[inline(always)]
    fn all(bytes: &[u8]) -> &[[u8; 2]] {
        bytes.as_chunks().0
    }

    fn all_mut(bytes: &mut [u8]) -> &mut [[u8; 2]] {
        bytes.as_chunks_mut().0
    }

    #[inline(always)]
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
        components: [Component; 3],
        rgb: &mut [u8],
    ) {
        Isa::best().run(Read::<S, BLOCK> {
            yuv: self,
            bytes,
            components,
            rgb,
            sample: PhantomData,
        });
    }

    pub fn write<S: Sample>(&self, bytes: &mut [u8], components: [Component; 3], done: &Done) {
        self.write_luma::<S>(bytes, components[0], done);
        match self.across {
            0 => self.write_chroma::<S, 1>(bytes, components, done),
            _ => self.write_chroma::<S, 2>(bytes, components, done),
        }
    }

    fn write_luma<S: Sample>(&self, bytes: &mut [u8], luma: Component, done: &Done) {
        for (y, columns, fill, hole) in holes(done) {
            let row = &mut S::all_mut(&mut bytes[luma.row(y)])[columns];
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
        let down = 1 << self.down;
        let (width, height) = (done.hole.width(), done.hole.height());
        let area = done.hole.area();
        // Samples that lie in the hole's area.
        let columns = area.columns.start / BLOCK..area.columns.end.div_ceil(BLOCK);
        let pixels = columns.start * BLOCK..width.min(columns.end * BLOCK);
        let mut sums = vec![[0; 3]; columns.len()];
        let mut whole = vec![0; columns.len()];
        for row in area.rows.start / down..area.rows.end.div_ceil(down) {
            let rows = row * down..height.min((row + 1) * down);
            sums.fill([0; 3]);
            whole.fill(1);
            for y in rows.clone() {
                let (fill, hole) = hole_row(done, y, &pixels);
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
            let (us, vs) = (u.row(row).start, v.row(row).start);
            let samples = columns.clone().zip(sums.iter().zip(&whole));
            for (column, (&sum, _)) in samples.filter(|(_, (_, whole))| **whole == 1) {
                // At odd edges a sample covers 1 or 2 pixels in place of 2 or 4.
                let covered = rows.len() * (width - column * BLOCK).min(BLOCK);
                let [new_u, new_v] = self.colors.chroma(sum, covered.ilog2());
                S::put(bytes, us + column * u.step + u.first, new_u);
                S::put(bytes, vs + column * v.step + v.first, new_v);
            }
        }
    }
}

/// Pixels that are converted together.
const PART: usize = 64;

/// [`Yuv::read`], compiled for each instruction set.
struct Read<'a, S, const BLOCK: usize> {
    yuv: &'a Yuv,
    bytes: &'a [u8],
    components: [Component; 3],
    rgb: &'a mut [u8],
    sample: PhantomData<S>,
}

impl<S: Sample, const BLOCK: usize> Job for Read<'_, S, BLOCK> {
    #[inline(always)]
    fn run(self) {
        let (bytes, colors, down) = (self.bytes, &self.yuv.colors, self.yuv.down);
        let [luma, u, v] = self.components;
        let ((u_step, u_first), (v_step, v_first)) = (S::steps(u), S::steps(v));
        // What chroma adds to each channel, pixel by pixel.
        let padded = (u.columns * BLOCK).next_multiple_of(PART);
        let mut terms = [vec![0; padded], vec![0; padded], vec![0; padded]];
        for (y, out) in self.rgb.chunks_exact_mut(3 * luma.columns).enumerate() {
            if y % (1 << down) == 0 {
                let us = S::all(&bytes[u.row(y >> down)]).chunks_exact(u_step);
                let vs = S::all(&bytes[v.row(y >> down)]).chunks_exact(v_step);
                let [red, green, blue] = &mut terms;
                for (i, (us, vs)) in us.zip(vs).enumerate() {
                    let term = colors.chroma_terms(S::get(us[u_first]), S::get(vs[v_first]));
                    let pixels = i * BLOCK..(i + 1) * BLOCK;
                    red[pixels.clone()].fill(term[0]);
                    green[pixels.clone()].fill(term[1]);
                    blue[pixels].fill(term[2]);
                }
            }
            // Whole parts by themselves: their lengths are known to the compiler.
            let (parts, rest) = out.as_chunks_mut::<3>().0.as_chunks_mut::<PART>();
            let (lumas, last) = S::all(&bytes[luma.row(y)]).as_chunks::<PART>();
            let [red, green, blue] = terms.each_ref().map(|terms| terms.as_chunks::<PART>().0);
            for (i, (out, lumas)) in parts.iter_mut().zip(lumas).enumerate() {
                part::<S>(colors, lumas, [&red[i], &green[i], &blue[i]], out);
            }
            if !rest.is_empty() {
                let i = lumas.len();
                part::<S>(colors, last, [&red[i], &green[i], &blue[i]], rest);
            }
        }
    }
}

/// Pixels from their luma and what their chroma adds.
#[inline(always)]
fn part<S: Sample>(
    colors: &Coefficients,
    raws: &[S::Raw],
    [red, green, blue]: [&[i32; PART]; 3],
    out: &mut [[u8; 3]],
) {
    let mut lumas = [0; PART];
    for (luma, &raw) in lumas.iter_mut().zip(raws) {
        *luma = colors.luma_term(S::get(raw));
    }
    let red = Coefficients::channels(&lumas, red);
    let green = Coefficients::channels(&lumas, green);
    let blue = Coefficients::channels(&lumas, blue);
    for (i, out) in out.iter_mut().enumerate() {
        *out = [red[i], green[i], blue[i]];
    }
}
