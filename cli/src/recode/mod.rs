//! Sends a video file through the element into another file, which keeps the format, the times,
//! the metadata and the other streams of the first one.
//!
//! - [`source`]: the streams and metadata of a file, read before anything is written
//! - [`mp4_boxes`]: the parts of MP4 and QuickTime files that GStreamer does not report
//! - [`container`]: the containers that can be written
//! - [`encoder`]: the encoder and the pixel format that lose least
//! - [`orientation`]: rotation and mirroring for display
//! - [`branches`]: the branches of a pipeline that end in the muxer
//! - [`streams`]: sound and subtitles, copied where the container takes them
//! - [`subtitles`]: text without markup

pub mod branches;
pub mod container;
pub mod encoder;
pub mod mp4_boxes;
pub mod orientation;
pub mod source;
mod streams;
mod subtitles;

use std::{io, path::PathBuf};

use gst::prelude::*;
use thiserror::Error;

use crate::output::{Existing, Output, OutputError};

use self::source::{StreamKind, id_of, reader};
pub use self::{
    container::Container,
    encoder::{Encoder, Encoding},
    source::Source,
};

/// An error that keeps a file from being written.
#[derive(Debug, Error)]
pub enum RecodeError {
    #[error("{}: {source}", file.display())]
    Open { file: PathBuf, source: io::Error },
    #[error(
        "{}: the extension names no container that can be written: use .mp4, .m4v, .mov, .mkv, \
         .webm or .ts", .0.display()
    )]
    Extension(PathBuf),
    #[error("no video frame was decoded; is {} a video?", .0.display())]
    NoVideo(PathBuf),
    #[error(
        "none of the encoders {0} is installed and takes this size; scripts/setup.sh installs them"
    )]
    NoEncoder(String),
    #[error("{element}: {message}")]
    Stream { element: String, message: String },
    #[error("GStreamer: {0} (scripts/setup.sh installs the packages that are needed)")]
    Setup(#[from] gst::glib::Error),
    #[error("GStreamer: {0} (scripts/setup.sh installs the packages that are needed)")]
    Pipeline(#[from] gst::glib::BoolError),
    #[error("GStreamer: {0}")]
    State(#[from] gst::StateChangeError),
    #[error("the orientation cannot be stored: {0}")]
    Orientation(io::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// An incomplete copy of a video file. Dropped before [`Recode::finish`], it leaves nothing
/// behind.
#[derive(Debug)]
pub struct Recode {
    /// Reads the one file and writes the other.
    pub pipeline: gst::Pipeline,
    /// One line for each thing that the new file lacks, or holds in another form.
    pub notes: Vec<String>,
    output: Output,
    /// Orientation and frame size that are written into the complete file.
    orientation: Option<(orientation::Orientation, (u32, u32))>,
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

impl Recode {
    /// Reads the beginning of the video and builds a pipeline that sends its frames through
    /// `element`.
    ///
    /// # Errors
    /// The video cannot be read, the output may not be written, its container is unknown, or an
    /// element is not installed.
    pub fn new(job: &Job, element: &gst::Element) -> Result<Self, RecodeError> {
        let container = Container::of(&job.output)?;
        let mut inputs = vec![job.video.clone()];
        inputs.extend_from_slice(&job.inputs);
        // The quick checks come first.
        crate::output::check(&job.output, &inputs, job.existing)?;
        let source = Source::open(&job.video)?;
        let encoder = Encoder::choose(&source, container)?;
        let output = Output::create(&job.output, &inputs, job.existing)?;
        let (pipeline, notes) = build(job, &source, container, &encoder, element, &output)?;
        let size = gst_video::VideoInfo::from_caps(&source.decoded)?;
        let orientation = source.orientation;
        let orientation = orientation.filter(|_| container.stores_orientation());
        Ok(Self {
            pipeline,
            notes,
            output,
            orientation: orientation.map(|turn| (turn, (size.width(), size.height()))),
        })
    }

    /// Returns whether a file exists that will be replaced.
    pub fn replaces(&self) -> bool {
        self.output.replaces()
    }

    /// Moves the file to its final path, once the stream has ended.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> Result<(), RecodeError> {
        // Only then the muxer has closed the file.
        self.pipeline.set_state(gst::State::Null)?;
        if let Some((turn, size)) = self.orientation {
            turn.write(self.output.part(), size)
                .map_err(RecodeError::Orientation)?;
        }
        Ok(self.output.commit()?)
    }
}

/// Builds the pipeline and returns it with the notes about the new file.
fn build(
    job: &Job,
    source: &Source,
    container: Container,
    encoder: &Encoder,
    element: &gst::Element,
    output: &Output,
) -> Result<(gst::Pipeline, Vec<String>), RecodeError> {
    let pipeline = gst::Pipeline::new();
    let parse = reader(&job.video, &pipeline)?;
    let mux = gst::ElementFactory::make(container.muxer()).build()?;
    let sink = gst::ElementFactory::make("filesink").build()?;
    sink.set_property("location", output.part());
    pipeline.add_many([&mux, &sink])?;
    mux.link(&sink)?;

    let mut notes = Vec::new();
    let turn = source
        .orientation
        .filter(|_| !container.stores_orientation());
    let turn = turn.map_or(String::new(), |turn| {
        notes.push("the frames are rotated, as the file cannot store an orientation".to_owned());
        format!(
            "! videoconvert ! videoflip video-direction={} ",
            turn.direction
        )
    });
    if !encoder.lost.is_empty() {
        let (lost, format) = (encoder.lost.join(" and "), encoder.format.to_str());
        notes.push(format!(
            "the frames lose {lost}: they are written as {format}"
        ));
    }
    let before = branches::bin("queue ! videoconvert")?;
    // The element refuses interlaced frames.
    let after = branches::bin(&format!(
        "videoconvert {turn}! videoconvert ! video/x-raw,format={} ! {} ! queue",
        encoder.format.to_str(),
        encoder.description(source)
    ))?;
    pipeline.add_many([&before, element, &after])?;
    gst::Element::link_many([&before, element, &after])?;
    branches::link_to_muxer(&after, &mux, container, StreamKind::Video)?;
    if let Some(pad) = mux.static_pad("video_0")
        && pad.has_property("trak-timescale")
    {
        pad.set_property("trak-timescale", timescale(&source.decoded));
    }

    // The element that takes each stream of the file.
    let mut entries = vec![(
        source.video.id.clone(),
        streams::decoded_into(&pipeline, &before)?,
    )];
    for stream in &source.streams {
        match streams::branch(&pipeline, stream, &mux, container)? {
            Some((entry, note)) => {
                entries.push((stream.id.clone(), entry));
                notes.extend(note);
            }
            None => notes.push(format!("{} is not in the new file", streams::name(stream))),
        }
    }
    let unreported = mp4_boxes::Unreported::read(&job.video);
    let setter = mux.dynamic_cast_ref::<gst::TocSetter>();
    match (
        &source.chapters,
        setter.filter(|_| container.stores_chapters()),
    ) {
        (Some(chapters), Some(setter)) => setter.set_toc(Some(chapters)),
        (None, _) if !unreported.chapters => {}
        _ => notes.push("the chapters are not in the new file".to_owned()),
    }
    if source.time_code || unreported.time_code {
        notes.push("the time code is not in the new file".to_owned());
    }

    let weak = pipeline.downgrade();
    parse.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else {
            return;
        };
        let id = id_of(pad);
        // A stream that is left out stays unlinked.
        if let Some((_, entry)) = entries.iter().find(|(of, _)| *of == id)
            && let Err(error) = link(pad, entry)
        {
            gst::element_error!(pipeline, gst::CoreError::Pad, ("{error}"));
        }
    });
    Ok((pipeline, notes))
}

/// Returns the ticks per second in which frame times are stored: exact for usual frame rates, and
/// fine enough for frames at irregular times.
fn timescale(decoded: &gst::Caps) -> u32 {
    const TICKS: u32 = 90_000;
    let rate = decoded
        .structure(0)
        .and_then(|s| s.get::<gst::Fraction>("framerate").ok());
    let rate = rate.map_or(0, |rate| rate.numer().unsigned_abs());
    let common = (1..=4)
        .map(|times| TICKS * times)
        .find(|ticks| rate > 0 && ticks % rate == 0);
    common.unwrap_or(TICKS)
}

/// Links a pad to an element's pad `sink`.
fn link(pad: &gst::Pad, element: &gst::Element) -> Result<(), RecodeError> {
    let sink = element.static_pad("sink");
    let sink = sink.ok_or_else(|| gst::glib::bool_error!("{} has no sink pad", element.name()))?;
    let linked = pad.link(&sink);
    linked.map_err(|error| gst::glib::bool_error!("{}", error))?;
    Ok(())
}

/// Stops a pipeline when it is dropped.
pub(crate) struct StopOnDrop<'a>(pub &'a gst::Pipeline);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        // A failure to stop has no remedy.
        let _ = self.0.set_state(gst::State::Null);
    }
}

impl RecodeError {
    /// Returns the error that a message on the bus reports.
    pub fn of_message(error: &gst::message::Error) -> Self {
        let source = error.src();
        Self::Stream {
            element: source.map_or_else(String::new, |source| source.name().to_string()),
            message: error.error().to_string(),
        }
    }
}
