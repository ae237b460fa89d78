//! A clip whose frames are images: a folder, or numbered files such as frame%05d.png.
//!
//! - [`options`]: what the user says about images
//! - [`pixels`]: images as frames of GStreamer

pub mod options;
pub mod pixels;

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use gst_video::{VideoFormat, VideoInfo};
use image::{DynamicImage, ImageReader};
use thiserror::Error;

use crate::run::mask::{MaskError, files_in, is_image, numbered};

/// Extensions of the files that count as videos, in lower case.
pub const VIDEO: [&str; 24] = [
    "3gp", "asf", "avi", "dv", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts",
    "mxf", "nut", "ogm", "ogv", "qt", "ts", "vob", "webm", "wmv", "y4m", "yuv4mpeg",
];

/// Extensions of the images that are read, in lower case.
pub const IMAGE: [&str; 12] = [
    "bmp", "gif", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp",
];

/// Returns whether a name ends in one of the `known` extensions.
pub fn has_extension(name: &str, known: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| known.contains(&extension.to_lowercase().as_str()))
}

/// Returns whether the folder is one clip, whose frames are its images: it holds an image and no
/// video, by their extensions.
pub fn is_clip(folder: &Path) -> bool {
    let files = files_in(folder).unwrap_or_default();
    let any = |known: &[&str]| {
        let mut names = files.iter().filter_map(|file| file.file_name()?.to_str());
        names.any(|name| has_extension(name, known))
    };
    any(&IMAGE) && !any(&VIDEO)
}

/// An error of frames that are images.
#[derive(Debug, Error)]
pub enum ImageError {
    #[error("{} cannot be read: {source}", file.display())]
    Open { file: PathBuf, source: io::Error },
    #[error("{} cannot be read as an image: {source}", file.display())]
    Decode {
        file: PathBuf,
        source: image::ImageError,
    },
    #[error("{} is no image: remove it from the folder of frames", .0.display())]
    NoImage(PathBuf),
    #[error(
        "no image is named {} with the number 0 or 1: number the frames from there, or name their \
         folder to take them in order", .0.display()
    )]
    NoFirst(PathBuf),
    #[error(
        "the number before {} is missing: number the frames without a gap, or name their folder",
        .0.display()
    )]
    Gap(PathBuf),
    #[error(
        "{} has {} × {} pixels, but the first frame has {} × {}: all frames need one size",
        file.display(), size.0, size.1, first.0, first.1
    )]
    Size {
        file: PathBuf,
        size: (u32, u32),
        first: (u32, u32),
    },
}

/// The images that are the frames of a clip.
#[derive(Clone, Debug)]
pub struct Images {
    files: Vec<PathBuf>,
    /// Size, format and rate; the first image tells.
    pub info: VideoInfo,
    /// Whether the images may be transparent.
    pub has_alpha: bool,
}

impl Images {
    /// Finds the frames that `location` names, in the order of their names or numbers, and reads
    /// the first one. `None` if it names no images: a file, or a folder of videos.
    ///
    /// # Errors
    /// A file in the folder is no image, a number is missing, or the first image cannot be read.
    pub fn find(location: &Path, rate: gst::Fraction) -> Result<Option<Self>, ImageError> {
        let open = |source| ImageError::Open {
            file: location.to_owned(),
            source,
        };
        let files = if location.is_dir() && is_clip(location) {
            files_in(location).map_err(open)?
        } else if !location.exists() && location.to_string_lossy().contains('%') {
            let files = numbered(location);
            let files = files.map_err(|_| ImageError::NoFirst(location.to_owned()))?;
            let gap = (0..)
                .zip(&files)
                .find(|(number, (found, _))| number != found);
            if let Some((_, (_, after))) = gap {
                return Err(ImageError::Gap(after.clone()));
            }
            files.into_iter().map(|(_, file)| file).collect()
        } else {
            return Ok(None);
        };
        for file in &files {
            match is_image(file) {
                Ok(true) => {}
                Err(MaskError::Open { file, source }) => {
                    return Err(ImageError::Open { file, source });
                }
                _ => return Err(ImageError::NoImage(file.clone())),
            }
        }
        let Some(first) = files.first() else {
            return Ok(None);
        };
        let image = decode(first)?;
        let info = VideoInfo::builder(pixels::format(&image), image.width(), image.height());
        let info = info.fps(rate).build();
        let info = info.map_err(|_| ImageError::NoImage(first.clone()))?;
        let has_alpha = image.color().has_alpha();
        Ok(Some(Self {
            files,
            info,
            has_alpha,
        }))
    }

    /// Returns the files in the order of the frames.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns the names of the files without their extensions.
    pub fn stems(&self) -> Vec<OsString> {
        let stem = |file: &PathBuf| file.file_stem().unwrap_or_default().to_owned();
        self.files.iter().map(stem).collect()
    }

    /// Returns the bytes of all files.
    pub fn bytes(&self) -> u64 {
        let bytes = |file: &PathBuf| fs::metadata(file).map_or(0, |file| file.len());
        self.files.iter().map(bytes).sum()
    }

    /// Reads a frame; `None` after the last one.
    ///
    /// # Errors
    /// It cannot be read, or has another size than the first one.
    pub fn read(&self, number: u64) -> Result<Option<gst::Buffer>, ImageError> {
        let file = usize::try_from(number)
            .ok()
            .and_then(|number| self.files.get(number));
        let Some(file) = file else {
            return Ok(None);
        };
        let image = decode(file)?;
        let (size, first) = (
            (image.width(), image.height()),
            (self.info.width(), self.info.height()),
        );
        if size != first {
            let file = file.clone();
            return Err(ImageError::Size { file, size, first });
        }
        let fail = |source| ImageError::Open {
            file: file.clone(),
            source,
        };
        pixels::buffer(image, &self.info)
            .map(Some)
            .map_err(|error| fail(io::Error::other(error)))
    }

    /// Returns the format that the encoder of a video is chosen for: 4:2:0, as players expect, unless
    /// nothing is to be lost.
    pub fn coded_format(&self, lossless: bool) -> VideoFormat {
        match self.info.format() {
            format if lossless => format,
            VideoFormat::Rgb => VideoFormat::I420,
            VideoFormat::Rgba => VideoFormat::A420,
            VideoFormat::Argb64 if self.has_alpha => VideoFormat::A42010le,
            VideoFormat::Argb64 => VideoFormat::I42010le,
            format => format,
        }
    }
}

/// Reads an image.
fn decode(file: &Path) -> Result<DynamicImage, ImageError> {
    let open = |source| ImageError::Open {
        file: file.to_owned(),
        source,
    };
    let reader = ImageReader::open(file).map_err(open)?;
    let reader = reader.with_guessed_format().map_err(open)?;
    reader.decode().map_err(|source| ImageError::Decode {
        file: file.to_owned(),
        source,
    })
}
