//! Conversion between the bytes of frames and masks on the host and tensors on a device. To and from
//! a GPU only bytes travel; a kernel converts them there.

pub mod cube;
pub mod samples;
pub mod store;

use burn::tensor::{DType, Device, Int, Tensor, TensorData, Transaction};

use self::{
    samples::{DevicePart, joined_of},
    store::Slot,
};
use super::device::is_cpu;
use crate::{Frame, Rect};

/// A frame and its masks.
#[derive(Clone, Copy, Debug)]
pub struct FrameBytes<'a> {
    /// The frame.
    pub frame: &'a Frame,
    /// Masks, 0 or 1, row by row.
    pub masks: &'a [&'a [u8]],
    /// The index of the mask whose pixels become 0 in the image.
    pub blank: Option<usize>,
}

impl FrameBytes<'_> {
    /// Returns height and width.
    fn size(&self) -> [usize; 2] {
        [self.frame.height(), self.frame.width()]
    }

    /// Returns the image `[1, 3, H, W]` in [−1, 1] and the masks `[1, 1, H, W]`, in order, as
    /// tensors of this data type.
    pub fn tensors(&self, device: &Device, dtype: DType) -> (Tensor<4>, Vec<Tensor<4>>) {
        let Some(joined) = self.on_gpu(device, dtype) else {
            return self.tensors_reference(device, dtype);
        };
        let masks = (0..self.masks.len()).map(|i| joined.clone().narrow(1, 3 + i, 1));
        (joined.clone().narrow(1, 0, 3), masks.collect())
    }

    /// Returns the image and the masks of [`Self::tensors`] joined along the channels,
    /// `[1, 3 + masks, H, W]`.
    pub fn joined(&self, device: &Device, dtype: DType) -> Tensor<4> {
        self.on_gpu(device, dtype).unwrap_or_else(|| {
            let (image, masks) = self.tensors_reference(device, dtype);
            let mut parts = vec![image];
            parts.extend(masks);
            Tensor::cat(parts, 1)
        })
    }

    /// Computes [`Self::joined`] on a GPU; returns `None` for the CPU device.
    fn on_gpu(&self, device: &Device, dtype: DType) -> Option<Tensor<4>> {
        let there = self.where_it_lies(device, dtype);
        there.or_else(|| cube::joined(self, device, dtype))
    }

    /// Computes [`Self::joined`] of a frame that lies on this device; returns `None` for others.
    fn where_it_lies(&self, device: &Device, dtype: DType) -> Option<Tensor<4>> {
        let frame = self.frame.device()?;
        let there = DevicePart {
            tensor: frame
                .pixels
                .memory
                .as_any()
                .downcast_ref::<Slot>()?
                .tensor(),
            samples: &frame.pixels.samples,
            size: frame.pixels.size,
            part: &frame.part,
        };
        let overlay = frame.overlay.as_ref();
        (there.tensor.device() == *device).then(|| joined_of(self, &there, overlay, dtype))?
    }

    /// Computes [`Self::tensors`] on the host.
    pub fn tensors_reference(&self, device: &Device, dtype: DType) -> (Tensor<4>, Vec<Tensor<4>>) {
        let masks = self.masks.iter();
        let masks = masks.map(|mask| plane_of(mask, self.size(), device).cast(dtype));
        (self.image(device).cast(dtype), masks.collect())
    }

    /// Converts the image on the host.
    fn image(&self, device: &Device) -> Tensor<4> {
        let [height, width] = self.size();
        let plane = width * height;
        let blank = self.blank.map(|index| self.masks[index]);
        let mut data = vec![0.0; 3 * plane];
        for (p, pixel) in self.frame.rgb().chunks_exact(3).enumerate() {
            if blank.is_some_and(|blank| blank[p] != 0) {
                continue;
            }
            for (channel, &value) in pixel.iter().enumerate() {
                data[channel * plane + p] = f32::from(value) / 255.0 * 2.0 - 1.0;
            }
        }
        Tensor::from_data(TensorData::new(data, [1, 3, height, width]), device)
    }
}

