//! Image files as masks.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    path::Path,
};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    error::{ParameterError, ParameterErrorKind},
    metadata::Orientation,
};

use crate::propainter::masks::{
    luma_analysis::{Looks, Lossy},
    orientation::Turn,
    threshold::{About, Gray},
};

/// Most bytes of an image's pixels: 8K in RGBA of 16 bits.
const MOST: u64 = 256 << 20;

/// Bytes of a WebP file up to the name of its first part.
const HEAD: u64 = 16;

/// Alpha that varies by no more is a slip, not a mask.
const SLIP: u8 = 8;

/// An image's luma and alpha.
pub struct Picture {
    size: (usize, usize),
    luma: Vec<u8>,
    alpha: Option<Vec<u8>>,
    shown: Turn,
    lossy: Lossy,
}

/// Which part of an image is the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It has no other.
    OnlyLuma,
    /// Its alpha is the same everywhere.
    Luma,
    Alpha,
}

/// What is known of the images of one `mask-location`.
#[derive(Default)]
pub struct Style {
    pub looks: Looks,
    /// The alpha of one of them was its mask, and so is that of all from then on.
    alpha: bool,
}

/// # Errors
/// What is no image, is of no format that is known, or is larger than [`MOST`].
pub fn read(file: &Path) -> Result<Picture, ImageError> {
    decode(BufReader::new(File::open(file)?))
}

/// An image, whatever format its first bytes say it has.
///
/// # Errors
/// As [`read`].
pub fn decode(mut file: impl BufRead + Seek) -> Result<Picture, ImageError> {
    let mut head = Vec::with_capacity(HEAD as usize);
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    file.rewind()?;
    let image = ImageReader::new(file).with_guessed_format()?;
    let lossy = match image.format() {
        Some(ImageFormat::Jpeg) => Lossy::Yes,
        Some(ImageFormat::WebP) if head.ends_with(b"VP8 ") => Lossy::Yes,
        // It may hold the one or the other.
        Some(ImageFormat::WebP) if head.ends_with(b"VP8X") => Lossy::Perhaps,
        _ => Lossy::No,
    };
    let mut decoder = image.into_decoder()?;
    if decoder.dimensions().0 == 0 || decoder.dimensions().1 == 0 {
        let kind = ParameterErrorKind::DimensionMismatch;
        return Err(ImageError::Parameter(ParameterError::from_kind(kind)));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST);
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
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
    Ok(Picture {
        size,
        luma,
        alpha,
        shown: Turn::from_exif(orientation),
        lossy,
    })
}

impl Picture {
    /// The mask that the image is. Alpha that varies is the mask: of a logo that was cut out it
    /// alone says where that is.
    pub fn into_gray(self, style: &mut Style, still: bool) -> (Gray, Part) {
        let Self {
            size,
            mut luma,
            alpha,
            shown,
            lossy,
        } = self;
        let mut about = About {
            shown,
            still,
            ..About::default()
        };
        let mut part = Part::OnlyLuma;
        if let Some(alpha) = alpha {
            let (least, most) = range(&alpha);
            part = Part::Luma;
            style.alpha |= most - least > SLIP;
            // With nothing drawn on it yet, there is nothing to see in luma either.
            let clear = most == 0 && range(&luma).0 == range(&luma).1;
            if style.alpha || clear {
                return (Gray::new(size.0, size.1, alpha, about), Part::Alpha);
            }
            about.unused_alpha = least < u8::MAX - SLIP;
        }
        style.looks.read(&mut luma, false, lossy);
        about.noise = style.looks.noise();
        (Gray::new(size.0, size.1, luma, about), part)
    }
}

fn range(values: &[u8]) -> (u8, u8) {
    values.iter().fold((u8::MAX, 0), |(least, most), &value| {
        (least.min(value), most.max(value))
    })
}

/// A sample of a pixel.
trait Sample: Copy {
    /// In 8 bits. What is not 0 never becomes 0, so that a mask of ones is one in 16 bits too.
    fn byte(self) -> u8;
    fn luma(rgb: [Self; 3]) -> u8;
}

