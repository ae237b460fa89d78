//! Alpha of any format: which pixels are hole by their alpha, and become opaque when filled.

use gst_video::VideoInfo;
use propainter::InpaintedFrame;

use crate::propainter::video::{
    hole_rows::holes,
    layout::{
        Component,
        sample::{ByteSample, Sample, SampleFormat},
    },
};

/// The alpha from which on a pixel is hole.
#[derive(Clone, Copy, Debug)]
pub struct Opacity {
    /// The alpha of an opaque pixel.
    opaque: i32,
    /// Alpha below it is hole.
    limit: i32,
}

impl Opacity {
    /// Returns the limit for alpha of `depth` bits: a pixel is hole if its transparency is above
    /// `threshold` of 255.
    pub fn new(depth: u32, threshold: u8) -> Self {
        let opaque = (1 << depth) - 1;
        Self {
            opaque,
            limit: opaque - i32::from(threshold) * opaque / 255,
        }
    }

    /// Returns 1 for each pixel that is hole by its alpha.
    pub fn transparent(
        self,
        samples: SampleFormat,
        bytes: &[u8],
        alpha: Component,
        height: usize,
    ) -> Vec<u8> {
        match samples {
            SampleFormat::Bytes => self.transparent_samples(ByteSample, bytes, alpha, height),
            SampleFormat::Little(word) => self.transparent_samples(word, bytes, alpha, height),
            SampleFormat::Big(word) => self.transparent_samples(word, bytes, alpha, height),
        }
    }

    fn transparent_samples<S: Sample>(
        self,
        sample: S,
        bytes: &[u8],
        alpha: Component,
        height: usize,
    ) -> Vec<u8> {
        let (step, first) = S::steps(alpha);
        let mut hole = Vec::with_capacity(alpha.columns * height);
        for y in 0..height {
            let row = S::all(&bytes[alpha.row(y)]).chunks_exact(step);
            hole.extend(row.map(|pixel| u8::from(sample.get(pixel[first]) < self.limit)));
        }
        hole
    }

    /// Makes the filled pixels opaque that were [`Opacity::transparent`].
    pub fn write_opaque(
        self,
        samples: SampleFormat,
        bytes: &mut [u8],
        alpha: Component,
        done: &InpaintedFrame,
    ) {
        match samples {
            SampleFormat::Bytes => self.write_samples(ByteSample, bytes, alpha, done),
            SampleFormat::Little(word) => self.write_samples(word, bytes, alpha, done),
            SampleFormat::Big(word) => self.write_samples(word, bytes, alpha, done),
        }
    }

    fn write_samples<S: Sample>(
        self,
        sample: S,
        bytes: &mut [u8],
        alpha: Component,
        done: &InpaintedFrame,
    ) {
        let (step, first) = S::steps(alpha);
        for (y, columns, _, hole) in holes(done) {
            let row = &mut S::all_mut(&mut bytes[alpha.row(y)]);
            let row = row[step * columns.start..step * columns.end].chunks_exact_mut(step);
            for (pixel, _) in row.zip(hole).filter(|(_, h)| **h == 1) {
                let alpha = &mut pixel[first];
                if sample.get(*alpha) < self.limit {
                    *alpha = sample.with(*alpha, self.opaque);
                }
            }
        }
    }
}

/// Makes all pixels of a frame opaque.
pub fn fill_opaque(samples: SampleFormat, bytes: &mut [u8], alpha: Component, info: &VideoInfo) {
    match samples {
        SampleFormat::Bytes => fill_samples(ByteSample, bytes, alpha, info),
        SampleFormat::Little(word) => fill_samples(word, bytes, alpha, info),
        SampleFormat::Big(word) => fill_samples(word, bytes, alpha, info),
    }
}

fn fill_samples<S: Sample>(sample: S, bytes: &mut [u8], alpha: Component, info: &VideoInfo) {
    let opaque = (1 << info.comp_depth(3)) - 1;
    let (step, first) = S::steps(alpha);
    for y in 0..info.height() as usize {
        for pixel in S::all_mut(&mut bytes[alpha.row(y)]).chunks_exact_mut(step) {
            pixel[first] = sample.with(pixel[first], opaque);
        }
    }
}
