//! Optical flow in files: `PIEH`, width and height as 32-bit integers, then x and y of each pixel, row
//! by row, as half-precision or as 32-bit floats, all little-endian. The length tells which.

use std::{fs, io::Write, path::Path};

use half::f16;

use super::{DataError, Size, images::taps};
use crate::files;

const MAGIC: &[u8; 4] = b"PIEH";

/// The optical flow between two frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    size: Size,
    /// x and y of each pixel, row by row, in pixels.
    vectors: Vec<[f32; 2]>,
}

/// The flows of a sequence of frames: `forward[t]` from frame t to t + 1, `backward[t]` from t + 1
/// to t.
#[derive(Clone, Debug, PartialEq)]
pub struct Flows {
    /// From each frame to the next.
    pub forward: Vec<Flow>,
    /// From each next frame back.
    pub backward: Vec<Flow>,
}

impl Flow {
    /// Wraps x and y of each pixel.
    ///
    /// # Panics
    /// If their number is not that of the size.
    pub fn new(size: Size, vectors: Vec<[f32; 2]>) -> Self {
        assert_eq!(vectors.len(), size.pixels(), "vectors of a flow");
        Self { size, vectors }
    }

    /// Returns the size in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Returns x and y of each pixel, row by row, in pixels.
    pub fn vectors(&self) -> &[[f32; 2]] {
        &self.vectors
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, is no flow, or has a value that is not finite.
    pub fn read(file: &Path) -> Result<Self, DataError> {
        let bytes = fs::read(file).map_err(DataError::read(file))?;
        Self::of_bytes(&bytes).map_err(|problem| DataError::file(file, problem))
    }

    fn of_bytes(bytes: &[u8]) -> Result<Self, String> {
        let header = bytes
            .split_first_chunk::<12>()
            .filter(|(header, _)| header.starts_with(MAGIC));
        let (header, values) =
            header.ok_or("this is no file of optical flow: it does not begin with PIEH")?;
        let side = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            usize::try_from(i32::from_le_bytes(bytes)).unwrap_or(0)
        };
        let size = Size::new(side(4), side(8));
        let pixels = size.width.checked_mul(size.height).unwrap_or(0);
        let floats: Vec<f32> = match values.len() {
            0 => Vec::new(),
            length if Some(length) == pixels.checked_mul(4) => {
                let values = values.chunks_exact(2);
                values
                    .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
                    .collect()
            }
            length if Some(length) == pixels.checked_mul(8) => {
                let values = values.chunks_exact(4);
                values
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect()
            }
            _ => Vec::new(),
        };
        if floats.is_empty() {
            let length = values.len();
            return Err(format!(
                "the file states {size} pixels, to which its {length} bytes do not fit"
            ));
        }
        match floats.iter().all(|value| value.is_finite()) {
            true => Ok(Self::new(
                size,
                floats.chunks_exact(2).map(|v| [v[0], v[1]]).collect(),
            )),
            false => Err("the flow has a value that is not finite".to_owned()),
        }
    }

    /// Writes a file in half precision. It appears complete or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), DataError> {
        let mut bytes = MAGIC.to_vec();
        for side in [self.size.width, self.size.height] {
            bytes.extend((side as i32).to_le_bytes());
        }
        let values = self.vectors.iter().flatten();
        bytes.extend(values.flat_map(|&value| f16::from_f32(value).to_le_bytes()));
        files::replace(file, |part| part.write_all(&bytes)).map_err(DataError::write(file))
    }

    /// Returns the flow of frames of another size: interpolated bilinearly, x and y in pixels of
    /// that size.
    pub fn resized(&self, size: Size) -> Self {
        if size == self.size {
            return self.clone();
        }
        let scale = [
            size.width as f32 / self.size.width as f32,
            size.height as f32 / self.size.height as f32,
        ];
        let columns = taps(self.size.width, size.width);
        let mut vectors = Vec::with_capacity(size.pixels());
        for (above, below, down) in taps(self.size.height, size.height) {
            for &(left, right, across) in &columns {
                vectors.push(std::array::from_fn(|axis| {
                    let at = |y: usize, x: usize| self.vectors[y * self.size.width + x][axis];
                    let mean = |y: usize| at(y, left) + across * (at(y, right) - at(y, left));
                    scale[axis] * (mean(above) + down * (mean(below) - mean(above)))
                }));
            }
        }
        Self { size, vectors }
    }

    /// Returns the flow of the frames mirrored left to right: mirrored, with the opposite x.
    pub fn mirrored(&self) -> Self {
        let rows = self.vectors.chunks_exact(self.size.width);
        let vectors = rows.flat_map(|row| row.iter().rev().map(|&[x, y]| [-x, y]));
        Self {
            size: self.size,
            vectors: vectors.collect(),
        }
    }
}

