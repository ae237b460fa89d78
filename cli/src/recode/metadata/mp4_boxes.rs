//! The boxes of MP4 and QuickTime files (ISO/IEC 14496-12) that GStreamer does not report.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// Whether a file holds things that GStreamer does not report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unreported {
    pub time_code: bool,
    pub chapters: bool,
}

impl Unreported {
    /// Reads a file of any kind; one without such boxes has neither.
    pub fn read(file: &Path) -> Self {
        let header = File::open(file).and_then(|mut file| movie_header(&mut file));
        let Ok((_, moov)) = header else {
            return Self::default();
        };
        let mut tracks = boxes(&moov, *b"trak").map(|(_, track)| track);
        let inside = |content, outer, inner| {
            boxes(content, outer).any(|(_, content)| boxes(content, inner).next().is_some())
        };
        Self {
            time_code: tracks.clone().any(|track| handles(track, *b"tmcd")),
            chapters: inside(&moov, *b"udta", *b"chpl")
                || tracks.any(|track| inside(track, *b"tref", *b"chap")),
        }
    }
}

/// Returns whether a track holds media of a kind: `vide`, `soun`, `tmcd`.
pub fn handles(track: &[u8], kind: [u8; 4]) -> bool {
    boxes(track, *b"mdia").any(|(_, media)| {
        boxes(media, *b"hdlr").any(|(_, handler)| handler.get(8..12) == Some(&kind[..]))
    })
}

/// Most bytes of a box `moov` that are read.
const MAX_MOOV_BYTES: u64 = 1 << 30;

/// Returns the content of the box `moov` after its offset in the file.
///
/// # Errors
/// The file cannot be read, is truncated, or has no such box.
pub fn movie_header(file: &mut (impl Read + Seek)) -> io::Result<(u64, Vec<u8>)> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    while at + 8 <= end {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 16];
        file.read_exact(&mut head[..8])?;
        let kind = [head[4], head[5], head[6], head[7]];
        let (size, header) = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            0 => (end - at, 8),
            1 => {
                file.read_exact(&mut head[8..])?;
                let [.., a, b, c, d, e, f, g, h] = head;
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 16)
            }
            size => (u64::from(size), 8),
        };
        let content = size.checked_sub(header);
        let content = content.filter(|_| size <= end - at);
        let content = content.ok_or_else(|| io::Error::other("the file is truncated"))?;
        if kind == *b"moov" && content <= MAX_MOOV_BYTES {
            let mut moov = vec![0; content as usize];
            file.read_exact(&mut moov)?;
            return Ok((at + header, moov));
        }
        at += size;
    }
    Err(io::Error::other("the file has no index"))
}

/// Returns the boxes of a kind in `content`: the offset of each one's own content, and that content.
pub fn boxes(content: &[u8], kind: [u8; 4]) -> impl Iterator<Item = (usize, &[u8])> + Clone {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let head = content.get(at..at + 8)?;
            let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let inner = content.get(at + 8..at.checked_add(size)?)?;
            let start = at + 8;
            at += size;
            if head[4..] == kind {
                return Some((start, inner));
            }
        }
    })
}
