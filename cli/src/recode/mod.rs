//! Sends a video file through the element into another file, which keeps the format, the times,
//! the metadata and the other streams of the first one.
//!
//! - [`source`]: the streams and metadata of a file, read before anything is written
//! - [`mp4_boxes`]: the parts of MP4 and QuickTime files that GStreamer does not report
//! - [`container`]: the containers that can be written
//! - [`codecs`]: the video codecs, and the settings of their encoders
//! - [`encoder`]: the encoder and the pixel format that lose least
//! - [`chapters`], [`matroska_tags`]: what GStreamer's muxers do not write, or not rightly
//! - [`orientation`]: rotation and mirroring for display
//! - [`parts`]: parts of a file as files of their own, and the file that they are copied into
//! - [`branches`]: the branches of a pipeline that end in the muxer
//! - [`streams`]: sound and subtitles, copied where the container takes them
//! - [`subtitles`]: text without markup

pub mod branches;
pub mod chapters;
pub mod codecs;
pub mod container;
pub mod encoder;
pub mod matroska_tags;
pub mod mp4_boxes;
pub mod orientation;
pub mod parts;
pub mod source;
pub(crate) mod streams;
mod subtitles;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use gst::prelude::*;
use gst_video::VideoInfo;
use thiserror::Error;

use crate::output::{Existing, Output, OutputError};

use self::source::{StreamKind, reader};
pub use self::{
    container::Container,
    encoder::{Encoder, Encoding},
    parts::{Part, SEEK_FAILED, joined::Parts},
    source::Source,
};

