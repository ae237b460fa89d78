//! Where the masks of a clip come from.

use std::{
    fs::{self, File},
    io::{self, BufReader},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use gst::prelude::*;
use image::ImageReader;
use tempfile::TempDir;
use thiserror::Error;

use crate::{
    output::{RemoveOnInterrupt, input_files},
    recode::{RecodeError, Source, branches, named},
};

/// The source of a clip's masks, besides the properties of the element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MaskSource {
    /// The properties of the element alone.
    #[default]
    None,
    /// One image for all frames.
    Image(PathBuf),
    /// Images in the order of the frames, with the number of the frame from which each one holds.
    Sequence(Vec<(u64, PathBuf)>),
    /// A video that is played beside the clip.
    Video(PathBuf),
}

/// A rectangle in pixels of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rectangle([i32; 4]);

impl FromStr for Rectangle {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Result<Vec<i32>, _> = text.split(',').map(|n| n.trim().parse()).collect();
        match numbers.as_deref() {
            Ok(&[x, y, width, height]) if width > 0 && height > 0 => {
                Ok(Self([x, y, width, height]))
            }
            _ => Err("expected four numbers, such as 20,10,200,60"),
        }
    }
}

impl Rectangle {
    /// Returns rectangles as the value of the element's property `mask-regions`.
    pub(super) fn regions(all: &[Self]) -> String {
        let all = all
            .iter()
            .map(|Self([x, y, w, h])| format!("<{x},{y},{w},{h}>"));
        format!("<{}>", all.collect::<Vec<_>>().join(","))
    }
}

/// An error that keeps masks from being used.
#[derive(Debug, Error)]
pub enum MaskError {
    #[error("the mask {} cannot be read: {source}", file.display())]
    Open { file: PathBuf, source: io::Error },
    #[error(
        "the mask folder {} is empty: put one image into it, or one for each frame", .0.display()
    )]
    Empty(PathBuf),
    #[error(
        "the mask {} is no image (BMP, GIF, JPEG, PNG, PNM, TIFF, WebP): convert it, or remove it \
         from the folder", .0.display()
    )]
    NoImage(PathBuf),
    #[error(
        "no mask is named {} with the number 0 or 1: number the masks of the frames from there, or \
         name their folder to take them in order", .0.display()
    )]
    NoFirst(PathBuf),
    #[error("the mask is no image, and as a video it cannot be used: {0}")]
    Video(RecodeError),
}

impl MaskSource {
    /// Returns what `location` names: an image, a video, a folder of images in the order of their
    /// names, or a numbered sequence such as `mask%05d.png`.
    ///
    /// # Errors
    /// There is no such file, the folder is empty, or a file is no image.
    pub fn find(location: &Path) -> Result<Self, MaskError> {
        let sequence = if location.is_dir() {
            let files = files_in(location).map_err(|source| MaskError::Open {
                file: location.to_owned(),
                source,
            })?;
            match files.as_slice() {
                [] => return Err(MaskError::Empty(location.to_owned())),
                [one] => return Self::find(one),
                _ => (0..).zip(files).collect(),
            }
        } else if !location.exists() && location.to_string_lossy().contains('%') {
            numbered(location)?
        } else {
            return Ok(match is_image(location)? {
                true => Self::Image(location.to_owned()),
                false => Self::Video(location.to_owned()),
            });
        };
        for (_, file) in &sequence {
            if !is_image(file)? {
                return Err(MaskError::NoImage(file.clone()));
            }
        }
        Ok(Self::Sequence(sequence))
    }

