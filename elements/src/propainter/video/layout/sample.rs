//! How one sample is stored: in a byte, or in a word that may have bits beside it.

use gst_video::{VideoFormat, VideoFormatFlags, VideoInfo};

use crate::propainter::video::layout::Component;

/// Reads and replaces samples of one kind.
pub trait Sample: Copy {
    type Raw: Copy + Default;

    fn all(bytes: &[u8]) -> &[Self::Raw];

    fn all_mut(bytes: &mut [u8]) -> &mut [Self::Raw];

    fn get(self, raw: Self::Raw) -> i32;

    /// Returns `raw` with another value; bits beside the sample stay.
    fn with(self, raw: Self::Raw, value: i32) -> Self::Raw;

    /// Gives the sample whose first byte is `at` another value.
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
pub struct Eight;

impl Sample for Eight {
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
pub struct Word<const BIG: bool> {
    /// Number of bits below the sample.
    shift: u32,
    /// The largest sample.
    most: u16,
}

impl<const BIG: bool> Word<BIG> {
    pub fn new(depth: u32, shift: u32) -> Self {
        let most = u16::MAX >> (16 - depth);
        Self { shift, most }
    }

    /// Returns the `bits` upper bits of the sample as a sample, where it has more.
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

impl<const BIG: bool> Sample for Word<BIG> {
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
pub enum Stored {
    Bytes,
    Little(Word<false>),
    Big(Word<true>),
}

impl Stored {
    /// Returns how [`super::bit_fields`] stores samples of so many bits.
    pub fn unpacked(depth: u32) -> Self {
        Self::Little(Word::new(depth, 0))
    }

    /// Returns how the format's samples are stored; `None` for fewer than 8 bits or more
    /// than 16.
    pub fn of(info: &VideoInfo) -> Option<Self> {
        let format = info.format();
        let (depth, shift) = match format {
            // GStreamer 1.22 says 0 bits below the sample, and packs with 6.
            VideoFormat::Y210 => (10, 6),
            _ => (info.comp_depth(0), info.format_info().shift()[0]),
        };
        // These two have no flag and are little-endian.
        let little = matches!(format, VideoFormat::Y210 | VideoFormat::V216)
            || info.format_info().flags().contains(VideoFormatFlags::LE);
        match (depth, depth + shift) {
            (8, 8) => Some(Self::Bytes),
            (9.., ..=16) if little => Some(Self::Little(Word::new(depth, shift))),
            (9.., ..=16) => Some(Self::Big(Word::new(depth, shift))),
            _ => None,
        }
    }

    /// Returns the form that reads the `bits` upper bits where a sample has more.
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
        let high = Word::<false>::new(10, 6);
        assert_eq!(high.get([0x40, 0x80]), 0x201);
        assert_eq!(high.with([0x3f, 0xff], 1), [0x7f, 0x00]);
        let low = Word::<true>::new(12, 0);
        assert_eq!(low.get([0xf1, 0x23]), 0x123);
        assert_eq!(low.with([0xf1, 0x23], 0xabc), [0xfa, 0xbc]);
    }

    #[test]
    fn the_upper_bits_of_a_sample_are_a_sample() {
        let all = Word::<false>::new(16, 0);
        assert_eq!(all.get([0x34, 0x12]), 0x1234);
        assert_eq!(all.upper(12).get([0x34, 0x12]), 0x123);
        let twelve = Word::<true>::new(12, 4);
        assert_eq!(twelve.upper(12).get([0x12, 0x34]), 0x123);
        assert_eq!(twelve.upper(10).get([0x12, 0x34]), 0x48);
    }
}
