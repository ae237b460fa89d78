//! The options of frames that are in no video file.

use std::{path::Path, str::FromStr};

use clap::{Args, ValueEnum};
use gst_video::VideoFormat;
use image::ImageFormat;

/// Options of frames that are images, each in a file of its own.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Frames as images")]
pub struct FrameOptions {
    /// Frames per second of an input of images, such as 24, 23.976 or 30000/1001
    #[arg(long, value_name = "RATE", default_value_t)]
    pub fps: Rate,
    /// Write a folder of images of this kind; PNG where only the name of the output tells that it
    /// is a folder
    #[arg(long, value_name = "KIND")]
    pub images: Option<ImageKind>,
}

impl FrameOptions {
    /// Returns the kind of the images that are written; `None` where `output` is a video.
    pub fn kind(&self, output: &Path) -> Option<ImageKind> {
        let folder = output.to_string_lossy().ends_with('/') || output.is_dir();
        self.images.or(folder.then_some(ImageKind::Png))
    }
}

/// A frame rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub gst::Fraction);

impl Default for Rate {
    /// The rate of the official script.
    fn default() -> Self {
        Self(gst::Fraction::new(24, 1))
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.denom() {
            1 => write!(f, "{}", self.0.numer()),
            denominator => write!(f, "{}/{denominator}", self.0.numer()),
        }
    }
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rate = match text.split_once('/') {
            Some((a, b)) => a.trim().parse().ok().zip(b.trim().parse().ok()),
            None => text.trim().parse::<f64>().ok().and_then(fraction),
        };
        let valid = rate.filter(|&(a, b)| a > 0 && b > 0 && a / b < 1000 && b / a < 1000);
        let rate = valid.map(|(a, b): (i32, i32)| Self(gst::Fraction::new(a, b)));
        rate.ok_or("expected frames per second, such as 24, 23.976 or 30000/1001")
    }
}

/// Returns a rate as a fraction: the one that is meant by rounded numbers such as 29.97.
fn fraction(rate: f64) -> Option<(i32, i32)> {
    let whole = rate.round();
    if !(0.001..1000.0).contains(&rate) {
        return None;
    }
    let film = whole * 1000.0 / 1001.0;
    Some(match rate {
        _ if rate == whole => (whole as i32, 1),
        _ if (rate - film).abs() < 0.006 => ((whole * 1000.0) as i32, 1001),
        _ => ((rate * 1000.0).round() as i32, 1000),
    })
}

/// A kind of images that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImageKind {
    Png,
    #[value(alias = "jpg")]
    Jpeg,
    #[value(alias = "tif")]
    Tiff,
    Webp,
    Bmp,
}

impl ImageKind {
    /// Returns the extension of such files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Tiff => "tiff",
            Self::Webp => "webp",
            Self::Bmp => "bmp",
        }
    }

    /// Returns the format of such files.
    pub fn format(self) -> ImageFormat {
        match self {
            Self::Png => ImageFormat::Png,
            Self::Jpeg => ImageFormat::Jpeg,
            Self::Tiff => ImageFormat::Tiff,
            Self::Webp => ImageFormat::WebP,
            Self::Bmp => ImageFormat::Bmp,
        }
    }

    /// Returns the formats of frames that such files hold.
    pub fn formats(self) -> &'static [VideoFormat] {
        match self {
            Self::Png | Self::Tiff => &[
                VideoFormat::Rgb,
                VideoFormat::Rgba,
                VideoFormat::Gray8,
                VideoFormat::Gray16Le,
                VideoFormat::Argb64,
            ],
            Self::Webp => &[VideoFormat::Rgb, VideoFormat::Rgba],
            Self::Jpeg | Self::Bmp => &[VideoFormat::Rgb, VideoFormat::Gray8],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_that_are_meant() {
        for (text, expected) in [
            ("24", (24, 1)),
            ("23.976", (24_000, 1001)),
            ("29.97", (30_000, 1001)),
            ("30000/1001", (30_000, 1001)),
            ("12.5", (25, 2)),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.0.numer(), rate.0.denom()), expected, "{text}");
        }
        for text in ["", "0", "-1", "24/0", "fast", "NaN", "1e9"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        assert_eq!(Rate::default().to_string(), "24");
    }

    #[test]
    fn the_name_of_a_folder_asks_for_images() {
        let options = FrameOptions::default();
        assert_eq!(options.kind(Path::new("out/")), Some(ImageKind::Png));
        assert_eq!(options.kind(Path::new("out.mp4")), None);
        let jpeg = FrameOptions {
            images: Some(ImageKind::Jpeg),
            ..options
        };
        assert_eq!(jpeg.kind(Path::new("out")), Some(ImageKind::Jpeg));
    }
}
