//! Caps and a buffer that claims to be of them.

use std::str::FromStr;

use gst_video::{VideoFormat, VideoFrameFlags, VideoInfo, VideoInterlaceMode, VideoMeta};
use propainter::Mask;
use propainter_elements::fuzz;

use super::SMALL;
use crate::{allocation::peak, fuzz::properties::init};

/// Pixels of the largest image that is filled; larger ones are only read.
const PIXELS: usize = 1 << 14;

/// Takes numbers off the front; zeros follow its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.0.len().min(N);
        let (front, rest) = self.0.split_at(taken);
        array[..taken].copy_from_slice(front);
        self.0 = rest;
        array
    }

    fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    fn half(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }
}

/// A line of caps, then: flags (1 a meta, 2 two memories, 4 wide numbers in the meta, 8 no
/// hole), the threshold of alpha, the buffer's size, where it is cut in two, the planes of the
/// meta with offset and stride of each, and what is repeated as its content.
pub fn caps(bytes: &[u8]) {
    init();
    let end = bytes.iter().position(|&byte| byte == b'\n');
    let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    let info = std::str::from_utf8(line)
        .ok()
        .filter(|text| !text.contains('\0'))
        .and_then(|text| gst::Caps::from_str(text).ok())
        .filter(|caps| caps.is_fixed())
        .and_then(|caps| VideoInfo::from_caps(&caps).ok());
    // Others are refused before a buffer comes.
    let taken = |info: &VideoInfo| {
        let mode = info.interlace_mode();
        mode == VideoInterlaceMode::Progressive || mode == VideoInterlaceMode::Mixed
    };
    let Some(info) = info.filter(taken) else {
        return;
    };
    let mut input = Input(rest.get(1..).unwrap_or_default());
    let (flags, see_through) = (input.byte(), input.byte());
    let mut buffer = buffer(&info, flags, &mut input);
    let Some(buffer) = buffer.get_mut() else {
        return;
    };
    check(
        &info,
        buffer,
        flags & 8 != 0,
        Some(see_through).filter(|t| *t > 0),
    );
}

fn buffer(info: &VideoInfo, flags: u8, input: &mut Input<'_>) -> gst::Buffer {
    let (size, cut) = (usize::from(input.half()), usize::from(input.half()));
    let (mut offsets, mut strides) = (vec![], vec![]);
    for _ in 0..input.byte() % 5 {
        if flags & 4 != 0 {
            offsets.push(u64::from_le_bytes(input.array()) as usize);
            strides.push(i32::from_le_bytes(input.array()));
        } else {
            offsets.push(input.half().into());
            strides.push(input.half().into());
        }
    }
    let content = if input.0.is_empty() { &[0] } else { input.0 };
    let content: Vec<u8> = content.iter().copied().cycle().take(size).collect();
    let cut = if flags & 2 != 0 { cut.min(size) } else { size };
    let mut buffer = gst::Buffer::from_mut_slice(content[..cut].to_vec());
    if let Some(buffer) = buffer.get_mut() {
        if cut < size {
            buffer.append_memory(gst::Memory::from_mut_slice(content[cut..].to_vec()));
        }
        let (width, height) = (info.width(), info.height());
        if flags & 1 != 0 {
            let flags = VideoFrameFlags::empty();
            // One that GStreamer refuses is one less to check.
            let _ = VideoMeta::add_full(
                buffer,
                flags,
                info.format(),
                width,
                height,
                &offsets,
                &strides,
            );
        }
    }
    buffer
}

fn check(info: &VideoInfo, buffer: &mut gst::BufferRef, empty: bool, see_through: Option<u8>) {
    let size = buffer.size();
    let (gray, most) = peak(|| {
        let gray = info.format() == VideoFormat::Gray8;
        fuzz::read(info, buffer, see_through);
        gray.then(|| fuzz::mask_luma(info, buffer)).flatten()
    });
    // 3 bytes a pixel, of a byte a pixel at least.
    assert!(
        most <= 16 * size + SMALL,
        "{most} bytes for a buffer of {size}"
    );
    let (width, height) = (info.width() as usize, info.height() as usize);
    if let Some(gray) = gray {
        assert_eq!(Mask::from_luma(width, height, gray).width(), width);
    }
    if width.saturating_mul(height) > PIXELS || width == 0 || height == 0 {
        return;
    }
    let bytes = |buffer: &gst::BufferRef| buffer.map_readable().expect("system memory").to_vec();
    let before = bytes(buffer);
    let hole = (0..width * height).map(|i| match empty {
        true => 0,
        false => u8::from((i % width / 3 + i / width / 3) % 2 == 0),
    });
    let hole = Mask::from_luma(width, height, hole.collect());
    let written = fuzz::write(info, buffer, hole, see_through);
    if empty || !written {
        assert!(bytes(buffer) == before, "nothing was to be written");
    }
}
