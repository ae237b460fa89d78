//! Where the masks of a clip come from.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use gst::prelude::*;
use image::ImageReader;
use tempfile::TempDir;
use thiserror::Error;

use crate::{
    output::input_files,
    recode::{RecodeError, branches},
};

/// The source of a clip's masks, besides the properties of the element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MaskSource {
    /// The properties of the element alone.
    #[default]
    None,
    /// One image for all frames.
    Image(PathBuf),
    /// An image for each frame, in order.
    Sequence(Vec<PathBuf>),
    /// A video that is played beside the clip.
    Video(PathBuf),
}

/// An error that keeps masks from being used.
#[derive(Debug, Error)]
pub enum MaskError {
    #[error("the mask {}: {source}", file.display())]
    Open { file: PathBuf, source: io::Error },
    #[error("the folder {} holds no mask: put one image into it, or one for each frame", .0.display())]
    Empty(PathBuf),
    #[error("no file is named {}: number the masks from 0 or 1", .0.display())]
    NoNumbered(PathBuf),
}

impl MaskSource {
    /// Returns what `location` names: an image, a video, a folder of images in the order of their
    /// names, or a numbered sequence such as `mask%05d.png`.
    ///
    /// # Errors
    /// There is no such file, or no mask in the folder.
    pub fn find(location: &Path) -> Result<Self, MaskError> {
        let open = |source| MaskError::Open {
            file: location.to_owned(),
            source,
        };
        if location.is_dir() {
            let entries = fs::read_dir(location).map_err(open)?;
            let entries: io::Result<Vec<_>> = entries.collect();
            let files = entries.map_err(open)?.into_iter().map(|entry| entry.path());
            let is_hidden = |file: &PathBuf| {
                let name = file.file_name().unwrap_or_default();
                name.to_string_lossy().starts_with('.')
            };
            let mut files: Vec<_> = files
                .filter(|file| file.is_file() && !is_hidden(file))
                .collect();
            files.sort();
            return match files.as_slice() {
                [] => Err(MaskError::Empty(location.to_owned())),
                [one] => Ok(Self::Image(one.clone())),
                _ => Ok(Self::Sequence(files)),
            };
        }
        if !location.exists() && location.to_string_lossy().contains('%') {
            let mut files = input_files(location);
            // By number: a longer name has a larger one.
            files.sort_by_key(|file| (file.as_os_str().len(), file.clone()));
            return match files.as_slice() {
                [] => Err(MaskError::NoNumbered(location.to_owned())),
                _ => Ok(Self::Sequence(files)),
            };
        }
        let reader = ImageReader::open(location).and_then(|reader| reader.with_guessed_format());
        // A file whose content is that of an image; its extension alone does not count.
        match reader.map_err(open)?.format() {
            Some(_) => Ok(Self::Image(location.to_owned())),
            None => Ok(Self::Video(location.to_owned())),
        }
    }

    /// Returns the files that are read.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::None => Vec::new(),
            Self::Image(file) | Self::Video(file) => vec![file.clone()],
            Self::Sequence(files) => files.clone(),
        }
    }

    /// Gives the masks to the element. `first` is the number of the frame that the element gets
    /// first.
    ///
    /// # Errors
    /// A link to a mask cannot be made, or an element is not installed.
    pub(super) fn attach(
        &self,
        element: &gst::Element,
        pipeline: &gst::Pipeline,
        first: u64,
    ) -> Result<Attached, RecodeError> {
        match self {
            Self::None => Ok(Attached::default()),
            Self::Image(file) => Attached::links(element, std::slice::from_ref(file), "mask"),
            Self::Sequence(files) => {
                let first = usize::try_from(first).unwrap_or(usize::MAX);
                // After the last mask, the last one holds.
                let first = first.min(files.len().saturating_sub(1));
                Attached::links(element, &files[first..], "%d")
            }
            Self::Video(file) => {
                let source = branches::bin("filesrc name=file ! decodebin ! videoconvert ! queue")?;
                let bin = source.dynamic_cast_ref::<gst::Bin>();
                if let Some(reader) = bin.and_then(|bin| bin.by_name("file")) {
                    reader.set_property("location", file);
                }
                pipeline.add(&source)?;
                source.link_pads(Some("src"), element, Some("mask_sink"))?;
                Ok(Attached::default())
            }
        }
    }
}

/// What must live as long as the element reads the masks.
#[derive(Debug, Default)]
pub struct Attached {
    links: Option<TempDir>,
}

impl Attached {
    /// Puts the names of the files in place of those of their links.
    pub(super) fn real_names(&self, error: RecodeError) -> RecodeError {
        let (Some(folder), RecodeError::Stream { element, message }) = (&self.links, &error) else {
            return error;
        };
        let links = fs::read_dir(folder.path()).into_iter().flatten().flatten();
        let link = links
            .map(|entry| entry.path())
            .filter(|link| message.contains(&*link.to_string_lossy()))
            // A longer number may begin with a shorter one.
            .max_by_key(|link| link.as_os_str().len());
        let Some((link, file)) =
            link.and_then(|link| Some((link.clone(), fs::read_link(link).ok()?)))
        else {
            return error;
        };
        RecodeError::Stream {
            element: element.clone(),
            message: message.replace(&*link.to_string_lossy(), &file.to_string_lossy()),
        }
    }

    /// Numbers the files from 0 by links in a folder for the element's `mask-location`, which takes
    /// no other names.
    ///
    /// # Errors
    /// A link cannot be made.
    fn links(
        element: &gst::Element,
        files: &[PathBuf],
        location: &str,
    ) -> Result<Self, RecodeError> {
        let link = || {
            let folder = tempfile::Builder::new().prefix("propainter-").tempdir()?;
            for (number, file) in files.iter().enumerate() {
                let name = location.replace("%d", &number.to_string());
                symlink(fs::canonicalize(file)?, folder.path().join(name))?;
            }
            Ok(folder)
        };
        let folder = link().map_err(|source| RecodeError::Open {
            file: files.first().cloned().unwrap_or_default(),
            source,
        })?;
        element.set_property("mask-location", folder.path().join(location));
        Ok(Self {
            links: Some(folder),
        })
    }
}
