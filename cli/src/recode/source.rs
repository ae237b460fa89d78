//! The streams and metadata of a video file, and the format of its decoded frames.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use gst::prelude::*;

use super::{
    RecodeError, StopOnDrop,
    metadata::{chapters, orientation::Orientation},
    named,
    preroll::preroll,
};

/// A stream of a file.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Identifies the stream when the file is read again.
    pub id: String,
    /// Caps of the stream as stored, parsed.
    pub caps: gst::Caps,
    pub kind: StreamKind,
}

/// The kind of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    Video,
    Sound,
    Subtitles,
    Other,
}

impl StreamKind {
    fn of(caps: &gst::Caps) -> Self {
        let name = caps.structure(0).map_or("", |s| s.name().as_str());
        match name {
            // Motion JPEG is a sequence of images.
            _ if name.starts_with("video/") || name.starts_with("image/") => Self::Video,
            _ if name.starts_with("audio/") => Self::Sound,
            "application/x-ssa" | "application/x-ass" | "application/x-usf" => Self::Subtitles,
            _ if name.starts_with("text/") || name.starts_with("subpicture/") => Self::Subtitles,
            _ => Self::Other,
        }
    }
}

impl Stream {
    /// Returns the name of the codec, for messages.
    pub fn codec(&self) -> &str {
        let Some(structure) = self.caps.structure(0) else {
            return "";
        };
        let name = structure.name().as_str();
        match (name, structure.get::<i32>("mpegversion")) {
            ("audio/mpeg", Ok(2 | 4)) => "AAC",
            ("audio/mpeg", _) => "MPEG audio",
            ("video/mpeg", Ok(1)) => "MPEG-1",
            ("video/mpeg", Ok(2)) => "MPEG-2",
            ("video/mpeg", _) => "MPEG-4",
            ("audio/x-raw", _) => "PCM",
            ("text/x-raw", _) => "text",
            _ => {
                let short = name.split_once('/').map_or(name, |(_, name)| name);
                short.trim_start_matches("x-")
            }
        }
    }
}

/// The content of a video file.
pub struct Source {
    /// The video stream that is decoded.
    pub video: Stream,
    /// Caps of its decoded frames.
    pub decoded: gst::Caps,
    /// Length of the file where it tells it.
    pub length: Option<gst::ClockTime>,
    pub orientation: Option<Orientation>,
    /// All other streams.
    pub streams: Vec<Stream>,
    pub chapters: Option<gst::Toc>,
    /// Number of files that are attached.
    pub attachments: usize,
    /// Whether frames carry a time code.
    pub time_code: bool,
}

/// What has been found while the file is read.
#[derive(Default)]
struct Found {
    streams: Vec<Stream>,
    video: Option<String>,
    orientation: Option<Orientation>,
    chapters: Option<gst::Toc>,
    attachments: usize,
    time_code: bool,
}

/// Returns the name of a stream of `parsebin`, which is the same each time that the file is read.
pub fn id_of(pad: &gst::Pad) -> String {
    let id = pad.stream_id();
    id.map_or_else(|| pad.name().to_string(), |id| id.to_string())
}

/// Returns the caps of a pad, or those that it may get.
pub fn caps_of(pad: &gst::Pad) -> gst::Caps {
    pad.current_caps().unwrap_or_else(|| pad.query_caps(None))
}

/// Adds `filesrc ! parsebin`, which outputs the file's streams as they are stored.
///
/// # Errors
/// An element is not installed.
pub fn reader(file: &Path, pipeline: &gst::Pipeline) -> Result<gst::Element, RecodeError> {
    let source = named("filesrc", file, ": reading")?;
    source.set_property("location", file);
    let parse = named("parsebin", file, "")?;
    pipeline.add_many([&source, &parse])?;
    source.link(&parse)?;
    Ok(parse)
}

impl Source {
    /// Returns the source of frames that are in no file. `caps` are those that the encoder is
    /// chosen for, and `length` is that of all frames where it is known.
    pub fn of_frames(caps: gst::Caps, length: Option<gst::ClockTime>) -> Self {
        Self {
            video: Stream {
                id: String::new(),
                caps: caps.clone(),
                kind: StreamKind::Video,
            },
            decoded: caps,
            length,
            orientation: None,
            streams: Vec::new(),
            chapters: None,
            attachments: 0,
            time_code: false,
        }
    }

    /// Returns the source with frames of so many more columns and rows.
    pub fn grown(mut self, (columns, rows): (u32, u32)) -> Self {
        for (side, by) in [("width", columns), ("height", rows)] {
            let structure = self.decoded.make_mut().structure_mut(0);
            let Some(structure) = structure.filter(|_| by > 0) else {
                continue;
            };
            if let Ok(old) = structure.get::<i32>(side) {
                structure.set(side, old.saturating_add_unsigned(by));
            }
        }
        self
    }

    /// Returns whether the frames are stored in a file.
    pub fn is_stored(&self) -> bool {
        !self.video.id.is_empty()
    }

