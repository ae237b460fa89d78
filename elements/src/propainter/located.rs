//! The images of `mask-location`.

use std::{
    fmt,
    io::{self, BufRead, Seek},
    path::{Path, PathBuf},
    sync::Arc,
};

use image::{DynamicImage, ImageError, ImageReader};

use super::gray::Gray;

/// What `mask-location` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// One image for the whole stream.
    Still(PathBuf),
    /// An image for each frame: the text around a number of at least `digits` digits.
    Numbered {
        before: String,
        digits: usize,
        after: String,
    },
}

impl Location {
    /// Numbered where the text holds one `%d` or `%0Nd`; `%%` stands for `%` then.
    pub fn parse(text: &str) -> Self {
        let numbered = text.match_indices('%').find_map(|(at, _)| {
            let rest = &text[at + 1..];
            let end = rest.find('d')?;
            let digits = &rest[..end];
            let escaped = text[..at].ends_with('%');
            (!escaped && digits.bytes().all(|b| b.is_ascii_digit())).then(|| Self::Numbered {
                before: text[..at].replace("%%", "%"),
                digits: digits.parse().unwrap_or(0).min(64),
                after: rest[end + 1..].replace("%%", "%"),
            })
        });
        numbered.unwrap_or_else(|| Self::Still(text.into()))
    }

    pub fn file(&self, number: u64) -> PathBuf {
        match self {
            Self::Still(path) => path.clone(),
            Self::Numbered {
                before,
                digits,
                after,
            } => format!("{before}{number:0digits$}{after}").into(),
        }
    }
}

/// Why there is no mask at `mask-location`.
#[derive(Debug)]
pub struct LocationError {
    pub file: PathBuf,
    problem: ImageError,
}

impl LocationError {
    pub fn is_missing(&self) -> bool {
        matches!(&self.problem, ImageError::IoError(e) if e.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for LocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        if self.is_missing() {
            write!(f, "mask-location: there is no file {file}")
        } else {
            write!(
                f,
                "mask-location: {file} is no mask image: {}",
                self.problem
            )
        }
    }
}

/// Images of one `mask-location`, read as frames ask for them.
pub struct Located {
    text: Arc<str>,
    location: Location,
    /// Number of the first image: 0, or 1 where there is no 0.
    first: u64,
    current: (u64, Arc<Gray>),
}

impl Located {
    pub fn open(text: &Arc<str>, index: u64) -> Result<Self, LocationError> {
        let location = Location::parse(text);
        let numbered = matches!(location, Location::Numbered { .. });
        let first = u64::from(numbered && !location.file(0).exists() && location.file(1).exists());
        // Where the numbers end before this frame, the first image tells whether any is there.
        let image = read(&location.file(first + index)).or_else(|error| {
            if numbered && error.is_missing() {
                read(&location.file(first))
            } else {
                Err(error)
            }
        })?;
        Ok(Self {
            text: text.clone(),
            location,
            first,
            current: (index, Arc::new(image)),
        })
    }

    pub fn is_at(&self, text: &str) -> bool {
        *self.text == *text
    }

    /// The image for frame `index`. Past the last one, the last stays.
    pub fn image(&mut self, index: u64) -> Result<Arc<Gray>, LocationError> {
        let numbered = matches!(self.location, Location::Numbered { .. });
        if numbered && self.current.0 != index {
            match read(&self.location.file(self.first + index)) {
                Ok(image) => self.current = (index, Arc::new(image)),
                Err(error) if error.is_missing() => self.current.0 = index,
                Err(error) => return Err(error),
            }
        }
        Ok(self.current.1.clone())
    }
}

fn read(file: &Path) -> Result<Gray, LocationError> {
    let opened = ImageReader::open(file).map_err(ImageError::IoError);
    opened.and_then(decode).map_err(|problem| LocationError {
        file: file.to_owned(),
        problem,
    })
}

/// The luma of an image, whatever format its first bytes say it has.
pub fn decode(image: ImageReader<impl BufRead + Seek>) -> Result<Gray, ImageError> {
    let image = image.with_guessed_format()?.decode()?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let luma = match image {
        DynamicImage::ImageLuma8(gray) => gray.into_raw(),
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageLumaA8(_) => {
            image.into_luma8().into_raw()
        }
        colored => {
            let (pixels, rgb) = (width * height, colored.into_rgb8().into_raw());
            let mut luma = Vec::with_capacity(pixels);
            luma.extend(rgb.as_chunks::<3>().0.iter().map(luma_of));
            luma
        }
    };
    Ok(Gray::new(width, height, luma))
}

/// Luma as Pillow's conversion to `L` rounds it, so that the same pixels are hole.
fn luma_of(&[r, g, b]: &[u8; 3]) -> u8 {
    let sum = u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471;
    ((sum + 0x8000) >> 16) as u8
}
