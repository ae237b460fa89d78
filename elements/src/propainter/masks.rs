//! The hole of each frame: the union of what `mask_sink`, `mask-location` and
//! `mask-regions` say.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use image::{DynamicImage, ImageError, ImageReader};
use propainter::Mask;

use super::regions::Region;

/// What `mask-location` names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Location {
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
    fn parse(text: &str) -> Self {
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

    fn file(&self, number: u64) -> PathBuf {
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
struct Located {
    text: String,
    location: Location,
    /// Number of the first image: 0, or 1 where there is no 0.
    first: u64,
    current: (u64, Arc<Mask>),
}

impl Located {
    fn open(text: &str, index: u64) -> Result<Self, LocationError> {
        let location = Location::parse(text);
        let numbered = matches!(location, Location::Numbered { .. });
        let first = u64::from(numbered && !location.file(0).exists() && location.file(1).exists());
        // Where the numbers end before this frame, the first image tells whether any is there.
        let mask = read(&location.file(first + index)).or_else(|error| {
            if numbered && error.is_missing() {
                read(&location.file(first))
            } else {
                Err(error)
            }
        })?;
        Ok(Self {
            text: text.to_owned(),
            location,
            first,
            current: (index, Arc::new(mask)),
        })
    }

    /// The image for frame `index`. Past the last one, the last stays.
    fn mask(&mut self, index: u64) -> Result<Arc<Mask>, LocationError> {
        let numbered = matches!(self.location, Location::Numbered { .. });
        if numbered && self.current.0 != index {
            match read(&self.location.file(self.first + index)) {
                Ok(mask) => self.current = (index, Arc::new(mask)),
                Err(error) if error.is_missing() => self.current.0 = index,
                Err(error) => return Err(error),
            }
        }
        Ok(self.current.1.clone())
    }
}

/// Puts the masks of a stream together.
#[derive(Default)]
pub struct Masks {
    located: Option<Located>,
    /// A location that failed while another one was in use.
    refused: Option<String>,
    drawn: Option<(Arc<[Region]>, Arc<Mask>)>,
    empty: Option<Arc<Mask>>,
}

/// A frame's hole, and what to warn about.
pub struct Hole {
    pub mask: Arc<Mask>,
    pub warning: Option<LocationError>,
}

impl Masks {
    /// The hole of frame `index` (since the start or the last seek) of `size` pixels.
    /// One source is passed on at its own size; several are united at the frame's.
    ///
    /// # Errors
    /// No image at `location`. Where another location was in use, its mask stays and the
    /// error is a warning, given once.
    pub fn hole(
        &mut self,
        size: (usize, usize),
        index: u64,
        location: Option<&str>,
        regions: &Arc<[Region]>,
        streamed: Option<Arc<Mask>>,
    ) -> Result<Hole, LocationError> {
        let (located, warning) = self.located(location, index)?;
        let drawn = (!regions.is_empty()).then(|| self.drawn(size, regions));
        let mut sources = [streamed, located, drawn].into_iter().flatten();
        let mask = match (sources.next(), sources.next()) {
            (None, _) => self.empty(size),
            (Some(only), None) => only,
            (Some(first), Some(second)) => {
                let mut all = first.resized(size.0, size.1);
                for source in [second].into_iter().chain(sources) {
                    all.union(&source.resized(size.0, size.1));
                }
                Arc::new(all)
            }
        };
        Ok(Hole { mask, warning })
    }

    fn located(
        &mut self,
        location: Option<&str>,
        index: u64,
    ) -> Result<(Option<Arc<Mask>>, Option<LocationError>), LocationError> {
        let Some(text) = location else {
            (self.located, self.refused) = (None, None);
            return Ok((None, None));
        };
        let mut warning = None;
        let known = self.located.as_ref().is_some_and(|l| l.text == text)
            || self.refused.as_deref() == Some(text);
        if !known {
            match Located::open(text, index) {
                Ok(located) => (self.located, self.refused) = (Some(located), None),
                Err(error) if self.located.is_some() => {
                    self.refused = Some(text.to_owned());
                    warning = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let mask = self.located.as_mut().map(|l| l.mask(index)).transpose()?;
        Ok((mask, warning))
    }

    fn drawn(&mut self, (width, height): (usize, usize), regions: &Arc<[Region]>) -> Arc<Mask> {
        let drawn = self.drawn.as_ref().filter(|(from, mask)| {
            Arc::ptr_eq(from, regions) && (mask.width(), mask.height()) == (width, height)
        });
        if let Some((_, mask)) = drawn {
            return mask.clone();
        }
        let mut mask = Mask::empty(width, height);
        for region in regions.iter() {
            mask.add_rectangle(
                region.x.into(),
                region.y.into(),
                region.width.into(),
                region.height.into(),
            );
        }
        let mask = Arc::new(mask);
        self.drawn = Some((regions.clone(), mask.clone()));
        mask
    }

    fn empty(&mut self, (width, height): (usize, usize)) -> Arc<Mask> {
        let fits = |mask: &Arc<Mask>| (mask.width(), mask.height()) == (width, height);
        let empty = self.empty.take().filter(fits);
        let empty = empty.unwrap_or_else(|| Arc::new(Mask::empty(width, height)));
        self.empty.insert(empty).clone()
    }
}

fn read(file: &Path) -> Result<Mask, LocationError> {
    let decode = || ImageReader::open(file)?.with_guessed_format()?.decode();
    let image = decode().map_err(|problem| LocationError {
        file: file.to_owned(),
        problem,
    })?;
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
    Ok(Mask::from_luma(width, height, luma))
}

/// Luma as Pillow's conversion to `L` rounds it, so that the same pixels are hole.
fn luma_of(&[r, g, b]: &[u8; 3]) -> u8 {
    let sum = u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471;
    ((sum + 0x8000) >> 16) as u8
}