    /// Returns the files that are read.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::None => Vec::new(),
            Self::Image(file) | Self::Video(file) => vec![file.clone()],
            Self::Sequence(files) => files.iter().map(|(_, file)| file.clone()).collect(),
        }
    }

    /// Gives the masks to the element. `first` is the number of the frame that the element gets
    /// first.
    ///
    /// # Errors
    /// A mask cannot be read, or an element is not installed.
    pub(crate) fn attach(
        &self,
        element: &gst::Element,
        pipeline: &gst::Pipeline,
        first: u64,
    ) -> Result<Attached, MaskError> {
        let attached = match self {
            Self::None => return Ok(Attached::default()),
            Self::Image(file) if !file.to_string_lossy().contains('%') => {
                element.set_property("mask-location", file);
                return Ok(Attached::default());
            }
            Self::Image(file) => Attached::links(element, "mask", [(0, file)]),
            Self::Sequence(files) => {
                // The mask of the frame before holds where the first frame has none.
                let skipped = files.partition_point(|(number, _)| *number <= first);
                let files = files.iter().skip(skipped.saturating_sub(1));
                // Without a number 0 the element may count from 1.
                let zero = files.clone().next().filter(|_| first > 0);
                let zero = zero.map(|(_, file)| (0, file));
                // The element numbers the frames of a part as those of the clip.
                let files = files.map(|(number, file)| ((*number).max(first), file));
                Attached::links(element, "%d", zero.into_iter().chain(files))
            }
            Self::Video(file) => {
                Source::open(file).map_err(MaskError::Video)?;
                return Attached::video(element, pipeline, file).map_err(MaskError::Video);
            }
        };
        attached.map_err(|source| MaskError::Open {
            file: self.files().swap_remove(0),
            source,
        })
    }

    /// Returns the remark about masks that do not match the frames one by one: `frames` frames
    /// were read, the first one with the number `first`.
    pub(super) fn remark(
        &self,
        attached: &Attached,
        (first, frames): (u64, u64),
    ) -> Option<String> {
        let frames = first + frames;
        match self {
            Self::Sequence(files) => {
                let masks = files.last().map_or(0, |(number, _)| number + 1);
                match masks {
                    _ if masks < frames => Some(format!(
                        "there are {masks} masks for {frames} frames: the last mask holds for the rest"
                    )),
                    _ if masks > frames && first == 0 => Some(format!(
                        "there are {masks} masks for {frames} frames: the other masks are not used"
                    )),
                    _ => None,
                }
            }
            Self::Video(file) => {
                let [masks, frames] = [&attached.masks_end, &attached.last_frame]
                    .map(|time| time.load(Ordering::Relaxed));
                (masks <= frames).then(|| {
                    let seconds = |nanoseconds: u64| nanoseconds as f64 * 1e-9;
                    format!(
                        "{} ends at {:.2} s, before the last frame at {:.2} s: its last mask holds \
                         for the rest",
                        file.display(),
                        seconds(masks),
                        seconds(frames)
                    )
                })
            }
            Self::None | Self::Image(_) => None,
        }
    }
}

/// Returns the visible files of a folder in the order of their names.
pub(super) fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let is_hidden = |file: &Path| {
        let name = file.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(b".")
    };
    let files = entries?.into_iter().map(|entry| entry.path());
    let mut files: Vec<_> = files
        .filter(|file| file.is_file() && !is_hidden(file))
        .collect();
    files.sort();
    Ok(files)
}

/// Returns the files of a numbered sequence, whose first number is 0 or 1.
pub(super) fn numbered(location: &Path) -> Result<Vec<(u64, PathBuf)>, MaskError> {
    let none = || MaskError::NoFirst(location.to_owned());
    let name = location.file_name().unwrap_or_default().to_string_lossy();
    let (before, rest) = name.split_once('%').ok_or_else(none)?;
    let (_, after) = rest.split_once('d').ok_or_else(none)?;
    let number = |file: PathBuf| {
        let name = file.file_name()?.to_str()?;
        let digits = name.strip_prefix(before)?.strip_suffix(after)?;
        Some((digits.parse::<u64>().ok()?, file))
    };
    let files = input_files(location).into_iter();
    let mut files: Vec<_> = files.filter_map(number).collect();
    files.sort();
    let first = files.first().map(|(number, _)| *number);
    let first = first.filter(|first| *first < 2).ok_or_else(none)?;
    Ok(files
        .into_iter()
        .map(|(n, file)| (n - first, file))
        .collect())
}

/// Returns whether a file's content is that of an image; its extension does not count.
pub(super) fn is_image(file: &Path) -> Result<bool, MaskError> {
    let format = File::open(file).and_then(|opened| {
        let reader = ImageReader::new(BufReader::with_capacity(64, opened));
        Ok(reader.with_guessed_format()?.format())
    });
    let format = format.map_err(|source| MaskError::Open {
        file: file.to_owned(),
        source,
    })?;
    match format {
        Some(format) if !format.reading_enabled() => Err(MaskError::NoImage(file.to_owned())),
        format => Ok(format.is_some()),
    }
}

