//! Converts frames and masks between bytes on the host and tensors of the networks.

use burn::tensor::{DType, Device, Int, Tensor};

use crate::{
    Error, Frame, Mask, Rect,
    kernels::{
        pixels::{FrameBytes, MaskTensor, Rounding, bytes_on_gpu, interleaved, read_bytes},
        propagation::FrameAndMask,
    },
};

/// The stages that images are read from.
const PROPAGATION: &str = "image propagation";
const GENERATOR: &str = "the generator";

/// Converts a frame to the tensor that the networks read, `[1, 3, H, W]` in [−1, 1].
pub fn frame(frame: &Frame, device: &Device) -> Tensor<4> {
    let bytes = FrameBytes {
        frame,
        masks: &[],
        blank: None,
    };
    bytes.tensors(device, DType::F32).0
}

/// Converts a frame to the tensor `[1, 3, H, W]` in [−1, 1], 0 in its hole, and the hole to a tensor
/// `[1, 1, H, W]`, 1 inside.
pub fn known(frame: &Frame, hole: &Mask, device: &Device) -> FrameAndMask {
    let bytes = FrameBytes {
        frame,
        masks: &[hole.hole()],
        blank: Some(0),
    };
    let (image, mut masks) = bytes.tensors(device, DType::F32);
    (image, masks.remove(0))
}

/// Copies a mask to a device, `[1, 1, H, W]`, 1 in the hole.
pub fn mask(mask: &Mask, device: &Device) -> MaskTensor {
    MaskTensor::upload(mask.hole(), [mask.height(), mask.width()], device)
}

/// A frame after image propagation. Its pixels come from source frames, so bytes hold them
/// without loss.
#[derive(Debug, PartialEq)]
pub struct PropagatedImage {
    frame: Frame,
    hole: Mask,
    /// 1 where propagation reached no pixel.
    missing: Vec<u8>,
}

impl PropagatedImage {
    /// Returns a frame without a hole, which propagation does not change.
    pub fn unchanged(frame: &Frame, hole: &Mask) -> Self {
        Self {
            frame: frame.clone(),
            hole: hole.clone(),
            missing: hole.hole().to_vec(),
        }
    }

    /// Reads an image `[1, 3, H, W]` and the mask `[1, 1, H, W]` of its missing pixels.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn read(image: Tensor<4>, missing: Tensor<4>, hole: &Mask) -> Result<Self, Error> {
        let missing = read(missing, PROPAGATION)?;
        Ok(Self {
            frame: Frame::new(
                hole.width(),
                hole.height(),
                interleaved(&read(image, PROPAGATION)?, Rounding::Nearest),
            ),
            hole: hole.clone(),
            missing: missing.into_iter().map(|m| u8::from(m > 0.5)).collect(),
        })
    }

    /// Returns `frame` with the bytes of the bounding box of its hole as propagation left them: RGB,
    /// then 1 where a pixel is missing.
    fn updated(frame: &Frame, hole: &Mask, bytes: &[u8]) -> Self {
        let (width, area) = (hole.width(), hole.bounding_box());
        let mut missing = vec![0; hole.hole().len()];
        let (pixels, flags) = bytes.split_at(3 * area.pixels());
        let lines = flags.chunks_exact(area.columns.len().max(1));
        for (row, flags) in area.rows.clone().zip(lines) {
            let start = row * width + area.columns.start;
            missing[start..][..flags.len()].copy_from_slice(flags);
        }
        Self {
            frame: frame.with_fill(hole, &area, pixels.to_vec()),
            hole: hole.clone(),
            missing,
        }
    }

    /// Returns the image `[1, 3, H, W]`, 0 in the missing pixels, and the masks `[1, 1, H, W]` of
    /// the hole and of the missing pixels, in this data type.
    pub fn tensors(&self, device: &Device, dtype: DType) -> [Tensor<4>; 3] {
        let both = [self.hole.hole(), &self.missing];
        let (image, mut masks) = self.frame_bytes(&both).tensors(device, dtype);
        let missing = masks.remove(1);
        [image, masks.remove(0), missing]
    }

    /// Returns [`Self::tensors`] joined along the channels, `[1, 5, H, W]`.
    pub fn joined(&self, device: &Device, dtype: DType) -> Tensor<4> {
        let both = [self.hole.hole(), &self.missing];
        self.frame_bytes(&both).joined(device, dtype)
    }

    fn frame_bytes<'a>(&'a self, masks: &'a [&'a [u8]; 2]) -> FrameBytes<'a> {
        FrameBytes {
            frame: &self.frame,
            masks,
            blank: Some(1),
        }
    }

    /// Returns the hole, then the missing pixels, at quarter scale, row by row.
    pub fn quarters(&self) -> impl Iterator<Item = f32> {
        let width = self.hole.width();
        let both = [self.hole.hole(), &self.missing];
        both.into_iter().flat_map(move |mask| quarter(mask, width))
    }

    /// Returns height and width at quarter scale.
    pub fn quarter_size(&self) -> [usize; 2] {
        [self.hole.height() / 4, self.hole.width() / 4]
    }

    /// Returns the bytes that it does not share. It shares the hole with the source frame as long
    /// as that is held.
    pub fn bytes(&self) -> u64 {
        (self.frame.host_bytes() + self.missing.len()) as u64
    }
}

