//! How one sample is stored: in a byte, or in a word that may have other bits beside it.

use gst_video::{VideoFormat, VideoFormatFlags, VideoInfo};

use crate::propainter::video::layout::Component;

/// Reads and replaces samples of one kind.
pub trait Sample: Copy {
    type Raw: Copy + Default;

    /// Returns the bytes as samples.
    fn all(bytes: &[u8]) -> &[Self::Raw];

    /// Returns the bytes as samples.
    fn all_mut(bytes: &mut [u8]) -> &mut [Self::Raw];

    /// Returns the value of a sample.
    fn get(self, raw: Self::Raw) -> i32;

    /// Returns `raw` with another value; bits beside the sample stay.
    fn with(self, raw: Self::Raw, value: i32) -> Self::Raw;

    /// Sets the sample whose first byte is `at`.
    fn put(self, bytes: &mut [u8], at: usize, value: i32) {
        let bytes = &mut bytes[at..at + size_of::<Self::Raw>()];
        let sample = &mut Self::all_mut(bytes)[0];
        *sample = self.with(*sample, value);
    }

    /// Returns a component's step and first sample, in samples.
    #[inline(always)]
    fn steps(component: Component) -> (usize, usize) {
        let size = size_of::<Self::Raw>();
        (component.step / size, component.first / size)
    }
}

/// A sample that is a byte.
#[derive(Clone, Copy, Debug)]
pub struct ByteSample;

impl Sample for ByteSample {
    type Raw = u8;

    #[inline(always)]
    fn all(bytes: &[u8]) -> &[u8] {
        bytes
    }

    #[inline(always)]
    fn all_mut(bytes: &mut [u8]) -> &mut [u8] {
        bytes
    }

    #[inline(always)]
    fn get(self, raw: u8) -> i32 {
        raw.into()
    }

    #[inline(always)]
    fn with(self, _: u8, value: i32) -> u8 {
        value as u8
    }
}

/// A sample within a word of 16 bits, which is big-endian or little-endian.
#[derive(Clone, Copy, Debug)]
pub struct WordSample<const BIG: bool> {
    /// Number of bits below the sample.
    shift: u32,
    /// The largest sample.
    most: u16,
}

impl<const BIG: bool> WordSample<BIG> {
    pub fn new(depth: u32, shift: u32) -> Self {
        let most = u16::MAX >> (16 - depth);
        Self { shift, most }
    }

    /// Returns the sample that has the `bits` upper bits of this one, if it has more.
    fn upper(self, bits: u32) -> Self {
        let surplus = (16 - self.most.leading_zeros()).saturating_sub(bits);
        Self {
            shift: self.shift + surplus,
            most: self.most >> surplus,
        }
    }

    #[inline(always)]
    fn word(raw: [u8; 2]) -> u16 {
        if BIG {
            u16::from_be_bytes(raw)
        } else {
            u16::from_le_bytes(raw)
        }
    }
}

impl<const BIG: bool> Sample for WordSample<BIG> {
    type Raw = [u8; 2];

    #[inline(always)]
    fn all(bytes: &[u8]) -> &[[u8; 2]] {
        bytes.as_chunks().0
    }

    #[inline(always)]
    fn all_mut(bytes: &mut [u8]) -> &mut [[u8; 2]] {
        bytes.as_chunks_mut().0
    }

    #[inline(always)]
    fn get(self, raw: [u8; 2]) -> i32 {
        ((Self::word(raw) >> self.shift) & self.most).into()
    }

    #[inline(always)]
    fn with(self, raw: [u8; 2], value: i32) -> [u8; 2] {
        let beside = Self::word(raw) & !(self.most << self.shift);
        let word = beside | ((value as u16 & self.most) << self.shift);
        if BIG {
            word.to_be_bytes()
        } else {
            word.to_le_bytes()
        }
    }
}

/// How the samples of a format are stored.
#[derive(Clone, Copy, Debug)]
pub enum SampleFormat {
    Bytes,
    Little(WordSample<false>),
    Big(WordSample<true>),
}

impl SampleFormat {
    /// Returns how [`super::bit_fields`] stores samples of `depth` bits.
    pub fn unpacked(depth: u32) -> Self {
        Self::Little(WordSample::new(depth, 0))
    }

    /// Returns how a format stores its samples; `None` for fewer than 8 or more than 16 bits.
    pub fn of(info: &VideoInfo) -> Option<Self> {
        let format = info.format();
        let (depth, shift) = match format {
            // GStreamer 1.22 describes 0 bits below the sample, but packs with 6.
            VideoFormat::Y210 => (10, 6),
            _ => (info.comp_depth(0), info.format_info().shift()[0]),
        };
        // These two lack the flag for little-endian.
        let little = matches!(format, VideoFormat::Y210 | VideoFormat::V216)
            || info.format_info().flags().contains(VideoFormatFlags::LE);
        match (depth, depth + shift) {
            (8, 8) => Some(Self::Bytes),
            (9.., ..=16) if little => Some(Self::Little(WordSample::new(depth, shift))),
            (9.., ..=16) => Some(Self::Big(WordSample::new(depth, shift))),
            _ => None,
        }
    }

    /// Returns the format that reads the `bits` upper bits of a sample if it has more.
    pub fn upper(self, bits: u32) -> Self {
        match self {
            Self::Bytes => Self::Bytes,
            Self::Little(word) => Self::Little(word.upper(bits)),
            Self::Big(word) => Self::Big(word.upper(bits)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beside_a_sample_stay() {
        let high = WordSample::<false>::new(10, 6);
        assert_eq!(high.get([0x40, 0x80]), 0x201);
        assert_eq!(high.with([0x3f, 0xff], 1), [0x7f, 0x00]);
        let low = WordSample::<true>::new(12, 0);
        assert_eq!(low.get([0xf1, 0x23]), 0x123);
        assert_eq!(low.with([0xf1, 0x23], 0xabc), [0xfa, 0xbc]);
    }

    #[test]
    fn the_upper_bits_of_a_sample_are_a_sample() {
        let all = WordSample::<false>::new(16, 0);
        assert_eq!(all.get([0x34, 0x12]), 0x1234);
        assert_eq!(all.upper(12).get([0x34, 0x12]), 0x123);
        let twelve = WordSample::<true>::new(12, 4);
        assert_eq!(twelve.upper(12).get([0x12, 0x34]), 0x123);
        assert_eq!(twelve.upper(10).get([0x12, 0x34]), 0x48);
    }
}
