//! YUV of byte-aligned samples, planar or interleaved; gray is luma alone.

use propainter::{
    InpaintedFrame,
    internals::{
        device_frames::YuvMatrix,
        isa::{Isa, Job},
    },
};

use crate::propainter::video::{
    hole_rows::{hole_row, holes},
    layout::{Component, sample::Sample},
    matrix::Coefficients,
};

/// Largest number of bits of a sample that are read: 16 times finer than the 8 bits of RGB.
pub const READ_BITS: u32 = 12;

/// One chroma sample covers `1 << across` by `1 << down` pixels.
#[derive(Clone, Copy, Debug)]
pub struct Subsampling {
    pub across: u32,
    pub down: u32,
}

/// The conversion of YUV or gray.
#[derive(Clone, Copy, Debug)]
pub struct Yuv {
    /// For reading, of at most [`READ_BITS`] bits.
    read: Coefficients,
    /// For writing, of all bits.
    write: Coefficients,
    /// `None` for gray.
    chroma: Option<Subsampling>,
}

impl Yuv {
    /// Returns the conversion for samples of `depth` bits; for the other arguments see
    /// [`Coefficients::new`].
    pub fn new(kr_kb: (f64, f64), full: bool, depth: u32, chroma: Option<Subsampling>) -> Self {
        let colors = |bits| Coefficients::new(kr_kb.0, kr_kb.1, full, bits);
        Self {
            read: colors(depth.min(READ_BITS)),
            write: colors(depth),
            chroma,
        }
    }

    /// Returns the conversion for reading.
    pub fn matrix(&self) -> YuvMatrix {
        self.read.matrix()
    }

    /// Reads samples of at most [`READ_BITS`] bits. For gray only the first component is used.
    pub fn read<S: Sample>(
        &self,
        sample: S,
        bytes: &[u8],
        components: [Component; 3],
        rgb: &mut [u8],
    ) {
        match self.chroma.map(|chroma| chroma.across) {
            None | Some(0) => self.read_blocks::<S, 1>(sample, bytes, components, rgb),
            Some(1) => self.read_blocks::<S, 2>(sample, bytes, components, rgb),
            Some(_) => self.read_blocks::<S, 4>(sample, bytes, components, rgb),
        }
    }

    /// Reads a format in which `BLOCK` pixels of a row share a chroma sample.
    fn read_blocks<S: Sample, const BLOCK: usize>(
        &self,
        sample: S,
        bytes: &[u8],
        components: [Component; 3],
        rgb: &mut [u8],
    ) {
        Isa::best().run(ReadJob::<S, BLOCK> {
            colors: &self.read,
            down: self.chroma.map(|chroma| chroma.down),
            sample,
            bytes,
            components,
            rgb,
        });
    }

    /// Writes the samples that lie in the hole.
    pub fn write<S: Sample>(
        &self,
        sample: S,
        bytes: &mut [u8],
        components: [Component; 3],
        done: &InpaintedFrame,
    ) {
        self.write_luma(sample, bytes, components[0], done);
        let Some(Subsampling { across, down }) = self.chroma else {
            return;
        };
        match across {
            0 => self.write_chroma::<S, 1>(sample, bytes, components, down, done),
            1 => self.write_chroma::<S, 2>(sample, bytes, components, down, done),
            _ => self.write_chroma::<S, 4>(sample, bytes, components, down, done),
        }
    }

    fn write_luma<S: Sample>(
        &self,
        sample: S,
        bytes: &mut [u8],
        luma: Component,
        done: &InpaintedFrame,
    ) {
        let (step, first) = S::steps(luma);
        let new = |old, fill, hole| match hole {
            1 => sample.with(old, self.write.luma(fill)),
            _ => old,
        };
        for (y, columns, fill, hole) in holes(done) {
            let row = S::all_mut(&mut bytes[luma.row(y)]);
            let row = &mut row[step * columns.start..step * columns.end];
            let pixels = fill.iter().zip(hole);
            if step == 1 {
                for (out, (&fill, &hole)) in row.iter_mut().zip(pixels) {
                    *out = new(*out, fill, hole);
                }
            } else {
                for (out, (&fill, &hole)) in row.chunks_exact_mut(step).zip(pixels) {
                    out[first] = new(out[first], fill, hole);
                }
            }
        }
    }