/// An error that keeps a file from being written.
#[derive(Debug, Error)]
pub enum RecodeError {
    #[error("{} cannot be read: {source}", file.display())]
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
    #[error(
        "GStreamer finds no encoder of graphics hardware for this file ({0}): leave out \
         --encoder hardware, or install the plugin of the hardware"
    )]
    NoHardware(String),
    #[error(
        "there is no encoder {0}: name h264, h265, vp8, vp9, av1, ffv1, prores, hardware, or an \
         encoder that gst-inspect-1.0 lists"
    )]
    UnknownEncoder(String),
    #[error(
        "a file with this extension takes no {codec} here: use --encoder {}, or write another file \
         (FFV1: .mkv; ProRes: .mov)", others.join(", ")
    )]
    CodecInContainer {
        codec: &'static str,
        others: Vec<&'static str>,
    },
    #[error("{0} has no quality to choose: leave out --quality")]
    NoQuality(&'static str),
    #[error("{0}: the file system is full: free some space, or name an output elsewhere")]
    NoSpace(String),
    #[error("{element}: {message}")]
    Stream { element: String, message: String },
    #[error("GStreamer: {0} (scripts/setup.sh installs the packages that are needed)")]
    Setup(#[from] gst::glib::Error),
    #[error("GStreamer: {0} (scripts/setup.sh installs the packages that are needed)")]
    Pipeline(#[from] gst::glib::BoolError),
    #[error("GStreamer: {0}")]
    State(#[from] gst::StateChangeError),
    #[error("orientation, chapters and tags cannot be stored: {0}")]
    Complete(io::Error),
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
    /// Bytes that the new file will hardly be smaller than.
    pub least_bytes: u64,
    /// Number of frames in the file, as far as they have been read.
    packets: Arc<AtomicU64>,
    output: Output,
    container: Container,
    /// Orientation and frame size that are written into the complete file.
    orientation: Option<(orientation::Orientation, (u32, u32))>,
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
        let encoder = Encoder::choose(&source, container, &job.encoding)?;
        let output = Output::create(&job.output, &inputs, job.existing)?;
        let packets = Arc::default();
        let (pipeline, notes) = build(
            job, &source, container, &encoder, element, &output, &packets,
        )?;
        let size = new_size(&VideoInfo::from_caps(&source.decoded)?, element);
        let orientation = source.orientation;
        let orientation = orientation.filter(|_| container.stores_orientation());
        Ok(Self {
            pipeline,
            notes,
            least_bytes: least_bytes(job, &source, &encoder),
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

/// Builds the pipeline and returns it with the notes about the new file.
fn build(
    job: &Job,
    source: &Source,
    container: Container,
    encoder: &Encoder,
    element: &gst::Element,
    output: &Output,
    packets: &Arc<AtomicU64>,
) -> Result<(gst::Pipeline, Vec<String>), RecodeError> {
    let pipeline = gst::Pipeline::new();
    let parse = reader(&job.video, &pipeline)?;
    let mux = named(container.muxer(), &job.output, "")?;
    let sink = named("filesink", &job.output, ": writing")?;
    sink.set_property("location", output.part());
    pipeline.add_many([&mux, &sink])?;
    mux.link(&sink)?;

    let (turn, mut notes) = changes(job, source, container, encoder);
    let before = branches::bin(branches::BEFORE)?;
    if let Some(pad) = before.static_pad("sink") {
        fill_times(&pad);
    }
    // The element refuses interlaced frames.
    let after = branches::bin(&format!(
        "videoconvert {turn}! videoconvert ! video/x-raw,format={} ! {} ! queue",
        encoder.format.to_str(),
        encoder.description(source, &job.encoding)
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
        streams::decoded_into(
            &pipeline,
            named("decodebin", &job.video, ": video")?,
            &before,
        )?,
    )];
    entries.extend(streams::others(
        &pipeline, source, &mux, container, &job.video, &mut notes,
    )?);
    let video = source.video.id.clone();
    let packets = packets.clone();
    streams::route(&parse, &pipeline, entries, move |id, pad| {
        if id == video {
            count_packets(pad, packets.clone());
        }
    });
    Ok((pipeline, notes))
}

/// Returns the elements that turn the frames where the container stores no orientation, and the notes
/// about what becomes of the frames.
fn changes(
    job: &Job,
    source: &Source,
    container: Container,
    encoder: &Encoder,
) -> (String, Vec<String>) {
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
    let coded = source.video.caps.structure(0).map(|s| s.name().as_str());
    let default = Encoding {
        quality: job.encoding.quality,
        ..Encoding::default()
    };
    if coded != Some(encoder.codec.media) && job.encoding == default {
        notes.push(format!(
            "the video is encoded as {}, not as {}",
            encoder.codec.title,
            source.video.codec()
        ));
    }
    (turn, notes)
}

/// Returns width and height of the frames that come out of the element.
fn new_size(info: &VideoInfo, element: &gst::Element) -> (u32, u32) {
    let border = |side: &str| match element.find_property(side) {
        Some(_) => element
            .property_value(side)
            .get::<u32>()
            .unwrap_or_default(),
        None => 0,
    };
    (
        info.width() + border("expand-left") + border("expand-right"),
        info.height() + border("expand-top") + border("expand-bottom"),
    )
}

/// Returns the bytes that the new file will hardly be smaller than: half of the old one, or a quarter
/// of the frames where none of it is lost.
fn least_bytes(job: &Job, source: &Source, encoder: &Encoder) -> u64 {
    let input = std::fs::metadata(&job.video).map_or(0, |file| file.len()) / 2;
    let info = VideoInfo::from_caps(&source.decoded).ok();
    let frames = info.zip(source.length).map(|(info, length)| {
        let seconds = length.nseconds() as f64 * 1e-9;
        let rate = f64::from(info.fps().numer()) / f64::from(info.fps().denom());
        (info.size() as f64 * seconds * rate / 4.0) as u64
    });
    match encoder.codec.name == codecs::FFV1.name {
        true => frames.unwrap_or_default().max(input),
        false => input,
    }
}

/// Counts the frames of a video stream as it is stored.
fn count_packets(pad: &gst::Pad, packets: Arc<AtomicU64>) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let is_shown = info.buffer().is_some_and(|packet| {
            let decode_only = packet.flags().contains(gst::BufferFlags::DECODE_ONLY);
            let event = pad.sticky_event::<gst::event::Segment>(0);
            let segment = event
                .as_ref()
                .and_then(|event| event.segment().downcast_ref());
            // An edit list may leave out frames at both ends.
            let time = segment.and_then(|segment: &gst::FormattedSegment<gst::ClockTime>| {
                segment.to_running_time(packet.pts()?)
            });
            !decode_only && time.is_some()
        });
        packets.fetch_add(u64::from(is_shown), Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
}

/// Gives a time to frames that have none or one before that of the last frame, as those of AVI files
/// with B-frames: muxers do not take them.
pub(crate) fn fill_times(pad: &gst::Pad) {
    let last = Mutex::new(None);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buffer) = info.buffer_mut() {
            let before: Option<(gst::ClockTime, gst::ClockTime)> = *last;
            let after = before.filter(|(time, _)| buffer.pts().is_none_or(|pts| pts <= *time));
            if let Some((time, duration)) = after {
                buffer.make_mut().set_pts(time + duration);
            }
            let known = buffer.duration().or(before.map(|(_, duration)| duration));
            *last = buffer
                .pts()
                .zip(known.filter(|duration| !duration.is_zero()));
        }
        gst::PadProbeReturn::Ok
    });
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

impl RecodeError {
    /// Returns the error that a message on the bus reports. It names the outermost bin that the
    /// element is in, which [`named`] names after its file.
    pub fn of_message(error: &gst::message::Error) -> Self {
        let parents = std::iter::successors(error.src().cloned(), gst::Object::parent);
        let inner = parents.take_while(|object| !object.is::<gst::Pipeline>());
        Self::Stream {
            element: inner
                .last()
                .map_or_else(String::new, |bin| bin.name().to_string()),
            message: error.error().to_string(),
        }
    }
}
