//! Converts frames and masks between bytes on the host and tensors of the networks.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{Error, Frame, Mask, Rect};

/// Converts a frame to the tensor that the networks read, `[1, 3, H, W]` in [−1, 1].
pub fn frame(frame: &Frame, device: &Device) -> Tensor<4> {
    let (width, height) = (frame.width(), frame.height());
    planes(frame.rgb(), None, [height, width], device)
}

/// Converts a mask to a tensor `[1, 1, H, W]`, 1 in the hole.
pub fn mask(mask: &Mask, device: &Device) -> Tensor<4> {
    single(mask.hole(), [mask.height(), mask.width()], device)
}

/// A frame after image propagation. Its pixels come from source frames, so bytes hold them
/// without loss.
#[derive(Debug, PartialEq)]
pub struct PropagatedImage {
    rgb: Vec<u8>,
    hole: Mask,
    /// 1 where propagation reached no pixel.
    missing: Vec<u8>,
}

impl PropagatedImage {
    /// Returns a frame without a hole, which propagation does not change.
    pub fn unchanged(frame: &Frame, hole: &Mask) -> Self {
        Self {
            rgb: frame.rgb().to_vec(),
            hole: hole.clone(),
            missing: hole.hole().to_vec(),
        }
    }

    /// Reads an image `[1, 3, H, W]` and the mask `[1, 1, H, W]` of its missing pixels.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn read(image: Tensor<4>, missing: Tensor<4>, hole: &Mask) -> Result<Self, Error> {
        let missing = read(missing, "image propagation")?;
        Ok(Self {
            rgb: interleaved(&read(image, "image propagation")?, |v| {
                ((v + 1.0) * 127.5).round() as u8
            }),
            hole: hole.clone(),
            missing: missing.into_iter().map(|m| u8::from(m > 0.5)).collect(),
        })
    }

    /// Returns the image `[1, 3, H, W]`, 0 in the missing pixels, and the masks `[1, 1, H, W]` of
    /// the hole and of the missing pixels.
    pub fn tensors(&self, device: &Device) -> [Tensor<4>; 3] {
        let size = [self.hole.height(), self.hole.width()];
        [
            planes(&self.rgb, Some(&self.missing), size, device),
            mask(&self.hole, device),
            single(&self.missing, size, device),
        ]
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
        (self.rgb.len() + self.missing.len()) as u64
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

/// Converts images `[B, 3, H, W]` in [−1, 1] to bytes, pixel by pixel, truncated (spec section 7,
/// step 7).
///
/// # Errors
/// [`Error::Compute`] if the device fails.
pub fn to_bytes(images: Tensor<4>) -> Result<Vec<u8>, Error> {
    let [count, ..] = images.dims();
    let images = read(images, "the generator")?;
    let each = images.chunks_exact(images.len() / count);
    let bytes = each.map(|image| interleaved(image, |v| ((v + 1.0) / 2.0 * 255.0) as u8));
    Ok(bytes.collect::<Vec<_>>().concat())
}

/// Returns the part `area` of RGB bytes of the rectangle `held`, which contains it.
pub fn cropped(rgb: &[u8], held: &Rect, area: &Rect) -> Vec<u8> {
    let [_, width] = held.size();
    let columns = area.columns.start - held.columns.start..area.columns.end - held.columns.start;
    let rows = area.rows.start - held.rows.start..area.rows.end - held.rows.start;
    let rows = rows.map(|row| row * width);
    let lines = rows.map(|row| &rgb[3 * (row + columns.start)..3 * (row + columns.end)]);
    lines.collect::<Vec<_>>().concat()
}

fn interleaved(image: &[f32], byte: impl Fn(f32) -> u8) -> Vec<u8> {
    let plane = image.len() / 3;
    let mut rgb = vec![0; image.len()];
    for (channel, values) in image.chunks_exact(plane).enumerate() {
        for (pixel, &value) in rgb.chunks_exact_mut(3).zip(values) {
            pixel[channel] = byte(value);
        }
    }
    rgb
}

fn planes(
    rgb: &[u8],
    missing: Option<&[u8]>,
    [height, width]: [usize; 2],
    device: &Device,
) -> Tensor<4> {
    let plane = width * height;
    let mut data = vec![0.0; 3 * plane];
    for (p, pixel) in rgb.chunks_exact(3).enumerate() {
        if missing.is_some_and(|missing| missing[p] != 0) {
            continue;
        }
        for (channel, &value) in pixel.iter().enumerate() {
            data[channel * plane + p] = f32::from(value) / 255.0 * 2.0 - 1.0;
        }
    }
    Tensor::from_data(TensorData::new(data, [1, 3, height, width]), device)
}

fn single(mask: &[u8], [height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let data: Vec<f32> = mask.iter().map(|&m| f32::from(m)).collect();
    Tensor::from_data(TensorData::new(data, [1, 1, height, width]), device)
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
        let missing = mask(&hole, &device);
        let known = whole * (-missing.clone() + 1.0);
        let image = PropagatedImage::read(known.clone(), missing.clone(), &hole).unwrap();
        let [image, _, mask] = image.tensors(&device);
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
