//! The images of `mask-location`: one image, or numbered images, one for each frame.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use image::ImageError;

use crate::propainter::masks::{
    diagnostics::Diagnostic,
    image_file::{self, DecodedImage, ImageTraits, MaskChannel},
    threshold::GrayMask,
};

/// The files that `mask-location` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilePattern {
    /// One image for the whole stream.
    Single(PathBuf),
    /// An image for each frame: the text around a number of at least `digits` digits.
    Numbered {
        before: String,
        digits: usize,
        after: String,
    },
}

impl FilePattern {
    /// Parses a location. It is numbered if it holds one `%d` or `%0Nd`; `%%` stands for `%` then.
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
        numbered.unwrap_or_else(|| Self::Single(text.into()))
    }

    /// Returns the file of this number.
    pub fn file(&self, number: u64) -> PathBuf {
        match self {
            Self::Single(path) => path.clone(),
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

/// The error of a mask file that is missing or is no image.
#[derive(Debug)]
pub struct MaskFileError {
    pub file: PathBuf,
    problem: ImageError,
}

impl MaskFileError {
    /// Returns whether the file does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(&self.problem, ImageError::IoError(e) if e.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for MaskFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        if self.is_missing() {
            write!(f, "mask-location: there is no file {file}")
        } else {
            write!(
                f,
                "mask-location: {file} cannot be read as an image: {}",
                self.problem
            )
        }
    }
}

/// The mask from `mask-location` for one frame.
#[derive(Clone, Debug, Default)]
pub enum ImageMask {
    /// `mask-location` is not set.
    #[default]
    Unset,
    Gray(Arc<GrayMask>),
    Failed(Arc<MaskFileError>),
}

/// The image of each frame at the current value of `mask-location`.
#[derive(Default)]
pub struct MaskLocation {
    images: Option<MaskImages>,
    /// A location that failed while another one was in use.
    refused: Option<Arc<str>>,
    changed: bool,
}

