//! Sends a video file through the element into another file, which keeps the format, the times,
//! the metadata and the other streams of the first one. Frames that are in no file become one, too.
//!
//! - [`source`]: the streams and metadata of a file, read before anything is written
//! - [`preroll`]: the wait for the first frame of a file
//! - [`container`]: the containers that can be written
//! - [`codecs`]: the video codecs, and the settings of their encoders
//! - [`encoder`]: the encoder and the pixel format that lose least
//! - [`pipeline`]: from the one file into the other
//! - [`metadata`]: what GStreamer's muxers do not write
//! - [`parts`]: parts of a file as files of their own, and the file that they are copied into
//! - [`branches`]: the branches of a pipeline that end in the muxer
//! - [`streams`]: sound and subtitles, copied where the container takes them
//! - [`subtitles`]: text without markup
//! - [`error`]: what can go wrong

pub mod branches;
pub mod codecs;
pub mod container;
pub mod encoder;
pub mod error;
pub mod metadata;
pub mod parts;
pub(crate) mod pipeline;
mod preroll;
pub mod source;
pub(crate) mod streams;
mod subtitles;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use gst::prelude::*;
use gst_video::VideoInfo;

use crate::output::{Existing, Output};

pub use self::{
    container::Container,
    encoder::{Encoder, Encoding},
    error::RecodeError,
    parts::{Part, SEEK_FAILED, joined::Parts},
    source::Source,
};
use self::{
    metadata::{chapters, matroska_tags, orientation::Orientation},
    pipeline::{added, build, least_bytes},
};

/// An incomplete copy of a video file. Dropped before [`Recode::finish`], it leaves nothing
/// behind.
#[derive(Debug)]
pub struct Recode {
    /// Reads the one file and writes the other.
    pub pipeline: gst::Pipeline,
    /// One line for each thing that the new file lacks, or holds in another form.
    pub notes: Vec<String>,
    /// Bytes that the new file will hardly be smaller than.
    pub least_bytes: u64,
    /// Number of frames in the file, as far as they have been read.
    packets: Arc<AtomicU64>,
    output: Output,
    container: Container,
    /// Orientation and frame size that are written into the complete file.
    orientation: Option<(Orientation, (u32, u32))>,
    /// Chapters that are written into the complete file.
    chapters: Option<gst::Toc>,
}

/// The files to read and to write.
#[derive(Clone, Debug)]
pub struct Job {
    pub video: PathBuf,
    pub output: PathBuf,
    /// Files that are read besides the video.
    pub inputs: Vec<PathBuf>,
    pub existing: Existing,
    pub encoding: Encoding,
}

impl Job {
    /// Returns all files that are read.
    fn all_inputs(&self) -> Vec<PathBuf> {
        let video = std::iter::once(&self.video);
        video.chain(&self.inputs).cloned().collect()
    }
}

impl Recode {
    /// Reads the beginning of the video and builds a pipeline that sends its frames through
    /// `element`.
    ///
    /// # Errors
    /// The video cannot be read, the output may not be written, its container is unknown, or an
    /// element is not installed.
    pub fn new(job: &Job, element: &gst::Element) -> Result<Self, RecodeError> {
        // The quick checks come first.
        Container::of(&job.output)?;
        crate::output::check(&job.output, &job.all_inputs(), job.existing)?;
        Self::through(job, Source::open(&job.video)?, None, element)
    }

    /// Builds a pipeline that sends the output of the element `frames`, which is as `source` tells,
    /// through `element`.
    ///
    /// # Errors
    /// As [`Recode::new`].
    pub fn of_frames(
        job: &Job,
        source: Source,
        frames: &gst::Element,
        element: &gst::Element,
    ) -> Result<Self, RecodeError> {
        Self::through(job, source, Some(frames), element)
    }

    fn through(
        job: &Job,
        source: Source,
        frames: Option<&gst::Element>,
        element: &gst::Element,
    ) -> Result<Self, RecodeError> {
        let container = Container::of(&job.output)?;
        let source = source.grown(added(element));
        let encoder = Encoder::choose(&source, container, &job.encoding)?;
        let output = Output::create(&job.output, &job.all_inputs(), job.existing)?;
        let packets = Arc::default();
        let (pipeline, notes) = build(
            job,
            &source,
            container,
            &encoder,
            (frames, element),
            &output,
            &packets,
        )?;
        let info = VideoInfo::from_caps(&source.decoded)?;
        let size = (info.width(), info.height());
        let orientation = source.orientation;
        let orientation = orientation.filter(|_| container.stores_orientation());
        Ok(Self {
            pipeline,
            notes,
            least_bytes: least_bytes(&job.video, &source, &encoder),
            packets,
            output,
            container,
            chapters: source.chapters,
            orientation: orientation.map(|turn| (turn, size)),
        })
    }

    /// Returns whether a file exists that will be replaced.
    pub fn replaces(&self) -> bool {
        self.output.replaces()
    }

    /// Returns the remark about frames of the file that were not among the `decoded` ones.
    pub fn remark(&self, decoded: u64) -> Option<String> {
        let packets = self.packets.load(Ordering::Relaxed);
        (decoded < packets).then(|| {
            format!(
                "{} of {packets} frames were not decoded, so they are missing: the file may be \
                 damaged",
                packets - decoded
            )
        })
    }

    /// Moves the file to its final path, once the stream has ended.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> Result<(), RecodeError> {
        // Only then the muxer has closed the file.
        self.pipeline.set_state(gst::State::Null)?;
        let part = self.output.part();
        let complete = || match self.container {
            Container::Mp4 | Container::Mov => {
                if let Some((turn, size)) = self.orientation {
                    turn.write(part, size)?;
                }
                self.chapters
                    .map_or(Ok(()), |toc| chapters::write(&toc, part))
            }
            Container::Matroska | Container::Webm => matroska_tags::repair(part),
            Container::MpegTs => Ok(()),
        };
        complete().map_err(RecodeError::Complete)?;
        Ok(self.output.commit()?)
    }
}

/// Makes an element that errors are reported of under the name of a file.
///
/// # Errors
/// The element is not installed.
pub fn named(factory: &str, file: &Path, role: &str) -> Result<gst::Element, gst::glib::BoolError> {
    let name = format!("{}{role}", file.display());
    gst::ElementFactory::make(factory).name(name).build()
}

/// Stops a pipeline when it is dropped.
pub(crate) struct StopOnDrop<'a>(pub &'a gst::Pipeline);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        // A failure to stop has no remedy.
        let _ = self.0.set_state(gst::State::Null);
    }
}
