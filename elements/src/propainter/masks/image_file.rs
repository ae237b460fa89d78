//! Image files that hold masks.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    path::Path,
};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    error::{ParameterError, ParameterErrorKind},
    metadata::Orientation as ExifOrientation,
};

use crate::propainter::masks::{
    luma_analysis::{LossyCodec, LumaAnalysis},
    orientation::Orientation,
    threshold::{GrayMask, GrayMaskInfo},
};

/// Largest size of an image in memory, in bytes: 8K in RGBA of 16 bits.
const MAX_BYTES: u64 = 256 << 20;

/// Number of bytes of a WebP file up to the name of its first chunk, inclusive.
const HEAD: u64 = 16;

/// Alpha that varies by no more than this is an accident, not a mask.
const ACCIDENTAL: u8 = 8;

/// The luma and the alpha of an image.
pub struct DecodedImage {
    size: (usize, usize),
    luma: Vec<u8>,
    alpha: Option<Vec<u8>>,
    orientation: Orientation,
    lossy: LossyCodec,
}

/// Which channel of an image is the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskChannel {
    /// The image has no alpha.
    OnlyLuma,
    /// The image has alpha that is the same everywhere.
    Luma,
    Alpha,
}

/// What is known of the images of one `mask-location`.
#[derive(Default)]
pub struct ImageTraits {
    pub luma: LumaAnalysis,
    /// Alpha was the mask of one image, and is the mask of all images from then on.
    alpha: bool,
}

/// Reads the image in a file.
///
/// # Errors
/// The file cannot be read, is no image of a known format, or is larger than [`MAX_BYTES`].
pub fn read(file: &Path) -> Result<DecodedImage, ImageError> {
    decode(BufReader::new(File::open(file)?))
}