    /// Reads the beginning of a file, up to its first frame.
    ///
    /// # Errors
    /// The file cannot be read or decoded, or has no video.
    pub fn open(file: &Path) -> Result<Self, RecodeError> {
        let opened = std::fs::File::open(file).and_then(|file| match file.metadata()?.is_dir() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => Ok(()),
        });
        opened.map_err(|source| RecodeError::Open {
            file: file.to_owned(),
            source,
        })?;
        let pipeline = gst::Pipeline::new();
        let _stop = StopOnDrop(&pipeline);
        let parse = reader(file, &pipeline)?;
        let sink = gst::ElementFactory::make("fakesink").build()?;
        pipeline.add(&sink)?;
        let found = Arc::new(Mutex::new(Found::default()));
        let (weak, shared, sink_of_frames) =
            (pipeline.downgrade(), found.clone(), sink.downgrade());
        parse.connect_pad_added(move |_, pad| {
            if let (Some(pipeline), Some(sink)) = (weak.upgrade(), sink_of_frames.upgrade())
                && let Err(error) = add_stream(&pipeline, pad, &sink, &shared)
            {
                gst::element_error!(sink, gst::CoreError::Pad, ("{error}"));
            }
        });
        let (shared, sink_of_frames) = (found.clone(), sink.downgrade());
        parse.connect_no_more_pads(move |_| {
            // Otherwise the first frame is waited for in vain.
            if let Some(sink) = sink_of_frames
                .upgrade()
                .filter(|_| lock(&shared).video.is_none())
            {
                gst::element_error!(sink, gst::StreamError::TypeNotFound, ("there is no video"));
            }
        });
        preroll(&pipeline, file).map_err(|error| {
            let found = lock(&found);
            match found.video.is_none() && !found.streams.is_empty() {
                true => RecodeError::NoVideo(file.to_owned()),
                false => error,
            }
        })?;

        let pad = sink.static_pad("sink");
        let decoded = pad.and_then(|pad| pad.current_caps());
        let decoded = decoded.ok_or_else(|| RecodeError::NoVideo(file.to_owned()))?;
        let found = std::mem::take(&mut *lock(&found));
        let (mut video, streams): (Vec<_>, Vec<_>) = found
            .streams
            .into_iter()
            .partition(|stream| Some(&stream.id) == found.video.as_ref());
        let video = video.pop();
        Ok(Self {
            video: video.ok_or_else(|| RecodeError::NoVideo(file.to_owned()))?,
            decoded,
            length: pipeline.query_duration(),
            orientation: found.orientation,
            streams,
            chapters: found.chapters.or_else(|| chapters::read(file)),
            attachments: found.attachments,
            time_code: found.time_code,
        })
    }

    /// Returns the streams of a kind besides the decoded video.
    pub fn of_kind(&self, kind: StreamKind) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(move |s| s.kind == kind)
    }
}

fn lock(found: &Mutex<Found>) -> std::sync::MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records a stream; the first video stream is decoded into `frames`.
fn add_stream(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    frames: &gst::Element,
    shared: &Arc<Mutex<Found>>,
) -> Result<(), RecodeError> {
    let caps = caps_of(pad);
    let stream = Stream {
        id: id_of(pad),
        kind: StreamKind::of(&caps),
        caps,
    };
    let decoded = {
        let mut found = lock(shared);
        let decoded = stream.kind == StreamKind::Video && found.video.is_none();
        if decoded {
            found.video = Some(stream.id.clone());
        }
        found.streams.push(stream);
        decoded
    };
    let note = shared.clone();
    pad.sticky_events_foreach(|event| {
        note_event(event, decoded, &note);
        std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    let note = shared.clone();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(event) = info.event() {
            note_event(event, decoded, &note);
        }
        gst::PadProbeReturn::Ok
    });

    if !decoded {
        // No sink: one would wait with the stream's first buffer, and hold up the whole file.
        return Ok(());
    }
    let decode = gst::ElementFactory::make("decodebin").build()?;
    pipeline.add(&decode)?;
    let (sink, note) = (frames.downgrade(), shared.clone());
    decode.connect_pad_added(move |_, pad| {
        let Some(target) = sink.upgrade().and_then(|sink| sink.static_pad("sink")) else {
            return;
        };
        let note = note.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let meta = info
                .buffer()
                .map(|b| b.meta::<gst_video::VideoTimeCodeMeta>());
            lock(&note).time_code |= meta.flatten().is_some();
            gst::PadProbeReturn::Ok
        });
        if !target.is_linked() {
            // A pad that cannot be linked carries no frames, so that none is decoded.
            let _ = pad.link(&target);
        }
    });
    let target = decode.static_pad("sink");
    let target = target.ok_or_else(|| gst::glib::bool_error!("decodebin has no sink pad"))?;
    let linked = pad.link(&target);
    linked.map_err(|error| gst::glib::bool_error!("{}", error))?;
    decode.sync_state_with_parent()?;
    Ok(())
}

/// Records the orientation and the chapters that an event carries.
fn note_event(event: &gst::EventRef, decoded: bool, found: &Mutex<Found>) {
    match event.view() {
        gst::EventView::Tag(tag) if decoded => {
            let tags = tag.tag();
            let mut found = lock(found);
            if let Some(tag) = tags.get::<gst::tags::ImageOrientation>() {
                found.orientation = Orientation::of_tag(tag.get());
            }
            let attachments = tags.size::<gst::tags::Attachment>();
            found.attachments = found.attachments.max(attachments);
        }
        gst::EventView::Toc(toc) => lock(found).chapters = Some(toc.toc().0.to_owned()),
        _ => {}
    }
}
