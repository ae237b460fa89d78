//! The clips that advice is for: of files, or by size and length; [`holes`] reads their masks.

pub mod holes;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use self::holes::{Holes, HolesError};
use crate::recode::{RecodeError, Source};

/// Extensions of the files of a folder that are taken for videos.
const VIDEOS: [&str; 16] = [
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "m2ts", "mts", "mpg", "mpeg", "mxf", "ogv",
    "wmv", "flv", "y4m",
];

/// A clip that advice cannot be given for.
#[derive(Debug, Error)]
pub enum ClipError {
    #[error("{}: {source}", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error(transparent)]
    Video(#[from] RecodeError),
    #[error("the folder {} holds no video", .0.display())]
    Empty(PathBuf),
    #[error("{}: {problem}", file.display())]
    Caps {
        file: PathBuf,
        problem: gst::glib::BoolError,
    },
    #[error("{}: its number of frames is not known; add --frames", .0.display())]
    Length(PathBuf),
    #[error("{} has no mask: nothing in {} has its name", clip.display(), masks.display())]
    NoMask { clip: PathBuf, masks: PathBuf },
    #[error(transparent)]
    Holes(#[from] HolesError),
}

/// A clip with its holes.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    pub name: String,
    /// Width and height in pixels.
    pub size: (usize, usize),
    pub frames: usize,
    /// Frames per second, if they are known.
    pub rate: Option<f64>,
    pub holes: Holes,
}

/// What the command line says of masks.
#[derive(Clone, Debug)]
pub enum Masks {
    /// Of this share in this part of the frames.
    Assumed {
        share: f64,
        length: f64,
    },
    Location(PathBuf),
}

impl Clip {
    /// Reads the beginning of a file. `frames` is its length where the file does not tell.
    ///
    /// # Errors
    /// It has no video, its length is not known, or its masks cannot be read.
    pub fn open(file: &Path, masks: &Masks, frames: Option<usize>) -> Result<Self, ClipError> {
        let source = Source::open(file)?;
        let info = gst_video::VideoInfo::from_caps(&source.decoded);
        let info = info.map_err(|problem| ClipError::Caps {
            file: file.to_owned(),
            problem,
        })?;
        let rate = info.fps();
        let rate = f64::from(rate.numer()) / f64::from(rate.denom());
        let rate = (rate > 0.0).then_some(rate);
        let told = source.length.zip(rate);
        let told = told.map(|(length, rate)| (length.seconds_f64() * rate).round() as usize);
        let frames = frames.or(told).filter(|frames| *frames > 0);
        let frames = frames.ok_or_else(|| ClipError::Length(file.to_owned()))?;
        let size = (info.width() as usize, info.height() as usize);
        let name = file.file_name().unwrap_or(file.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            size,
            frames,
            rate,
            holes: masks.of(size)?,
        })
    }

    /// Returns the number of frames with a mask, at least 1.
    pub fn masked_frames(&self) -> usize {
        let masked = (self.frames as f64 * self.holes.length).round() as usize;
        masked.clamp(1, self.frames.max(1))
    }
}

impl Masks {
    /// Returns the holes of a clip of this size.
    ///
    /// # Errors
    /// The masks cannot be read.
    pub fn of(&self, size: (usize, usize)) -> Result<Holes, HolesError> {
        match self {
            Self::Assumed { share, length } => Ok(Holes {
                length: *length,
                ..Holes::assumed(size, *share)
            }),
            Self::Location(location) => Holes::read(location, size),
        }
    }

    /// Returns the masks of one clip of a folder: what has the clip's name in a folder of masks.
    fn of_clip(&self, clip: &Path) -> Result<Self, ClipError> {
        let Self::Location(masks) = self else {
            return Ok(self.clone());
        };
        if !masks.is_dir() {
            return Ok(self.clone());
        }
        let own = list(masks)?;
        let own = own
            .into_iter()
            .find(|path| path.file_stem() == clip.file_stem());
        match own {
            Some(own) => Ok(Self::Location(own)),
            None => Err(ClipError::NoMask {
                clip: clip.to_owned(),
                masks: masks.clone(),
            }),
        }
    }
}

/// Reads a video, or all videos of a folder.
///
/// # Errors
/// One of them cannot be read, or there is none.
pub fn open_all(
    input: &Path,
    masks: &Masks,
    frames: Option<usize>,
) -> Result<Vec<Clip>, ClipError> {
    if !input.is_dir() {
        return Ok(vec![Clip::open(input, masks, frames)?]);
    }
    let is_video = |file: &PathBuf| {
        let extension = file
            .extension()
            .map(|extension| extension.to_ascii_lowercase());
        extension.is_some_and(|extension| VIDEOS.iter().any(|video| extension == *video))
    };
    let files = list(input)?.into_iter().filter(is_video);
    let clips = files.map(|file| Clip::open(&file, &masks.of_clip(&file)?, frames));
    let clips = clips.collect::<Result<Vec<_>, _>>()?;
    match clips.is_empty() {
        true => Err(ClipError::Empty(input.to_owned())),
        false => Ok(clips),
    }
}

