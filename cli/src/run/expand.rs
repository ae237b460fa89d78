//! The borders that a wider or taller picture needs: `--expand` and `--expand-to`.

use std::{path::Path, str::FromStr};

use gst_video::VideoInfo;
use thiserror::Error;

use crate::{
    recode::{RecodeError, Source},
    y4m::PIPE,
};

use super::{
    images::{ImageError, Images, options::Rate},
    settings::{ElementSettings, SettingsError},
};

/// The picture to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expand {
    /// One of this aspect ratio, as players show it.
    Aspect(u32, u32),
    /// One of this width and height in pixels, as players show it.
    Size(u32, u32),
}

/// An error that keeps a picture from being expanded.
#[derive(Debug, Error)]
pub enum ExpandError {
    #[error("{file} has {} × {} pixels already: name a larger size", size.0, size.1)]
    Smaller { file: String, size: (u32, u32) },
    #[error("{0} has this aspect ratio already: there is nothing to expand")]
    Nothing(String),
    #[error("{0}: its frames have no size")]
    NoSize(String),
    #[error("the size of a pipe is not known: use --expand-left, -right, -top and -bottom")]
    Pipe,
    #[error(transparent)]
    Source(#[from] RecodeError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// Parses two numbers above 0 with `between` in between.
fn pair(text: &str, between: char) -> Option<(u32, u32)> {
    let (a, b) = text.split_once(between)?;
    let (a, b) = (a.trim().parse().ok()?, b.trim().parse().ok()?);
    (a > 0 && b > 0).then_some((a, b))
}

/// An aspect ratio such as 16:9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aspect(pub u32, pub u32);

impl FromStr for Aspect {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pair = pair(text, ':').filter(|(a, b)| a / b < 100 && b / a < 100);
        pair.map(|(a, b)| Self(a, b))
            .ok_or("expected two numbers, such as 16:9")
    }
}

/// A size such as 1920x1080.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u32, pub u32);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pair = pair(text, 'x').filter(|(a, b)| *a.max(b) <= 32_768);
        pair.map(|(a, b)| Self(a, b))
            .ok_or("expected width and height, such as 1920x1080")
    }
}

impl Expand {
    /// Sets the borders for a clip.
    ///
    /// # Errors
    /// The clip cannot be read, or is larger already.
    pub fn apply(self, settings: &mut ElementSettings, clip: &Path) -> Result<(), ExpandError> {
        if clip.as_os_str() == PIPE {
            return Err(ExpandError::Pipe);
        }
        gst::init().map_err(RecodeError::from)?;
        let (info, turned) = match Images::find(clip, Rate::default().0)? {
            Some(images) => (images.info, false),
            None => {
                let source = Source::open(clip)?;
                let info = VideoInfo::from_caps(&source.decoded).map_err(RecodeError::from)?;
                let turned = source.orientation.is_some_and(|turn| turn.is_sideways());
                (info, turned)
            }
        };
        let size = (info.width(), info.height());
        let par = (
            info.par().numer().unsigned_abs(),
            info.par().denom().unsigned_abs(),
        );
        let borders = self.borders(&clip.display().to_string(), size, par, turned)?;
        for (side, border) in ["left", "right", "top", "bottom"].iter().zip(borders) {
            settings.set(&format!("expand-{side}"), &border.to_string())?;
        }
        Ok(())
    }

    /// Returns the columns and rows to add: left, right, above and below. `size` and `par`, the
    /// shape of a pixel, are those of the stored frame, which players may turn on its side.
    fn borders(
        self,
        file: &str,
        size: (u32, u32),
        par: (u32, u32),
        turned: bool,
    ) -> Result<[u32; 4], ExpandError> {
        let file = || file.to_owned();
        let stored = |(a, b): (u32, u32)| if turned { (b, a) } else { (a, b) };
        let (width, height) = match self {
            Self::Size(width, height) => {
                let wanted = stored((width, height));
                let least = wanted.0 >= size.0 && wanted.1 >= size.1;
                if !least || wanted == size {
                    let (file, size) = (file(), stored(size));
                    return Err(ExpandError::Smaller { file, size });
                }
                wanted
            }
            Self::Aspect(width, height) => {
                // In pixels that may not be square.
                let aspect = stored((width, height));
                let aspect = f64::from(aspect.0) / f64::from(aspect.1);
                let aspect = aspect * f64::from(par.1.max(1)) / f64::from(par.0.max(1));
                let (old_width, old_height) = (f64::from(size.0), f64::from(size.1));
                if old_width <= 0.0 || old_height <= 0.0 {
                    return Err(ExpandError::NoSize(file()));
                }
                let width = (old_height * aspect).max(old_width);
                let height = (old_width / aspect).max(old_height);
                // Borders of whole chroma samples on both sides.
                let grown =
                    |old: u32, new: f64| old + 4 * ((new - f64::from(old)) / 4.0).round() as u32;
                let grown = (grown(size.0, width), grown(size.1, height));
                if grown == size {
                    return Err(ExpandError::Nothing(file()));
                }
                grown
            }
        };
        let (columns, rows) = (width - size.0, height - size.1);
        // The picture begins with a whole chroma sample.
        let (left, top) = (columns / 4 * 2, rows / 4 * 2);
        Ok([left, columns - left, top, rows - top])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn borders(expand: Expand, size: (u32, u32), par: (u32, u32), turned: bool) -> [u32; 4] {
        expand.borders("clip", size, par, turned).unwrap()
    }

    #[test]
    fn the_borders_make_the_aspect_ratio() {
        let wide = Expand::Aspect(16, 9);
        assert_eq!(borders(wide, (640, 480), (1, 1), false), [106, 106, 0, 0]);
        assert_eq!(borders(wide, (1920, 800), (1, 1), false), [0, 0, 140, 140]);
        // PAL of 4:3, whose pixels are wider than high.
        assert_eq!(borders(wide, (720, 576), (16, 15), false), [120, 120, 0, 0]);
        // A film of 4:3 that was taken with the camera on its side.
        assert_eq!(borders(wide, (480, 640), (1, 1), true), [0, 0, 106, 106]);
        let same = wide
            .borders("clip", (1920, 1080), (1, 1), false)
            .unwrap_err();
        assert!(matches!(same, ExpandError::Nothing(_)), "{same}");
    }

    #[test]
    fn the_borders_make_the_size() {
        let size = Expand::Size(1920, 1080);
        assert_eq!(borders(size, (1440, 1080), (1, 1), false), [240, 240, 0, 0]);
        assert_eq!(borders(size, (1431, 1079), (1, 1), false), [244, 245, 0, 1]);
        assert_eq!(borders(size, (1080, 1440), (1, 1), true), [0, 0, 240, 240]);
        for small in [(1921, 100), (1920, 1080)] {
            let error = size.borders("clip", small, (1, 1), false).unwrap_err();
            assert!(error.to_string().contains("already"), "{error}");
        }
    }

    #[test]
    fn only_ratios_and_sizes_are_taken() {
        assert_eq!("16:9".parse(), Ok(Aspect(16, 9)));
        assert_eq!("1920x1080".parse(), Ok(Size(1920, 1080)));
        for text in ["", "16", "16:0", "1000:1", "a:b", "16x9"] {
            assert!(text.parse::<Aspect>().is_err(), "{text}");
        }
        for text in ["", "1920", "1920:1080", "0x5", "99999x5"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