    fn write_chroma<S: Sample, const BLOCK: usize>(
        &self,
        sample: S,
        bytes: &mut [u8],
        [_, u, v]: [Component; 3],
        down: u32,
        done: &InpaintedFrame,
    ) {
        let down = 1 << down;
        let (width, height) = (done.hole.width(), done.hole.height());
        let area = done.hole.bounding_box();
        // Columns of samples in the bounding box of the hole.
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
                // At the edges a sample may cover fewer pixels.
                let covered = rows.len() * (width - column * BLOCK).min(BLOCK);
                let [new_u, new_v] = self.write.chroma(sum, covered);
                sample.put(bytes, us + column * u.step + u.first, new_u);
                sample.put(bytes, vs + column * v.step + v.first, new_v);
            }
        }
    }
}

/// Number of pixels that are converted together.
const RUN: usize = 64;

/// [`Yuv::read`], compiled for each instruction set.
struct ReadJob<'a, S, const BLOCK: usize> {
    colors: &'a Coefficients,
    /// Vertical subsampling of chroma; `None` for gray.
    down: Option<u32>,
    sample: S,
    bytes: &'a [u8],
    components: [Component; 3],
    rgb: &'a mut [u8],
}

impl<S: Sample, const BLOCK: usize> Job for ReadJob<'_, S, BLOCK> {
    #[inline(always)]
    fn run(self) {
        let (sample, bytes, colors) = (self.sample, self.bytes, self.colors);
        let [luma, u, v] = self.components;
        let (luma_step, luma_first) = S::steps(luma);
        let ((u_step, u_first), (v_step, v_first)) = (S::steps(u), S::steps(v));
        // The contribution of chroma to each channel, pixel by pixel.
        let padded = (u.columns * BLOCK).next_multiple_of(RUN);
        let mut terms = Coefficients::GRAY.map(|term| vec![term; padded]);
        // Luma that is interleaved with other samples is gathered first.
        let apart = if luma_step == 1 { 0 } else { luma.columns };
        let mut together = vec![S::Raw::default(); apart];
        for (y, out) in self.rgb.chunks_exact_mut(3 * luma.columns).enumerate() {
            if let Some(down) = self.down.filter(|down| y % (1 << down) == 0) {
                let us = S::all(&bytes[u.row(y >> down)]).chunks_exact(u_step);
                let vs = S::all(&bytes[v.row(y >> down)]).chunks_exact(v_step);
                let [red, green, blue] = &mut terms;
                for (i, (us, vs)) in us.zip(vs).enumerate() {
                    let term =
                        colors.chroma_terms(sample.get(us[u_first]), sample.get(vs[v_first]));
                    let pixels = i * BLOCK..(i + 1) * BLOCK;
                    red[pixels.clone()].fill(term[0]);
                    green[pixels.clone()].fill(term[1]);
                    blue[pixels].fill(term[2]);
                }
            }
            // Whole runs first: the compiler knows their length.
            let (parts, rest) = out.as_chunks_mut::<3>().0.as_chunks_mut::<RUN>();
            let mut row = S::all(&bytes[luma.row(y)]);
            if luma_step != 1 {
                for (out, samples) in together.iter_mut().zip(row.chunks_exact(luma_step)) {
                    *out = samples[luma_first];
                }
                row = &together;
            }
            let (lumas, last) = row.as_chunks::<RUN>();
            let [red, green, blue] = terms.each_ref().map(|terms| terms.as_chunks::<RUN>().0);
            for (i, (out, lumas)) in parts.iter_mut().zip(lumas).enumerate() {
                convert_run(sample, colors, lumas, [&red[i], &green[i], &blue[i]], out);
            }
            if !rest.is_empty() {
                let i = lumas.len();
                convert_run(sample, colors, last, [&red[i], &green[i], &blue[i]], rest);
            }
        }
    }
}

/// Converts a run of pixels from their luma and the contribution of their chroma.
#[inline(always)]
fn convert_run<S: Sample>(
    sample: S,
    colors: &Coefficients,
    raws: &[S::Raw],
    [red, green, blue]: [&[i32; RUN]; 3],
    out: &mut [[u8; 3]],
) {
    let mut lumas = [0; RUN];
    for (luma, &raw) in lumas.iter_mut().zip(raws) {
        *luma = colors.luma_term(sample.get(raw));
    }
    let red = Coefficients::channels(&lumas, red);
    let green = Coefficients::channels(&lumas, green);
    let blue = Coefficients::channels(&lumas, blue);
    for (i, out) in out.iter_mut().enumerate() {
        *out = [red[i], green[i], blue[i]];
    }
}
