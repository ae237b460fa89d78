//! A video file through the element into another file, which keeps what the first one has.
//!
//! - [`source`]: what a file holds, found out before anything is written
//! - [`boxes`]: what GStreamer does not read of MP4 and QuickTime files
//! - [`container`]: the kinds of files that are written
//! - [`encoder`]: the encoder and the pixel format that lose least
//! - [`orientation`]: the way up of the picture
//! - [`streams`]: sound and subtitles, as they are where the container takes them
//! - [`subtitles`]: text without markup

pub mod boxes;
pub mod container;
pub mod encoder;
pub mod orientation;
pub mod source;
mod streams;
mod subtitles;

use std::{io, path::PathBuf};

use gst::prelude::*;
use thiserror::Error;

use crate::output::{Existing, Output, OutputError};

use self::source::{Kind, id_of, reader};
pub use self::{container::Container, encoder::Encoder, source::Source};

/// Why a file is not written.
#[derive(Debug, Error)]
pub enum RecodeError {
    #[error("{}: {source}", file.display())]
    Open { file: PathBuf, source: io::Error },
    #[error(
        "{}: the extension names no container that can be written; .mp4, .m4v, .mov, .mkv, .webm \
         and .ts do", .0.display()
    )]
    Extension(PathBuf),
    #[error("no video frame came out; is {} a video?", .0.display())]
    NoVideo(PathBuf),
    #[error("none of the encoders {0} is installed, or takes this size; see scripts/setup.sh")]
    NoEncoder(String),
    #[error("{element}: {message}")]
    Stream { element: String, message: String },
    #[error("GStreamer: {0} (scripts/setup.sh installs what is needed)")]
    Setup(#[from] gst::glib::Error),
    #[error("GStreamer: {0} (scripts/setup.sh installs what is needed)")]
    Pipeline(#[from] gst::glib::BoolError),
    #[error("GStreamer: {0}")]
    State(#[from] gst::StateChangeError),
    #[error("the way up of the picture cannot be stored: {0}")]
    Orientation(io::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// A file being written anew. Dropped before [`Recode::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Recode {
    /// Plays from the one file into the other.
    pub pipeline: gst::Pipeline,
    /// What the new file cannot have, or has in another form; a line each.
    pub notes: Vec<String>,
    output: Output,
    /// What is written into the file once it is whole.
    orientation: Option<(orientation::Orientation, (u32, u32))>,
}

/// What to write, and from what.
#[derive(Clone, Debug)]
pub struct Job {
    pub video: PathBuf,
    pub output: PathBuf,
    /// What is read besides the video.
    pub inputs: Vec<PathBuf>,
    pub existing: Existing,
}

impl Recode {
    /// Looks at the video and makes a pipeline that brings its pictures through `element`.
    ///
    /// # Errors
    /// A video that cannot be read, an output that may not be written, a container that is not
    /// known, or an element that is not installed.
    pub fn new(job: &Job, element: &gst::Element) -> Result<Self, RecodeError> {
        let container = Container::of(&job.output)?;
        let mut inputs = vec![job.video.clone()];
        inputs.extend_from_slice(&job.inputs);
        // The cheap reasons to refuse first.
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

    /// Whether a file is there that will be replaced.
    pub fn replaces(&self) -> bool {
        self.output.replaces()
    }

    /// Gives the file its name, once the pipeline has come to its end.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(self) -> Result<(), RecodeError> {
        // The muxer has closed the file only then.
        self.pipeline.set_state(gst::State::Null)?;
        if let Some((turn, size)) = self.orientation {
            turn.write(self.output.part(), size)
                .map_err(RecodeError::Orientation)?;
        }
        Ok(self.output.commit()?)
    }
}

/// The pipeline, and what is to be told about the file that it writes.
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
        notes.push("the picture is turned, as the file cannot say which way is up".to_owned());
        format!(
            "! videoconvert ! videoflip video-direction={} ",
            turn.direction
        )
    });
    if !encoder.lost.is_empty() {
        let (lost, format) = (encoder.lost.join(" and "), encoder.format.to_str());
        notes.push(format!(
            "the pictures lose {lost}: they are written as {format}"
        ));
    }
    let before = streams::bin("queue ! videoconvert")?;
    // Interlaced pictures are the element's to refuse.
    let after = streams::bin(&format!(
        "videoconvert {turn}! videoconvert ! video/x-raw,format={} ! {} ! queue",
        encoder.format.to_str(),
        encoder.description(source)
    ))?;
    pipeline.add_many([&before, element, &after])?;
    gst::Element::link_many([&before, element, &after])?;
    streams::link_to_muxer(&after, &mux, container, Kind::Video)?;
    if let Some(pad) = mux.static_pad("video_0")
        && pad.has_property("trak-timescale")
    {
        pad.set_property("trak-timescale", timescale(&source.decoded));
    }

    // Where each stream of the file goes.
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
    let untold = boxes::Untold::of(&job.video);
    let setter = mux.dynamic_cast_ref::<gst::TocSetter>();
    match (
        &source.chapters,
        setter.filter(|_| container.stores_chapters()),
    ) {
        (Some(chapters), Some(setter)) => setter.set_toc(Some(chapters)),
        (None, _) if !untold.chapters => {}
        _ => notes.push("the chapters are not in the new file".to_owned()),
    }
    if source.time_code || untold.time_code {
        notes.push("the time code is not in the new file".to_owned());
    }

    let weak = pipeline.downgrade();
    parse.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else {
            return;
        };
        let id = id_of(pad);
        // A stream that stays out is linked to nothing.
        if let Some((_, entry)) = entries.iter().find(|(of, _)| *of == id)
            && let Err(error) = link(pad, entry)
        {
            gst::element_error!(pipeline, gst::CoreError::Pad, ("{error}"));
        }
    });
    Ok((pipeline, notes))
}

/// Ticks a second in which the times of frames are stored: exact for the stated frame rate where
/// that is usual, and fine enough where the frames do not keep to it.
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

fn link(pad: &gst::Pad, element: &gst::Element) -> Result<(), RecodeError> {
    let sink = element.static_pad("sink");
    let sink = sink.ok_or_else(|| gst::glib::bool_error!("{} has no sink", element.name()))?;
    let linked = pad.link(&sink);
    linked.map_err(|error| gst::glib::bool_error!("{}", error))?;
    Ok(())
}

/// Brings a pipeline to a stop on every way out.
pub(crate) struct Stopped<'a>(pub &'a gst::Pipeline);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        // Nothing is left to do about a pipeline that does not even stop.
        let _ = self.0.set_state(gst::State::Null);
    }
}

fn error_of(error: &gst::message::Error) -> RecodeError {
    let source = error.src();
    RecodeError::Stream {
        element: source.map_or_else(String::new, |source| source.name().to_string()),
        message: error.error().to_string(),
    }
}