/// Converts a mask to floats on the host, `[1, 1, H, W]`.
fn plane_of(mask: &[u8], [height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let data: Vec<f32> = mask.iter().map(|&m| f32::from(m)).collect();
    Tensor::from_data(TensorData::new(data, [1, 1, height, width]), device)
}

/// A mask on a device, 1 inside.
#[derive(Clone, Debug)]
pub enum MaskTensor {
    /// Floats, `[1, 1, H, W]`.
    Floats(Tensor<4>),
    /// The bytes as they lie on the host, `[1, 1, H, W]`. GPU forms read them.
    Bytes(Tensor<4, Int>),
}

impl MaskTensor {
    /// Copies a mask of `size` (height and width) to a device: as floats to the CPU device, as bytes
    /// to a GPU.
    pub fn upload(mask: &[u8], size: [usize; 2], device: &Device) -> Self {
        if is_cpu(device) {
            return Self::Floats(plane_of(mask, size, device));
        }
        // One axis: rows would be padded.
        let data = TensorData::new(mask.to_vec(), [mask.len()]);
        let mask: Tensor<1, Int> = Tensor::from_data(data, (device, DType::U8));
        Self::Bytes(mask.reshape([1, 1, size[0], size[1]]))
    }

    /// Returns the mask as floats.
    pub fn floats(self) -> Tensor<4> {
        match self {
            Self::Floats(mask) => mask,
            Self::Bytes(mask) => mask.float(),
        }
    }
}

impl From<Tensor<4>> for MaskTensor {
    fn from(mask: Tensor<4>) -> Self {
        Self::Floats(mask)
    }
}

/// How a number is made a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest.
    Nearest,
    /// Towards zero, as the official procedure does with the generator's output.
    Down,
}

impl Rounding {
    /// Converts a value in [−1, 1] to a byte.
    fn byte(self, value: f32) -> u8 {
        match self {
            Self::Nearest => ((value + 1.0) * 127.5).round() as u8,
            Self::Down => ((value + 1.0) / 2.0 * 255.0) as u8,
        }
    }
}

/// Converts the part `area` of images `[B, 3, H, W]` in [−1, 1], and of masks `[B, 1, H, W]` if there
/// are some, to bytes on their device, image by image: RGB, pixel by pixel, then the mask, 1 where it
/// is above a half. Returns `None` if they are not on a CubeCL device. [`read_bytes`] brings them to the host.
pub fn bytes_on_gpu(
    image: &Tensor<4>,
    mask: Option<&Tensor<4>>,
    area: &Rect,
    rounding: Rounding,
) -> Option<Tensor<1, Int>> {
    cube::bytes(image, mask, area, rounding)
}

/// Copies tensors of bytes to the host, all with one wait. Errors of all earlier work on the device
/// surface here.
///
/// # Errors
/// What the device says, as text.
pub fn read_bytes(tensors: Vec<Tensor<1, Int>>) -> Result<Vec<Vec<u8>>, String> {
    let transaction = tensors
        .into_iter()
        .fold(Transaction::default(), Transaction::register);
    let data = transaction
        .try_execute()
        .map_err(|error| format!("{error:?}"))?;
    let bytes = data.into_iter().map(|data| data.try_into_vec::<u8>());
    bytes
        .map(|bytes| bytes.map_err(|error| format!("{error:?}")))
        .collect()
}

/// Converts RGB values `[3, pixels]` in [−1, 1] on the host to bytes, pixel by pixel.
pub fn interleaved(image: &[f32], rounding: Rounding) -> Vec<u8> {
    let plane = image.len() / 3;
    let mut rgb = vec![0; image.len()];
    for (channel, values) in image.chunks_exact(plane.max(1)).enumerate() {
        for (pixel, &value) in rgb.chunks_exact_mut(3).zip(values) {
            pixel[channel] = rounding.byte(value);
        }
    }
    rgb
}
