//! The orientation of a video: GStreamer's tag, the filter that applies it, and the matrix of an MP4
//! track, which GStreamer's muxers do not write.

use std::{
    fs::OpenOptions,
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use super::mp4_boxes::{boxes, handles, movie_header};

/// A rotation or mirroring for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation {
    /// The `video-direction` of `videoflip` that makes the frames upright.
    pub direction: &'static str,
    /// The entries a, b, c, d of the matrix.
    matrix: [i32; 4],
}

impl Orientation {
    /// Reads GStreamer's tag `image-orientation`; `None` for upright frames.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let (direction, matrix) = match tag {
            "rotate-90" => ("90r", [0, 1, -1, 0]),
            "rotate-180" => ("180", [-1, 0, 0, -1]),
            "rotate-270" => ("90l", [0, -1, 1, 0]),
            "flip-rotate-0" => ("horiz", [-1, 0, 0, 1]),
            "flip-rotate-90" => ("ur-ll", [0, -1, -1, 0]),
            "flip-rotate-180" => ("vert", [1, 0, 0, -1]),
            "flip-rotate-270" => ("ul-lr", [0, 1, 1, 0]),
            _ => return None,
        };
        Some(Self { direction, matrix })
    }

    /// Returns whether it exchanges width and height.
    pub fn is_sideways(self) -> bool {
        self.matrix[0] == 0
    }

    /// Writes the matrix into the video track of a complete MP4 or QuickTime file. `size` is the
    /// width and height of its frames.
    ///
    /// # Errors
    /// The file cannot be read or written, or has no video track.
    pub fn write(self, file: &Path, size: (u32, u32)) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).open(file)?;
        let (start, moov) = movie_header(&mut file)?;
        let none = || io::Error::other("the new file has no video track");
        let at = video_track_matrix(&moov).ok_or_else(none)?;
        file.seek(SeekFrom::Start(start + at as u64))?;
        file.write_all(&self.bytes(size))
    }

    /// Returns the nine numbers of the matrix: a, b, u, c, d, v, x, y, w. The last column has 30
    /// fractional bits, the others 16. x and y move the frame back into view.
    fn bytes(self, (width, height): (u32, u32)) -> [u8; MATRIX_BYTES] {
        let [a, b, c, d] = self.matrix;
        let sides = (width.cast_signed(), height.cast_signed());
        let back = |by_width: i32, by_height: i32| {
            let moved = by_width.min(0) * sides.0 + by_height.min(0) * sides.1;
            -moved << 16
        };
        let numbers = [
            a << 16,
            b << 16,
            0,
            c << 16,
            d << 16,
            0,
            back(a, c),
            back(b, d),
            1 << 30,
        ];
        let mut bytes = [0; MATRIX_BYTES];
        for (to, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            to.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }
}

/// Bytes of the matrix.
const MATRIX_BYTES: usize = 36;

/// Returns the offset in `moov` of the first video track's matrix.
fn video_track_matrix(moov: &[u8]) -> Option<usize> {
    for (at, track) in boxes(moov, *b"trak") {
        if !handles(track, *b"vide") {
            continue;
        }
        let (header_at, header) = boxes(track, *b"tkhd").next()?;
        // Version 1 has times of 8 bytes.
        let matrix = match header.first()? {
            0 => 40,
            _ => 52,
        };
        header.get(matrix..matrix + MATRIX_BYTES)?;
        return Some(at + header_at + matrix);
    }
    None
}