/// Returns what a folder holds, by name, hidden files left out.
fn list(folder: &Path) -> Result<Vec<PathBuf>, ClipError> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        entries.collect()
    };
    let mut paths = read().map_err(|source| ClipError::Read {
        file: folder.to_owned(),
        source,
    })?;
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default();
        !name.to_string_lossy().starts_with('.')
    });
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use gst::prelude::*;
    use tempfile::TempDir;

    use super::*;

    const HALF: Masks = Masks::Assumed {
        share: 0.5,
        length: 0.5,
    };

    /// Writes what a pipeline makes to a file.
    fn made(folder: &TempDir, name: &str, pipeline: &str) -> PathBuf {
        gst::init().unwrap();
        let file = folder.path().join(name);
        let text = format!("{pipeline} ! filesink name=file");
        let pipeline = gst::parse::launch(&text).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let sink = pipeline.by_name("file").unwrap();
        sink.set_property("location", &file);
        pipeline.set_state(gst::State::Playing).unwrap();
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let bus = pipeline.bus().unwrap();
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds);
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(message.unwrap().type_(), gst::MessageType::Eos);
        file
    }

    fn video(folder: &TempDir, name: &str) -> PathBuf {
        let frames = "video/x-raw,width=320,height=240,framerate=25/1";
        let pipeline = format!("videotestsrc num-buffers=50 ! {frames} ! jpegenc ! matroskamux");
        made(folder, name, &pipeline)
    }

    #[test]
    fn a_file_tells_its_size_rate_and_length() {
        let folder = TempDir::new().unwrap();
        let file = video(&folder, "clip.mkv");
        let clip = Clip::open(&file, &HALF, None).unwrap();
        assert_eq!((&*clip.name, clip.size), ("clip.mkv", (320, 240)));
        assert_eq!((clip.frames, clip.rate), (50, Some(25.0)));
        assert_eq!(clip.masked_frames(), 25);
        assert_eq!(Clip::open(&file, &HALF, Some(7)).unwrap().frames, 7);
    }

    #[test]
    fn a_file_without_video_is_named() {
        let folder = TempDir::new().unwrap();
        let file = made(&folder, "sound.wav", "audiotestsrc num-buffers=10 ! wavenc");
        let error = Clip::open(&file, &HALF, None).unwrap_err().to_string();
        assert!(
            error.contains("no video frame") && error.contains("sound.wav"),
            "{error}"
        );
    }

    #[test]
    fn the_clips_of_a_folder_take_the_masks_of_their_names() {
        let (clips, masks) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        video(&clips, "a.mkv");
        std::fs::write(clips.path().join("notes.txt"), "no video").unwrap();
        let marked =
            image::GrayImage::from_fn(320, 240, |x, _| image::Luma([255 * u8::from(x < 80)]));
        marked.save(masks.path().join("a.png")).unwrap();
        let location = Masks::Location(masks.path().to_owned());
        let all = open_all(clips.path(), &location, None).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].holes.share, all[0].holes.length), (0.25, 1.0));

        video(&clips, "b.mkv");
        let error = open_all(clips.path(), &location, None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("b.mkv") && error.contains("no mask"),
            "{error}"
        );
        let one = Masks::Location(masks.path().join("a.png"));
        assert_eq!(open_all(clips.path(), &one, None).unwrap().len(), 2);
        let error = open_all(masks.path(), &HALF, None).unwrap_err().to_string();
        assert!(error.contains("holds no video"), "{error}");

        let black = masks.path().join("black.png");
        image::GrayImage::new(320, 240).save(&black).unwrap();
        let error = open_all(clips.path(), &Masks::Location(black), None).unwrap_err();
        assert!(error.to_string().contains("marks nothing"), "{error}");
    }

    #[test]
    fn the_frames_of_a_mask_video_are_counted() {
        let folder = TempDir::new().unwrap();
        let caps = "video/x-raw,width=64,height=48,framerate=25/1";
        let white =
            format!("videotestsrc pattern=white num-buffers=10 ! {caps} ! jpegenc ! matroskamux");
        let file = made(&folder, "mask.mkv", &white);
        let holes = Holes::read(&file, (320, 240)).unwrap();
        assert_eq!((holes.share, holes.length), (1.0, 1.0));
    }
}