/// What belongs to the masks of an element.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    /// The folder of links to the masks. It must live as long as the element reads them.
    links: Option<(TempDir, RemoveOnInterrupt)>,
    /// Where masks are a video: the end of the last mask and the begin of the last frame, in
    /// nanoseconds of running time.
    masks_end: Arc<AtomicU64>,
    last_frame: Arc<AtomicU64>,
}

impl Attached {
    /// Numbers the files by links in a folder, for the element's `mask-location` takes no other
    /// names.
    fn links<'a>(
        element: &gst::Element,
        name: &str,
        files: impl IntoIterator<Item = (u64, &'a PathBuf)>,
    ) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("propainter-").tempdir()?;
        let remove = RemoveOnInterrupt::new(folder.path());
        for (number, file) in files {
            let link = folder.path().join(name.replace("%d", &number.to_string()));
            symlink(fs::canonicalize(file)?, link)?;
        }
        element.set_property("mask-location", folder.path().join(name));
        Ok(Self {
            links: Some((folder, remove)),
            ..Self::default()
        })
    }

    /// Plays a video into the element's pad `mask_sink`.
    fn video(
        element: &gst::Element,
        pipeline: &gst::Pipeline,
        file: &Path,
    ) -> Result<Self, RecodeError> {
        let attached = Self::default();
        let source = named("filesrc", file, ": reading masks")?;
        source.set_property("location", file);
        let decode = named("decodebin", file, ": masks")?;
        let convert = branches::bin("videoconvert ! queue")?;
        pipeline.add_many([&source, &decode, &convert])?;
        source.link(&decode)?;
        convert.link_pads(Some("src"), element, Some("mask_sink"))?;
        let sink = convert.downgrade();
        decode.connect_pad_added(move |_, pad| {
            if let Some(sink) = sink
                .upgrade()
                .and_then(|convert| convert.static_pad("sink"))
            {
                // A pad that cannot be linked is that of another stream, such as sound.
                let _ = pad.link(&sink);
            }
        });
        let (masks, frames) = (convert.static_pad("src"), element.static_pad("sink"));
        for (pad, time, ends) in [
            (masks, &attached.masks_end, true),
            (frames, &attached.last_frame, false),
        ] {
            let time = time.clone();
            let pad = pad.ok_or_else(|| gst::glib::bool_error!("propainter has no pad"))?;
            pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                let now = info
                    .buffer()
                    .and_then(|buffer| running_time(pad, buffer, ends));
                time.fetch_max(now.map_or(0, gst::ClockTime::nseconds), Ordering::Relaxed);
                gst::PadProbeReturn::Ok
            });
        }
        Ok(attached)
    }

    /// Puts the name of a file in place of that of its link.
    pub(crate) fn real_names(&self, error: RecodeError) -> RecodeError {
        let (Some((folder, _)), RecodeError::Stream { element, message }) = (&self.links, &error)
        else {
            return error;
        };
        let links = fs::read_dir(folder.path()).into_iter().flatten().flatten();
        let link = links
            .map(|entry| entry.path())
            .filter(|link| message.contains(&*link.to_string_lossy()))
            // A longer number may begin with a shorter one.
            .max_by_key(|link| link.as_os_str().len());
        let Some((link, file)) = link.and_then(|link| Some((fs::read_link(&link).ok()?, link)))
        else {
            return error;
        };
        RecodeError::Stream {
            element: element.clone(),
            message: message.replace(&*file.to_string_lossy(), &link.to_string_lossy()),
        }
    }
}

/// Returns the running time at which a buffer begins or `ends`.
fn running_time(pad: &gst::Pad, buffer: &gst::BufferRef, ends: bool) -> Option<gst::ClockTime> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = event.segment().downcast_ref::<gst::ClockTime>()?.clone();
    let duration = buffer.duration().filter(|_| ends).unwrap_or_default();
    segment.to_running_time(buffer.pts()? + duration)
}

#[cfg(test)]
mod tests;
