//! The images of `mask-location`.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use image::ImageError;

use crate::propainter::masks::{
    diagnostics::Remark,
    image_file::{self, Part, Style},
    threshold::Gray,
};

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

    fn is_numbered(&self) -> bool {
        matches!(self, Self::Numbered { .. })
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

/// What `mask-location` has for a frame.
#[derive(Clone, Debug, Default)]
pub enum Image {
    /// It is not set.
    #[default]
    None,
    Gray(Arc<Gray>),
    Failed(Arc<LocationError>),
}

/// The image of each frame, whatever `mask-location` is when it comes.
#[derive(Default)]
pub struct Images {
    located: Option<Located>,
    /// A location that failed while another one was in use.
    refused: Option<Arc<str>>,
    opened: bool,
}

impl Images {
    /// The image at `location` for frame `index` since the start or the last seek. Where
    /// another location was in use and this one fails, that one's image stays.
    pub fn image(
        &mut self,
        location: Option<&Arc<str>>,
        index: u64,
        remarks: &mut Vec<Remark>,
    ) -> Image {
        let Some(text) = location else {
            (self.located, self.refused) = (None, None);
            return Image::None;
        };
        let known = self.located.as_ref().is_some_and(|l| l.is_at(text))
            || self.refused.as_ref() == Some(text);
        if !known {
            match Located::open(text, index, remarks) {
                Ok(located) => {
                    (self.located, self.refused) = (Some(located), None);
                    self.opened = true;
                }
                Err(error) if self.located.is_some() => {
                    self.refused = Some(text.clone());
                    remarks.push(Remark::File(format!("{error}; the mask in use stays")));
                }
                Err(error) => return Image::Failed(Arc::new(error)),
            }
        }
        match self.located.as_mut().map(|l| l.image(index, remarks)) {
            Some(Ok(image)) => Image::Gray(image),
            Some(Err(error)) => Image::Failed(Arc::new(error)),
            None => Image::None,
        }
    }

    /// Whether another location is in use since this was asked.
    pub fn has_opened(&mut self) -> bool {
        std::mem::take(&mut self.opened)
    }
}

/// Images of one `mask-location`, read as frames ask for them.
struct Located {
    text: Arc<str>,
    location: Location,
    /// Number of the first image: 0, or 1 where there is no 0.
    first: u64,
    current: (u64, Arc<Gray>),
    style: Style,
    /// The farthest frame that has an image.
    farthest: u64,
    /// The first frame without one since, and its file.
    missing: Option<(u64, PathBuf)>,
    /// A gap between two images was told.
    told_gap: bool,
    told_part: bool,
}

impl Located {
    fn open(text: &Arc<str>, index: u64, remarks: &mut Vec<Remark>) -> Result<Self, LocationError> {
        let location = Location::parse(text);
        let numbered = location.is_numbered();
        let first = u64::from(numbered && !location.file(0).exists() && location.file(1).exists());
        let file = location.file(first.saturating_add(index));
        let mut style = Style::default();
        let mut missing = None;
        // Where there is none for this frame, the first image tells whether any is there.
        let read_first = |error: LocationError| {
            if numbered && error.is_missing() {
                missing = Some((index, error.file));
                read(&location.file(first))
            } else {
                Err(error)
            }
        };
        let picture = read(&file).or_else(read_first)?;
        let (gray, part) = picture.into_gray(&mut style, !numbered);
        let mut located = Self {
            text: text.clone(),
            first,
            current: (index, Arc::new(gray)),
            style,
            farthest: if missing.is_some() { 0 } else { index },
            missing,
            told_gap: false,
            told_part: false,
            location,
        };
        located.tell(part, remarks);
        Ok(located)
    }

    fn is_at(&self, text: &str) -> bool {
        *self.text == *text
    }

    /// The image for frame `index`. Where there is none, the last one stays.
    fn image(&mut self, index: u64, remarks: &mut Vec<Remark>) -> Result<Arc<Gray>, LocationError> {
        if !self.location.is_numbered() || self.current.0 == index {
            return Ok(self.current.1.clone());
        }
        let file = self.location.file(self.first.saturating_add(index));
        match read(&file) {
            Ok(picture) => {
                let (gray, part) = picture.into_gray(&mut self.style, false);
                self.current = (index, Arc::new(gray));
                self.tell(part, remarks);
                self.farthest = self.farthest.max(index);
            }
            Err(error) if error.is_missing() => {
                self.current.0 = index;
                if self
                    .missing
                    .as_ref()
                    .is_none_or(|(first, _)| index < *first)
                {
                    self.missing = Some((index, error.file));
                }
            }
            Err(error) => return Err(error),
        }
        self.tell_gap(remarks);
        Ok(self.current.1.clone())
    }

    /// Past the last image the last one stays, as documented; between two it is an oversight.
    fn tell_gap(&mut self, remarks: &mut Vec<Remark>) {
        let gap = self.missing.take_if(|(index, _)| *index < self.farthest);
        if let Some((_, file)) = gap.filter(|_| !self.told_gap) {
            self.told_gap = true;
            let file = file.display();
            remarks.push(Remark::File(format!(
                "mask-location: there is no file {file}, and there are files after it; \
                 frames without a file of their own keep the mask before it"
            )));
        }
    }

    /// Tells how the images are read, once.
    fn tell(&mut self, part: Part, remarks: &mut Vec<Remark>) {
        let source = format!("mask-location: {}", self.text);
        if part != Part::OnlyLuma && !self.told_part {
            self.told_part = true;
            let taken = match part {
                Part::Alpha => "alpha, which varies, is the mask; luma is not used",
                _ => "luma is the mask; alpha is the same everywhere and not used",
            };
            remarks.push(Remark::Info(format!("{source}: {taken}")));
        }
        remarks.extend(self.style.looks.news(&source));
    }
}

fn read(file: &Path) -> Result<image_file::Picture, LocationError> {
    image_file::read(file).map_err(|problem| LocationError {
        file: file.to_owned(),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use image::GrayImage;

    use super::*;

    /// What is told where numbered masks are asked for in this order, and only some are there.
    fn told(there: &[u64], asked: &[u64]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for number in there {
            let file = folder.path().join(format!("{number}.png"));
            GrayImage::new(2, 2).save(file).unwrap();
        }
        let text: Arc<str> = folder.path().join("%d.png").to_str().unwrap().into();
        let (mut images, mut remarks) = (Images::default(), vec![]);
        for &index in asked {
            let image = images.image(Some(&text), index, &mut remarks);
            assert!(matches!(image, Image::Gray(_)), "{index}");
        }
        let texts = remarks.into_iter().filter_map(|remark| match remark {
            Remark::File(text) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    #[test]
    fn missing_numbers_between_two_are_told_once_with_the_first() {
        let there = [0, 1, 2, 5, 6, 8];
        let orders: [(&[u64], &str); 4] = [
            (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "3.png"),
            (&[8, 7, 6, 5, 4, 3, 2], "7.png"),
            (&[4, 5, 6, 7, 8], "4.png"),
            (&[0, 1, 2, 9, 3, 4, 5], "3.png"),
        ];
        for (asked, file) in orders {
            let told = told(&there, asked);
            assert!(
                told.len() == 1 && told[0].contains(file),
                "{asked:?} {told:?}"
            );
        }
    }

    #[test]
    fn past_the_last_one_nothing_is_missing() {
        for asked in [&[0, 1, 2, 3, 4, 5][..], &[5, 6, 0, 1, 2], &[2, 3, 0, 1]] {
            assert_eq!(told(&[0, 1, 2], asked), [""; 0], "{asked:?}");
        }
        assert_eq!(told(&[1, 2, 3], &[0, 1, 2, 3, u64::MAX]), [""; 0]);
    }
}
