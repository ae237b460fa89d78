//! Where each sample is, bit by bit, written down a second time: from the formats' definitions,
//! not from the code that is tested. The tests of the whole element look here, too.

use std::ops::Range;

use gst_video::{VideoFormat, VideoInfo, VideoMeta};
use propainter::Mask;

/// One sample of a buffer and the pixels it covers.
#[derive(Clone, Debug)]
pub struct Spot {
    /// Its first bit: the least significant one, or where `big` the most significant one.
    bit: usize,
    pub depth: u32,
    big: bool,
    columns: Range<usize>,
    rows: Range<usize>,
}

impl Spot {
    /// Three bytes hold any sample; the buffer may end within them.
    fn window(&self, bytes: &[u8]) -> (usize, [u8; 4]) {
        let first = self.bit / 8;
        let mut window = [0; 4];
        for (to, from) in window.iter_mut().zip(&bytes[first..]) {
            *to = *from;
        }
        (first, window)
    }

    fn shift(&self) -> u32 {
        let within = (self.bit % 8) as u32;
        match self.big {
            true => 32 - within - self.depth,
            false => within,
        }
    }

    pub fn get(&self, bytes: &[u8]) -> u32 {
        let (_, window) = self.window(bytes);
        let word = match self.big {
            true => u32::from_be_bytes(window),
            false => u32::from_le_bytes(window),
        };
        (word >> self.shift()) & ((1 << self.depth) - 1)
    }

    /// Puts a value in the sample's place; bits beside it stay.
    pub fn put(&self, bytes: &mut [u8], value: u32) {
        let (first, window) = self.window(bytes);
        let mask = ((1 << self.depth) - 1) << self.shift();
        let put = |word: u32| word & !mask | value << self.shift();
        let window = match self.big {
            true => put(u32::from_be_bytes(window)).to_be_bytes(),
            false => put(u32::from_le_bytes(window)).to_le_bytes(),
        };
        for (to, from) in bytes[first..].iter_mut().zip(window) {
            *to = from;
        }
    }

    /// Returns the pixels of a frame of `width` that it covers.
    pub fn pixels(&self, width: usize) -> impl Iterator<Item = usize> {
        let columns = self.columns.clone();
        let rows = self.rows.clone();
        rows.flat_map(move |y| columns.clone().map(move |x| y * width + x))
    }

    pub fn is_hole(&self, hole: &Mask) -> bool {
        self.pixels(hole.width()).all(|p| hole.hole()[p] == 1)
    }
}

/// The bits of a group of samples, and those of them that belong to a component.
struct Group {
    bits: usize,
    firsts: Vec<usize>,
}

/// Samples in the order of their names, each `step` bits after the one before.
fn group(bits: usize, order: &str, first: impl Fn(usize) -> usize, name: char) -> Group {
    let named = order.chars().enumerate().filter(|(_, c)| *c == name);
    let firsts = named.map(|(i, _)| first(i)).collect();
    Group { bits, firsts }
}

/// Formats whose samples share bytes, and those that GStreamer 1.22 describes wrongly.
fn own(format: VideoFormat, component: u8) -> Option<Group> {
    let yuv = ['y', 'u', 'v', 'a'][usize::from(component)];
    let rgb = ['r', 'g', 'b', 'a'][usize::from(component)];
    let tens = |i: usize| 10 * i;
    let triples = |i: usize| 32 * (i / 3) + 10 * (i % 3);
    let high = |bits: usize| move |i: usize| 16 * i + 16 - bits;
    Some(match format {
        VideoFormat::V210 => group(128, "uyvyuyvyuyvy", triples, yuv),
        VideoFormat::Y410 => group(32, "uyva", tens, yuv),
        VideoFormat::Rgb10a2Le => group(32, "rgba", tens, rgb),
        VideoFormat::Bgr10a2Le => group(32, "bgra", tens, rgb),
        VideoFormat::R210 => group(32, "rgb", |i| 2 + 10 * i, rgb),
        VideoFormat::Y210 => group(64, "yuyv", high(10), yuv),
        VideoFormat::Y212Le => group(64, "yuyv", high(12), yuv),
        VideoFormat::Y212Be => group(64, "yuyv", |i| 16 * i, yuv),
        VideoFormat::Y412Le => group(64, "uyva", high(12), yuv),
        VideoFormat::Y412Be => group(64, "uyva", |i| 16 * i, yuv),
        VideoFormat::Vyuy => group(32, "vyuy", |i| 8 * i, yuv),
        VideoFormat::P01010le if component == 2 => group(32, "uv", high(10), yuv),
        VideoFormat::P012Le if component == 2 => group(32, "uv", high(12), yuv),
        VideoFormat::P01010be | VideoFormat::P012Be | VideoFormat::P016Be if component == 2 => {
            group(32, "uv", |i| 16 * i, yuv)
        }
        VideoFormat::P016Le if component == 2 => group(32, "uv", |i| 16 * i, yuv),
        _ => return None,
    })
}

/// Every sample of a component.
pub fn spots(info: &VideoInfo, buffer: &gst::BufferRef, component: u8) -> Vec<Spot> {
    let (format, details) = (info.format(), info.format_info());
    let index = usize::from(component);
    let name = format.to_str();
    let big = name.ends_with("BE") || format == VideoFormat::R210;
    let depth = info.comp_depth(component);
    let group = own(format, component).unwrap_or_else(|| Group {
        bits: 8 * info.comp_pstride(component) as usize,
        firsts: vec![8 * info.comp_poffset(component) as usize + details.shift()[index] as usize],
    });
    // Whose shift is counted from the other end.
    let group = match format {
        VideoFormat::P01010be | VideoFormat::P012Be if component < 2 => Group {
            firsts: vec![0],
            ..group
        },
        VideoFormat::I42010be
        | VideoFormat::I42210be
        | VideoFormat::Y44410be
        | VideoFormat::A42010be
        | VideoFormat::A42210be
        | VideoFormat::A44410be
        | VideoFormat::Gbr10be
        | VideoFormat::Gbra10be => Group {
            firsts: vec![6],
            ..group
        },
        VideoFormat::I42012be
        | VideoFormat::I42212be
        | VideoFormat::Y44412be
        | VideoFormat::Gbr12be
        | VideoFormat::Gbra12be => Group {
            firsts: vec![4],
            ..group
        },
        _ => group,
    };
    let plane = info.comp_plane(component) as usize;
    let meta = buffer.meta::<VideoMeta>();
    let (offset, stride) = match &meta {
        Some(meta) => (meta.offset()[plane], meta.stride()[plane] as usize),
        None => (info.offset()[plane], info.stride()[plane] as usize),
    };
    let (across, down) = (details.w_sub()[index], details.h_sub()[index]);
    let covered = |i: usize, by: u32, most: u32| (i << by)..(most as usize).min((i + 1) << by);
    let mut out = vec![];
    for y in 0..info.comp_height(component) as usize {
        for x in 0..info.comp_width(component) as usize {
            let in_group = group.firsts[x % group.firsts.len()];
            let groups = x / group.firsts.len();
            out.push(Spot {
                bit: 8 * (offset + y * stride) + groups * group.bits + in_group,
                depth,
                big,
                columns: covered(x, across, info.width()),
                rows: covered(y, down, info.height()),
            });
        }
    }
    out
}

/// Returns the number of components that have colour.
pub fn colors(info: &VideoInfo) -> u8 {
    info.n_components().min(3) as u8
}
