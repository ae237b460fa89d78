//! Formats whose samples are bit fields in groups of bytes, such as v210. The rows in use are
//! unpacked to a plane of words for each component, and packed again after a change.

use std::ops::Range;

use gst_video::{VideoFormat, VideoInfo};

use crate::propainter::video::layout::{
    Component, Plane,
    error::InvalidBuffer,
    sample::{Sample, WordSample},
    too_small,
};

/// A bit field within the two bytes from `byte` on; `shift` bits of them are below it.
#[derive(Debug)]
struct Field {
    byte: usize,
    shift: u32,
}

const fn at(byte: usize, shift: u32) -> Field {
    Field { byte, shift }
}

/// How a format packs the samples of some pixels of a row into a group of bytes.
#[derive(Debug)]
pub struct Packing {
    /// Bytes of a group.
    group: usize,
    big: bool,
    /// The samples of each component in a group, from left to right.
    fields: [&'static [Field]; 4],
}

const NONE: &[Field] = &[];

/// Six pixels in four little-endian words of 32 bits, three samples in each.
static V210: Packing = Packing {
    group: 16,
    big: false,
    fields: [
        &[at(1, 2), at(4, 0), at(6, 4), at(9, 2), at(12, 0), at(14, 4)],
        &[at(0, 0), at(5, 2), at(10, 4)],
        &[at(2, 4), at(8, 0), at(13, 2)],
        NONE,
    ],
};

/// Three fields of 10 bits in a little-endian word, from the least significant on, and alpha.
const LOW: &[Field] = &[at(0, 0)];
const MIDDLE: &[Field] = &[at(1, 2)];
const HIGH: &[Field] = &[at(2, 4)];
const TOP: &[Field] = &[at(2, 14)];

const fn word32(fields: [&'static [Field]; 4]) -> Packing {
    Packing {
        group: 4,
        big: false,
        fields,
    }
}

static Y410: Packing = word32([MIDDLE, LOW, HIGH, TOP]);
static RGB10A2: Packing = word32([LOW, MIDDLE, HIGH, TOP]);
static BGR10A2: Packing = word32([HIGH, MIDDLE, LOW, TOP]);

/// Two unused bits, red, green and blue in a big-endian word.
static R210: Packing = Packing {
    group: 4,
    big: true,
    fields: [&[at(0, 4)], &[at(1, 2)], &[at(2, 0)], NONE],
};

impl Packing {
    /// Returns the packing of a format; `None` if each sample has bytes of its own.
    pub fn of(format: VideoFormat) -> Option<&'static Self> {
        match format {
            VideoFormat::V210 => Some(&V210),
            VideoFormat::Y410 => Some(&Y410),
            VideoFormat::Rgb10a2Le => Some(&RGB10A2),
            VideoFormat::Bgr10a2Le => Some(&BGR10A2),
            VideoFormat::R210 => Some(&R210),
            _ => None,
        }
    }

    /// Returns the number of bytes of a row, up to the last byte that a sample has a bit in.
    fn row(&self, info: &VideoInfo) -> usize {
        let end = |c: u8| {
            let fields = self.fields[usize::from(c)];
            let last = (info.comp_width(c) as usize).checked_sub(1)?;
            let field = fields.get(last % fields.len())?;
            Some(last / fields.len() * self.group + field.byte + 2)
        };
        let components = 0..info.n_components() as u8;
        components.filter_map(end).max().unwrap_or(0)
    }
}

/// A frame of bit fields, and its samples in planes.
pub struct Unpacked<'a> {
    packing: &'static Packing,
    info: &'a VideoInfo,
    plane: Plane,
    row: usize,
    pub bytes: Vec<u8>,
    components: Vec<Component>,
}

impl<'a> Unpacked<'a> {
    /// Finds the frame in a buffer. The planes are not filled yet.
    ///
    /// # Errors
    /// The buffer is too small for its caps.
    pub fn new(
        packing: &'static Packing,
        info: &'a VideoInfo,
        buffer: &gst::BufferRef,
    ) -> Result<Self, InvalidBuffer> {
        let row = packing.row(info);
        let height = info.height() as usize;
        let plane = Plane::of(info, buffer, 0)?;
        if !plane.holds(row, height, buffer.size()) {
            return Err(too_small(info, buffer));
        }
        let mut end = 0;
        let components = (0..info.n_components() as u8).map(|c| {
            let columns = info.comp_width(c) as usize;
            let component = Component {
                plane: end,
                stride: 2 * columns,
                step: 2,
                first: 0,
                columns,
            };
            end += 2 * columns * height;
            component
        });
        let components = components.collect();
        Ok(Self {
            packing,
            info,
            plane,
            row,
            bytes: vec![0; end],
            components,
        })
    }

    /// Returns where the samples of a component lie in the planes.
    pub fn component(&self, index: usize) -> Component {
        self.components[index]
    }

    /// Returns the number of components.
    pub fn components(&self) -> usize {
        self.components.len()
    }

    /// Fills these rows of the planes of some components.
    pub fn unpack(&mut self, packed: &[u8], components: Range<usize>, rows: Range<usize>) {
        if self.packing.big {
            self.unpack_words::<true>(packed, components, rows);
        } else {
            self.unpack_words::<false>(packed, components, rows);
        }
    }

    /// Packs these rows of the planes into the frame. Bits that belong to no sample stay.
    pub fn pack(&self, packed: &mut [u8], rows: Range<usize>) {
        if self.packing.big {
            self.pack_words::<true>(packed, rows);
        } else {
            self.pack_words::<false>(packed, rows);
        }
    }

    /// Returns the byte and the bit field of each sample within a group.
    fn words<const BIG: bool>(&self, component: usize) -> Vec<(usize, WordSample<BIG>)> {
        let depth = self.info.comp_depth(component as u8);
        let fields = self.packing.fields[component].iter();
        let word = |field: &Field| (field.byte, WordSample::new(depth, field.shift));
        fields.map(word).collect()
    }

    fn packed_row(&self, y: usize) -> Range<usize> {
        let start = self.plane.offset + y * self.plane.stride;
        start..start + self.row
    }

    fn unpack_words<const BIG: bool>(
        &mut self,
        packed: &[u8],
        components: Range<usize>,
        rows: Range<usize>,
    ) {
        for c in components {
            let component = self.components[c];
            let words = self.words::<BIG>(c);
            for y in rows.clone() {
                let groups = packed[self.packed_row(y)].chunks(self.packing.group);
                let (out, _) = self.bytes[component.row(y)].as_chunks_mut::<2>();
                for (out, group) in out.chunks_mut(words.len()).zip(groups) {
                    for (out, &(byte, word)) in out.iter_mut().zip(&words) {
                        let value = word.get([group[byte], group[byte + 1]]);
                        *out = (value as u16).to_le_bytes();
                    }
                }
            }
        }
    }

    fn pack_words<const BIG: bool>(&self, packed: &mut [u8], rows: Range<usize>) {
        for (c, &component) in self.components.iter().enumerate() {
            let words = self.words::<BIG>(c);
            for y in rows.clone() {
                let groups = packed[self.packed_row(y)].chunks_mut(self.packing.group);
                let (samples, _) = self.bytes[component.row(y)].as_chunks::<2>();
                for (samples, group) in samples.chunks(words.len()).zip(groups) {
                    for (&sample, &(byte, word)) in samples.iter().zip(&words) {
                        let value = u16::from_le_bytes(sample).into();
                        word.put(group, byte, value);
                    }
                }
            }
        }
    }
}