impl MaskLocation {
    /// Returns the image at `location` for frame `index` since the start or the last seek. If
    /// another location is in use and this one fails, the image of the other one stays.
    pub fn image(
        &mut self,
        location: Option<&Arc<str>>,
        index: u64,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> ImageMask {
        let Some(text) = location else {
            (self.images, self.refused) = (None, None);
            return ImageMask::Unset;
        };
        let known = self.images.as_ref().is_some_and(|i| i.is_at(text))
            || self.refused.as_ref() == Some(text);
        if !known {
            match MaskImages::open(text, index, diagnostics) {
                Ok(images) => {
                    (self.images, self.refused) = (Some(images), None);
                    self.changed = true;
                }
                Err(error) if self.images.is_some() => {
                    self.refused = Some(text.clone());
                    let text = format!("{error}; the current mask stays");
                    diagnostics.push(Diagnostic::FileWarning(text));
                }
                Err(error) => return ImageMask::Failed(Arc::new(error)),
            }
        }
        match self.images.as_mut().map(|i| i.image(index, diagnostics)) {
            Some(Ok(image)) => ImageMask::Gray(image),
            Some(Err(error)) => ImageMask::Failed(Arc::new(error)),
            None => ImageMask::Unset,
        }
    }

    /// Returns whether another location is in use since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

/// The images of one `mask-location`, read as frames ask for them.
struct MaskImages {
    text: Arc<str>,
    pattern: FilePattern,
    /// Number of the first image: 0, or 1 if there is no file of number 0.
    first: u64,
    /// The last image, and the index of the frame it was asked for.
    current: (u64, Arc<GrayMask>),
    traits: ImageTraits,
    /// The farthest frame that has an image.
    farthest: u64,
    /// The first frame without an image since, and its file.
    missing: Option<(u64, PathBuf)>,
    /// A gap between two images was reported.
    gap_reported: bool,
    channel_reported: bool,
}

impl MaskImages {
    fn open(
        text: &Arc<str>,
        index: u64,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Result<Self, MaskFileError> {
        let pattern = FilePattern::parse(text);
        let numbered = pattern.is_numbered();
        let first = u64::from(numbered && !pattern.file(0).exists() && pattern.file(1).exists());
        let file = pattern.file(first.saturating_add(index));
        let mut traits = ImageTraits::default();
        let mut missing = None;
        // If there is none for this frame, the first image tells whether there are any.
        let read_first = |error: MaskFileError| {
            if numbered && error.is_missing() {
                missing = Some((index, error.file));
                read(&pattern.file(first))
            } else {
                Err(error)
            }
        };
        let image = read(&file).or_else(read_first)?;
        let (gray, channel) = image.into_gray(&mut traits, !numbered);
        let mut images = Self {
            text: text.clone(),
            first,
            current: (index, Arc::new(gray)),
            traits,
            farthest: if missing.is_some() { 0 } else { index },
            missing,
            gap_reported: false,
            channel_reported: false,
            pattern,
        };
        images.report(channel, diagnostics);
        Ok(images)
    }

    fn is_at(&self, text: &str) -> bool {
        *self.text == *text
    }

    /// Returns the image for frame `index`. If there is none, the last one stays.
    fn image(
        &mut self,
        index: u64,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Result<Arc<GrayMask>, MaskFileError> {
        if !self.pattern.is_numbered() || self.current.0 == index {
            return Ok(self.current.1.clone());
        }
        let file = self.pattern.file(self.first.saturating_add(index));
        match read(&file) {
            Ok(image) => {
                let (gray, channel) = image.into_gray(&mut self.traits, false);
                self.current = (index, Arc::new(gray));
                self.report(channel, diagnostics);
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
        self.report_gap(diagnostics);
        Ok(self.current.1.clone())
    }

    /// Reports a missing image between two others once. After the last image the last one stays,
    /// as documented.
    fn report_gap(&mut self, diagnostics: &mut Vec<Diagnostic>) {
        let gap = self.missing.take_if(|(index, _)| *index < self.farthest);
        if let Some((_, file)) = gap.filter(|_| !self.gap_reported) {
            self.gap_reported = true;
            let file = file.display();
            diagnostics.push(Diagnostic::FileWarning(format!(
                "mask-location: there is no file {file}, but there are files after it; frames \
                 without a file of their own keep the mask before it"
            )));
        }
    }

    /// Reports once how the images are read.
    fn report(&mut self, channel: MaskChannel, diagnostics: &mut Vec<Diagnostic>) {
        let source = format!("mask-location: {}", self.text);
        if channel != MaskChannel::OnlyLuma && !self.channel_reported {
            self.channel_reported = true;
            let used = match channel {
                MaskChannel::Alpha => "alpha varies and is the mask; luma is not used",
                _ => "luma is the mask; alpha is the same everywhere and is not used",
            };
            diagnostics.push(Diagnostic::Info(format!("{source}: {used}")));
        }
        diagnostics.extend(self.traits.luma.take_findings(&source));
    }
}

fn read(file: &Path) -> Result<DecodedImage, MaskFileError> {
    image_file::read(file).map_err(|problem| MaskFileError {
        file: file.to_owned(),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use image::GrayImage;

    use super::*;

    /// Returns the warnings when numbered masks are asked for in this order and only some exist.
    fn warnings(there: &[u64], asked: &[u64]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for number in there {
            let file = folder.path().join(format!("{number}.png"));
            GrayImage::new(2, 2).save(file).unwrap();
        }
        let text: Arc<str> = folder.path().join("%d.png").to_str().unwrap().into();
        let (mut location, mut diagnostics) = (MaskLocation::default(), vec![]);
        for &index in asked {
            let image = location.image(Some(&text), index, &mut diagnostics);
            assert!(matches!(image, ImageMask::Gray(_)), "{index}");
        }
        let texts = diagnostics
            .into_iter()
            .filter_map(|diagnostic| match diagnostic {
                Diagnostic::FileWarning(text) => Some(text),
                _ => None,
            });
        texts.collect()
    }

    #[test]
    fn a_gap_in_the_numbers_is_reported_once_with_the_first_missing_file() {
        let there = [0, 1, 2, 5, 6, 8];
        let orders: [(&[u64], &str); 4] = [
            (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "3.png"),
            (&[8, 7, 6, 5, 4, 3, 2], "7.png"),
            (&[4, 5, 6, 7, 8], "4.png"),
            (&[0, 1, 2, 9, 3, 4, 5], "3.png"),
        ];
        for (asked, file) in orders {
            let warnings = warnings(&there, asked);
            assert!(
                warnings.len() == 1 && warnings[0].contains(file),
                "{asked:?} {warnings:?}"
            );
        }
    }

    #[test]
    fn after_the_last_number_nothing_is_missing() {
        for asked in [&[0, 1, 2, 3, 4, 5][..], &[5, 6, 0, 1, 2], &[2, 3, 0, 1]] {
            assert_eq!(warnings(&[0, 1, 2], asked), [""; 0], "{asked:?}");
        }
        assert_eq!(warnings(&[1, 2, 3], &[0, 1, 2, 3, u64::MAX]), [""; 0]);
    }
}