/// Decodes an image, whose format its first bytes tell.
///
/// # Errors
/// See [`read`].
pub fn decode(mut file: impl BufRead + Seek) -> Result<DecodedImage, ImageError> {
    let mut head = Vec::with_capacity(HEAD as usize);
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    file.rewind()?;
    let image = ImageReader::new(file).with_guessed_format()?;
    let lossy = match image.format() {
        Some(ImageFormat::Jpeg) => LossyCodec::Yes,
        Some(ImageFormat::WebP) if head.ends_with(b"VP8 ") => LossyCodec::Yes,
        // It may hold either kind.
        Some(ImageFormat::WebP) if head.ends_with(b"VP8X") => LossyCodec::Maybe,
        _ => LossyCodec::No,
    };
    let mut decoder = image.into_decoder()?;
    if decoder.dimensions().0 == 0 || decoder.dimensions().1 == 0 {
        let kind = ParameterErrorKind::DimensionMismatch;
        return Err(ImageError::Parameter(ParameterError::from_kind(kind)));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder
        .orientation()
        .unwrap_or(ExifOrientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder)?;
    let size = (image.width() as usize, image.height() as usize);
    let (luma, alpha) = match image {
        DynamicImage::ImageLuma8(gray) => (gray.into_raw(), None),
        DynamicImage::ImageLumaA8(image) => split::<2, _>(&image),
        DynamicImage::ImageRgb8(image) => split::<3, _>(&image),
        DynamicImage::ImageRgba8(image) => split::<4, _>(&image),
        DynamicImage::ImageLuma16(image) => split::<1, _>(&image),
        DynamicImage::ImageLumaA16(image) => split::<2, _>(&image),
        DynamicImage::ImageRgb16(image) => split::<3, _>(&image),
        DynamicImage::ImageRgba16(image) => split::<4, _>(&image),
        other if other.color().has_alpha() => split::<4, _>(&other.into_rgba16()),
        other => split::<3, _>(&other.into_rgb16()),
    };
    Ok(DecodedImage {
        size,
        luma,
        alpha,
        orientation: Orientation::from_exif(orientation),
        lossy,
    })
}

impl DecodedImage {
    /// Returns the mask that the image holds, and the channel it is in. Alpha that varies is the
    /// mask, because only alpha tells where a logo on transparency is. `still` if the image is the
    /// only one of its source.
    pub fn into_gray(self, traits: &mut ImageTraits, still: bool) -> (GrayMask, MaskChannel) {
        let Self {
            size,
            mut luma,
            alpha,
            orientation,
            lossy,
        } = self;
        let mut info = GrayMaskInfo {
            orientation,
            still,
            ..GrayMaskInfo::default()
        };
        let mut channel = MaskChannel::OnlyLuma;
        if let Some(alpha) = alpha {
            let (least, most) = range(&alpha);
            channel = MaskChannel::Luma;
            traits.alpha |= most - least > ACCIDENTAL;
            // An image on which nothing is drawn yet is uniform in luma, too.
            let clear = most == 0 && range(&luma).0 == range(&luma).1;
            if traits.alpha || clear {
                return (
                    GrayMask::new(size.0, size.1, alpha, info),
                    MaskChannel::Alpha,
                );
            }
            info.unused_alpha = least < u8::MAX - ACCIDENTAL;
        }
        traits.luma.normalize(&mut luma, false, lossy);
        info.noise = traits.luma.noise();
        (GrayMask::new(size.0, size.1, luma, info), channel)
    }
}

/// Returns the least and the largest value.
fn range(values: &[u8]) -> (u8, u8) {
    values.iter().fold((u8::MAX, 0), |(least, most), &value| {
        (least.min(value), most.max(value))
    })
}

/// A sample of an image's pixel.
trait ImageSample: Copy {
    /// Returns the sample in 8 bits. A value above 0 never becomes 0, so that a mask of ones works in
    /// 16 bits, too.
    fn byte(self) -> u8;
    /// Returns the luma of a pixel in 8 bits.
    fn luma(rgb: [Self; 3]) -> u8;
}

impl ImageSample for u8 {
    fn byte(self) -> u8 {
        self
    }

    /// Rounds like Pillow's conversion to `L`, so that the same pixels are hole.
    fn luma([r, g, b]: [Self; 3]) -> u8 {
        let sum = u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471;
        ((sum + 0x8000) >> 16) as u8
    }
}

impl ImageSample for u16 {
    fn byte(self) -> u8 {
        let byte = ((u32::from(self) + 128) / 257) as u8;
        byte.max(u8::from(self > 0))
    }

    fn luma([r, g, b]: [Self; 3]) -> u8 {
        let sum = u64::from(r) * 19595 + u64::from(g) * 38470 + u64::from(b) * 7471;
        (((sum + 0x8000) >> 16) as u16).byte()
    }
}

/// Returns luma and alpha of pixels of `N` samples: gray, gray and alpha, RGB, RGBA.
fn split<const N: usize, S: ImageSample>(samples: &[S]) -> (Vec<u8>, Option<Vec<u8>>) {
    let pixels = samples.as_chunks::<N>().0.iter();
    let luma = |pixel: &[S; N]| match pixel[..] {
        [r, g, b, ..] => S::luma([r, g, b]),
        [gray, ..] => gray.byte(),
        [] => 0,
    };
    let alpha = N
        .is_multiple_of(2)
        .then(|| pixels.clone().map(|pixel| pixel[N - 1].byte()).collect());
    (pixels.map(luma).collect(), alpha)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};

    use super::*;

    fn gray_of(
        image: impl Into<DynamicImage>,
        traits: &mut ImageTraits,
    ) -> (Vec<u8>, MaskChannel, GrayMaskInfo) {
        let mut file = Cursor::new(vec![]);
        image.into().write_to(&mut file, ImageFormat::Png).unwrap();
        file.set_position(0);
        let image = decode(file).unwrap();
        let (gray, channel) = image.into_gray(traits, false);
        let info = *gray.info();
        (gray.luma().to_vec(), channel, info)
    }

    fn rgba(pixels: [[u8; 4]; 3]) -> DynamicImage {
        let pixels = pixels.concat();
        ImageBuffer::<Rgba<u8>, _>::from_raw(3, 1, pixels)
            .unwrap()
            .into()
    }

    #[test]
    fn alpha_that_varies_is_the_mask_otherwise_luma_is() {
        let cases = [
            // White, and a black logo, on transparency; a soft one.
            (
                [[255, 255, 255, 0], [255; 4], [255; 4]],
                [0, 255, 255],
                MaskChannel::Alpha,
            ),
            (
                [[0; 4], [0, 0, 0, 255], [0; 4]],
                [0, 255, 0],
                MaskChannel::Alpha,
            ),
            (
                [[9, 9, 9, 0], [9, 9, 9, 102], [9, 9, 9, 30]],
                [0, 102, 30],
                MaskChannel::Alpha,
            ),
            // Opaque, translucent everywhere, and an accident.
            (
                [[0, 0, 0, 255], [255; 4], [0, 0, 0, 255]],
                [0, 255, 0],
                MaskChannel::Luma,
            ),
            (
                [[0, 0, 0, 99], [255, 255, 255, 99], [0, 0, 0, 99]],
                [0, 255, 0],
                MaskChannel::Luma,
            ),
            (
                [[0, 0, 0, 255], [255, 255, 255, 250], [0, 0, 0, 255]],
                [0, 255, 0],
                MaskChannel::Luma,
            ),
            // Nothing is drawn.
            ([[255, 255, 255, 0]; 3], [0; 3], MaskChannel::Alpha),
        ];
        for (pixels, luma, channel) in cases {
            let found = gray_of(rgba(pixels), &mut ImageTraits::default());
            assert_eq!((found.0, found.1), (luma.to_vec(), channel), "{pixels:?}");
            let unused = channel == MaskChannel::Luma && pixels[0][3] == 99;
            assert_eq!(found.2.unused_alpha, unused, "{pixels:?}");
        }
    }

    #[test]
    fn alpha_stays_the_mask_where_a_later_image_has_none_of_it() {
        let mut traits = ImageTraits::default();
        let logo = [[255, 255, 255, 0], [255; 4], [255, 255, 255, 0]];
        assert_eq!(gray_of(rgba(logo), &mut traits).1, MaskChannel::Alpha);
        let gone = gray_of(rgba([[255, 9, 255, 0], [0; 4], [0; 4]]), &mut traits);
        assert_eq!((gone.0, gone.1), (vec![0; 3], MaskChannel::Alpha));
    }

    #[test]
    fn the_least_value_of_16_bits_is_not_black() {
        let cases: [DynamicImage; 3] = [
            ImageBuffer::<Luma<u16>, _>::from_raw(3, 1, vec![0, 1, 65535])
                .unwrap()
                .into(),
            ImageBuffer::<Rgb<u16>, _>::from_raw(3, 1, [[0; 3], [1; 3], [65535; 3]].concat())
                .unwrap()
                .into(),
            ImageBuffer::<LumaA<u16>, _>::from_raw(3, 1, vec![9, 0, 9, 1, 9, 65535])
                .unwrap()
                .into(),
        ];
        for image in cases {
            assert_eq!(gray_of(image, &mut ImageTraits::default()).0, [0, 1, 255]);
        }
        assert_eq!(
            [0u16, 1, 128, 129, 257, 32896, 65535].map(ImageSample::byte),
            [0, 1, 1, 1, 1, 128, 255]
        );
    }
}