impl Sample for u8 {
    fn byte(self) -> u8 {
        self
    }

    /// As Pillow's conversion to `L` rounds it, so that the same pixels are hole.
    fn luma([r, g, b]: [Self; 3]) -> u8 {
        let sum = u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471;
        ((sum + 0x8000) >> 16) as u8
    }
}

impl Sample for u16 {
    fn byte(self) -> u8 {
        let byte = ((u32::from(self) + 128) / 257) as u8;
        byte.max(u8::from(self > 0))
    }

    fn luma([r, g, b]: [Self; 3]) -> u8 {
        let sum = u64::from(r) * 19595 + u64::from(g) * 38470 + u64::from(b) * 7471;
        (((sum + 0x8000) >> 16) as u16).byte()
    }
}

/// Luma and alpha of pixels of `N` samples: gray, gray and alpha, RGB, RGBA.
fn split<const N: usize, S: Sample>(samples: &[S]) -> (Vec<u8>, Option<Vec<u8>>) {
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

    fn gray_of(image: impl Into<DynamicImage>, style: &mut Style) -> (Vec<u8>, Part, About) {
        let mut file = Cursor::new(vec![]);
        image.into().write_to(&mut file, ImageFormat::Png).unwrap();
        file.set_position(0);
        let picture = decode(file).unwrap();
        let (gray, part) = picture.into_gray(style, false);
        let about = *gray.about();
        (gray.luma().to_vec(), part, about)
    }

    fn rgba(pixels: [[u8; 4]; 3]) -> DynamicImage {
        let pixels = pixels.concat();
        ImageBuffer::<Rgba<u8>, _>::from_raw(3, 1, pixels)
            .unwrap()
            .into()
    }

    #[test]
    fn alpha_that_varies_is_the_mask_and_else_luma_is() {
        let cases = [
            // White, and a black logo, on transparency; a soft one.
            (
                [[255, 255, 255, 0], [255; 4], [255; 4]],
                [0, 255, 255],
                Part::Alpha,
            ),
            ([[0; 4], [0, 0, 0, 255], [0; 4]], [0, 255, 0], Part::Alpha),
            (
                [[9, 9, 9, 0], [9, 9, 9, 102], [9, 9, 9, 30]],
                [0, 102, 30],
                Part::Alpha,
            ),
            // Opaque, see-through all over, and a slip.
            (
                [[0, 0, 0, 255], [255; 4], [0, 0, 0, 255]],
                [0, 255, 0],
                Part::Luma,
            ),
            (
                [[0, 0, 0, 99], [255, 255, 255, 99], [0, 0, 0, 99]],
                [0, 255, 0],
                Part::Luma,
            ),
            (
                [[0, 0, 0, 255], [255, 255, 255, 250], [0, 0, 0, 255]],
                [0, 255, 0],
                Part::Luma,
            ),
            // Nothing is drawn.
            ([[255, 255, 255, 0]; 3], [0; 3], Part::Alpha),
        ];
        for (pixels, luma, part) in cases {
            let found = gray_of(rgba(pixels), &mut Style::default());
            assert_eq!((found.0, found.1), (luma.to_vec(), part), "{pixels:?}");
            let unused = part == Part::Luma && pixels[0][3] == 99;
            assert_eq!(found.2.unused_alpha, unused, "{pixels:?}");
        }
    }

    #[test]
    fn alpha_stays_the_mask_where_a_later_image_has_none_of_it() {
        let mut style = Style::default();
        let logo = [[255, 255, 255, 0], [255; 4], [255, 255, 255, 0]];
        assert_eq!(gray_of(rgba(logo), &mut style).1, Part::Alpha);
        let gone = gray_of(rgba([[255, 9, 255, 0], [0; 4], [0; 4]]), &mut style);
        assert_eq!((gone.0, gone.1), (vec![0; 3], Part::Alpha));
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
            assert_eq!(gray_of(image, &mut Style::default()).0, [0, 1, 255]);
        }
        assert_eq!(
            [0u16, 1, 128, 129, 257, 32896, 65535].map(Sample::byte),
            [0, 1, 1, 1, 1, 128, 255]
        );
    }
}