/// A rectangle of a frame.
pub struct Patch {
    /// Index of the frame.
    pub index: usize,
    pub area: Rect,
    /// RGB bytes.
    pub rgb: Vec<u8>,
}

/// Returns the first pixel of each 4×4 block of a mask.
fn quarter(mask: &[u8], width: usize) -> impl Iterator<Item = f32> {
    let rows = mask.chunks_exact(width).step_by(4);
    rows.flat_map(|row| row.iter().step_by(4).map(|&m| f32::from(m)))
}

/// Images on their way from the device to the host. On a GPU they travel together, when the stage
/// ends, so that the host does not wait for each of them.
#[derive(Debug)]
pub struct Downloads<T> {
    /// Bytes on the device, and what is known of them.
    waiting: Vec<(T, Tensor<1, Int>)>,
    stage: &'static str,
}

impl<T> Downloads<T> {
    /// Starts the downloads of a stage.
    pub fn new(stage: &'static str) -> Self {
        let waiting = Vec::new();
        Self { waiting, stage }
    }

    /// Converts an image to bytes on the device and keeps them; returns the tag if the image is on
    /// the CPU device. The arguments are those of [`bytes_on_gpu`].
    fn take(
        &mut self,
        tag: T,
        image: &Tensor<4>,
        mask: Option<&Tensor<4>>,
        area: &Rect,
        rounding: Rounding,
    ) -> Option<T> {
        match bytes_on_gpu(image, mask, area, rounding) {
            Some(bytes) => {
                self.waiting.push((tag, bytes));
                None
            }
            None => Some(tag),
        }
    }

    /// Waits for all images. Errors of all earlier work on the device surface here.
    fn read(self) -> Result<Vec<(T, Vec<u8>)>, Error> {
        if self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        let (tags, tensors): (Vec<_>, Vec<_>) = self.waiting.into_iter().unzip();
        let stage = self.stage;
        let bytes = read_bytes(tensors).map_err(|problem| Error::Compute { stage, problem })?;
        Ok(tags.into_iter().zip(bytes).collect())
    }
}

/// The propagated frames of a stage, in order.
pub struct PropagatedImages<'a> {
    done: Vec<PropagatedImage>,
    downloads: Downloads<(&'a Frame, &'a Mask)>,
}

impl<'a> PropagatedImages<'a> {
    pub fn new() -> Self {
        Self {
            done: Vec::new(),
            downloads: Downloads::new(PROPAGATION),
        }
    }

    /// Takes the next frame as propagation left it: the image `[1, 3, H, W]` and the mask
    /// `[1, 1, H, W]` of its missing pixels.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn push(
        &mut self,
        source: (&'a Frame, &'a Mask),
        image: Tensor<4>,
        missing: Tensor<4>,
    ) -> Result<(), Error> {
        let hole = source.1;
        let area = match hole.is_empty() {
            // Some pixel, because no kernel runs for none.
            true => Rect::new([0..1, 0..1]),
            false => hole.bounding_box(),
        };
        let downloads = &mut self.downloads;
        if downloads
            .take(source, &image, Some(&missing), &area, Rounding::Nearest)
            .is_some()
        {
            self.done.push(PropagatedImage::read(image, missing, hole)?);
        }
        Ok(())
    }

    /// Returns all frames.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn finish(self) -> Result<Vec<PropagatedImage>, Error> {
        let mut done = self.done;
        let read = self.downloads.read()?.into_iter();
        done.extend(read.map(|((frame, hole), bytes)| match hole.is_empty() {
            true => PropagatedImage::unchanged(frame, hole),
            false => PropagatedImage::updated(frame, hole, &bytes),
        }));
        Ok(done)
    }
}