impl Flows {
    /// Reads the flows of frames with these names at a size, `A_B_f.flo` and `B_A_b.flo` for a frame A
    /// and the next one B.
    ///
    /// # Errors
    /// A file cannot be read or is no flow.
    pub fn read(folder: &Path, names: &[String], size: Size) -> Result<Self, DataError> {
        let flow = |from: &str, to: &str, end: &str| {
            let flow = Flow::read(&folder.join(format!("{from}_{to}_{end}.flo")))?;
            Ok(flow.resized(size))
        };
        let pairs = || names.windows(2);
        Ok(Self {
            forward: pairs()
                .map(|pair| flow(&pair[0], &pair[1], "f"))
                .collect::<Result<_, _>>()?,
            backward: pairs()
                .map(|pair| flow(&pair[1], &pair[0], "b"))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Writes the files that [`Flows::read`] reads.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, folder: &Path, names: &[String]) -> Result<(), DataError> {
        fs::create_dir_all(folder).map_err(DataError::write(folder))?;
        for (pair, (forward, backward)) in names
            .windows(2)
            .zip(self.forward.iter().zip(&self.backward))
        {
            forward.write(&folder.join(format!("{}_{}_f.flo", pair[0], pair[1])))?;
            backward.write(&folder.join(format!("{}_{}_b.flo", pair[1], pair[0])))?;
        }
        Ok(())
    }

    /// Reverses the time: the last frame becomes the first.
    pub fn reverse(&mut self) {
        self.forward.reverse();
        self.backward.reverse();
        std::mem::swap(&mut self.forward, &mut self.backward);
    }

    /// Mirrors every flow left to right.
    pub fn mirror(&mut self) {
        for flow in self.forward.iter_mut().chain(&mut self.backward) {
            *flow = flow.mirrored();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(size: Size) -> Flow {
        let vector = |i: usize| [(i % size.width) as f32, 2.0 * (i / size.width) as f32];
        Flow::new(size, (0..size.pixels()).map(vector).collect())
    }

    #[test]
    fn both_precisions_are_told_apart_by_the_length() {
        let flow = Flow::new(Size::new(2, 1), vec![[1.5, -2.25], [0.1, 300.0]]);
        let header = [
            b"PIEH".as_slice(),
            &2_i32.to_le_bytes(),
            &1_i32.to_le_bytes(),
        ]
        .concat();
        let values = flow.vectors().as_flattened();
        let full = values.iter().flat_map(|value| value.to_le_bytes());
        let half = values
            .iter()
            .flat_map(|&value| f16::from_f32(value).to_le_bytes());
        let full: Vec<u8> = header.iter().copied().chain(full).collect();
        let half: Vec<u8> = header.iter().copied().chain(half).collect();
        assert_eq!(Flow::of_bytes(&full), Ok(flow.clone()));
        let read = Flow::of_bytes(&half).unwrap();
        assert_eq!(read.vectors(), [[1.5, -2.25], [0.099_975_586, 300.0]]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.flo");
        flow.write(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), half);

        for (bytes, says) in [
            (&full[..11], "begin with PIEH"),
            (&full[..12], "do not fit"),
            (&full[..27], "do not fit"),
            (
                b"RIEH\x01\x00\x00\x00\x01\x00\x00\x00".as_slice(),
                "begin with PIEH",
            ),
            (
                b"PIEH\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",
                "do not fit",
            ),
            (
                b"PIEH\xff\xff\xff\x7f\xff\xff\xff\x7f\x00\x00\x00\x00",
                "do not fit",
            ),
        ] {
            let problem = Flow::of_bytes(bytes).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
        let mut bad = full.clone();
        bad[12..16].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(Flow::of_bytes(&bad).unwrap_err().contains("not finite"));
    }

    #[test]
    fn sizes_scale_both_axes_by_their_own_ratio() {
        let flow = ramp(Size::new(8, 4)).resized(Size::new(4, 8));
        // Pixel (1, 2): the centre lies at x = 2.5, y = 0.75 of the source.
        let [x, y] = flow.vectors()[2 * 4 + 1];
        assert!(
            (x - 2.5 * 0.5).abs() < 1e-6 && (y - 1.5 * 2.0).abs() < 1e-6,
            "{x} {y}"
        );
    }

    #[test]
    fn reversal_swaps_the_directions_and_mirrors_negate_x() {
        let size = Size::new(3, 1);
        let constant = |x: f32| Flow::new(size, vec![[x, 1.0], [x + 0.5, 1.0], [x, 1.0]]);
        let mut flows = Flows {
            forward: vec![constant(1.0), constant(2.0)],
            backward: vec![constant(-1.0), constant(-2.0)],
        };
        flows.reverse();
        assert_eq!(flows.forward, [constant(-2.0), constant(-1.0)]);
        assert_eq!(flows.backward, [constant(2.0), constant(1.0)]);
        let flow = Flow::new(size, vec![[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]);
        assert_eq!(
            flow.mirrored().vectors(),
            [[-3.0, 7.0], [-2.0, 6.0], [-1.0, 5.0]]
        );
    }
}