/// The parts of frames that a window generated.
pub struct Patches {
    done: Vec<Patch>,
    downloads: Downloads<Batch>,
}

/// Frames that were generated at once.
struct Batch {
    /// The index of the first frame.
    first: usize,
    /// The part of each frame that is wanted.
    wanted: Vec<Rect>,
    /// The part that was generated.
    area: Rect,
}

impl Batch {
    /// Returns the part that is wanted of each frame. `bytes` are the RGB bytes of all frames.
    fn patches(self, bytes: &[u8]) -> impl Iterator<Item = Patch> {
        let images = bytes.chunks_exact(3 * self.area.pixels());
        let frames = self.wanted.into_iter().zip(images).enumerate();
        frames.map(move |(t, (area, rgb))| Patch {
            index: self.first + t,
            rgb: cropped(rgb, &self.area, &area),
            area,
        })
    }
}

impl Patches {
    pub fn new() -> Self {
        Self {
            done: Vec::new(),
            downloads: Downloads::new(GENERATOR),
        }
    }

    /// Takes the part `area` of consecutive frames from `first` on, images `[B, 3, rows, columns]` in
    /// [−1, 1]; `wanted` of each of them is kept. Bytes are truncated (spec section 7, step 7).
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn push(
        &mut self,
        first: usize,
        wanted: Vec<Rect>,
        area: Rect,
        images: Tensor<4>,
    ) -> Result<(), Error> {
        let whole = Rect::whole(area.size());
        let batch = Batch {
            first,
            wanted,
            area,
        };
        let taken = self
            .downloads
            .take(batch, &images, None, &whole, Rounding::Down);
        if let Some(batch) = taken {
            let images = read(images, GENERATOR)?;
            let images = images.chunks_exact(3 * batch.area.pixels());
            let bytes = images.map(|image| interleaved(image, Rounding::Down));
            let bytes = bytes.collect::<Vec<_>>().concat();
            self.done.extend(batch.patches(&bytes));
        }
        Ok(())
    }

    /// Returns all parts.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn finish(self) -> Result<Vec<Patch>, Error> {
        let mut done = self.done;
        for (batch, bytes) in self.downloads.read()? {
            done.extend(batch.patches(&bytes));
        }
        Ok(done)
    }
}

/// Returns the part `area` of RGB bytes of the rectangle `held`, which contains it.
fn cropped(rgb: &[u8], held: &Rect, area: &Rect) -> Vec<u8> {
    let [_, width] = held.size();
    let left = area.columns.start - held.columns.start;
    let rows = area.rows.clone().map(|row| row - held.rows.start);
    let lines = rows.map(|row| &rgb[3 * (row * width + left)..][..3 * area.columns.len()]);
    lines.collect::<Vec<_>>().concat()
}

/// Copies a tensor to the host as `f32`. Errors of all earlier work on the device surface here.
fn read(tensor: Tensor<4>, stage: &'static str) -> Result<Vec<f32>, Error> {
    tensor.try_into_vec_as().map_err(|error| Error::Compute {
        stage,
        problem: format!("{error:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn propagated_images_come_back_to_the_bit() {
        let device = Device::flex();
        let rgb: Vec<u8> = (0..=255).chain(0..=255).chain(0..=255).collect();
        let frame = Frame::new(16, 16, rgb);
        let whole = super::frame(&frame, &device);
        let hole: Vec<u8> = (0..256).map(|p| u8::from(p % 5 == 0)).collect();
        let hole = Mask::from_luma(16, 16, hole);
        let missing = mask(&hole, &device).floats();
        let known = whole * (-missing.clone() + 1.0);
        let image = PropagatedImage::read(known.clone(), missing.clone(), &hole).unwrap();
        let [image, _, mask] = image.tensors(&device, DType::F32);
        let floats = |x: Tensor<4>| x.into_data().try_into_vec::<f32>().unwrap();
        // −0 and 0 are the same pixel.
        assert!(
            floats(image)
                .iter()
                .zip(floats(known))
                .all(|(a, b)| *a == b)
        );
        assert_eq!(floats(mask), floats(missing));
    }
}
