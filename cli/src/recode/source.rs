//! What is in a file that is to be written anew: its streams, and how its pictures decode.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use gst::prelude::*;

use super::{RecodeError, Stopped, error_of, orientation::Orientation};

/// How long a file may give nothing before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream of a file.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What the same stream is called when the file is read again.
    pub id: String,
    /// As it is in the file, parsed.
    pub caps: gst::Caps,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Video,
    Sound,
    Subtitles,
    Other,
}

impl Kind {
    fn of(caps: &gst::Caps) -> Self {
        let name = caps.structure(0).map_or("", |s| s.name().as_str());
        match name {
            // Motion JPEG is one image after another.
            _ if name.starts_with("video/") || name.starts_with("image/") => Self::Video,
            _ if name.starts_with("audio/") => Self::Sound,
            "application/x-ssa" | "application/x-ass" | "application/x-usf" => Self::Subtitles,
            _ if name.starts_with("text/") || name.starts_with("subpicture/") => Self::Subtitles,
            _ => Self::Other,
        }
    }
}

impl Stream {
    /// The codec, for messages.
    pub fn codec(&self) -> &str {
        let Some(structure) = self.caps.structure(0) else {
            return "";
        };
        let name = structure.name().as_str();
        match (name, structure.get::<i32>("mpegversion")) {
            ("audio/mpeg", Ok(2 | 4)) => "AAC",
            ("audio/mpeg", _) => "MPEG audio",
            ("audio/x-raw", _) => "PCM",
            ("text/x-raw", _) => "text",
            _ => {
                let short = name.split_once('/').map_or(name, |(_, name)| name);
                short.trim_start_matches("x-")
            }
        }
    }
}

/// What a file holds.
pub struct Source {
    /// The stream whose pictures are decoded.
    pub video: Stream,
    /// How they decode.
    pub decoded: gst::Caps,
    pub orientation: Option<Orientation>,
    /// All the others.
    pub streams: Vec<Stream>,
    pub chapters: Option<gst::Toc>,
    /// Whether frames bear a time code.
    pub time_code: bool,
}

/// What is seen while the file is read.
#[derive(Default)]
struct Seen {
    streams: Vec<Stream>,
    video: Option<String>,
    orientation: Option<Orientation>,
    chapters: Option<gst::Toc>,
    time_code: bool,
}

/// The name of a stream of `parsebin`, the same each time that the file is read.
pub fn id_of(pad: &gst::Pad) -> String {
    let id = pad.stream_id();
    id.map_or_else(|| pad.name().to_string(), |id| id.to_string())
}

pub fn caps_of(pad: &gst::Pad) -> gst::Caps {
    pad.current_caps().unwrap_or_else(|| pad.query_caps(None))
}

/// `filesrc ! parsebin`, which gives the file's streams as they are stored.
pub fn reader(file: &Path, pipeline: &gst::Pipeline) -> Result<gst::Element, RecodeError> {
    let source = gst::ElementFactory::make("filesrc").build()?;
    source.set_property("location", file);
    let parse = gst::ElementFactory::make("parsebin").build()?;
    pipeline.add_many([&source, &parse])?;
    source.link(&parse)?;
    Ok(parse)
}

impl Source {
    /// Reads the beginning of a file, up to its first picture.
    ///
    /// # Errors
    /// A file that cannot be read or decoded, or that has no video.
    pub fn open(file: &Path) -> Result<Self, RecodeError> {
        std::fs::File::open(file).map_err(|source| RecodeError::Open {
            file: file.to_owned(),
            source,
        })?;
        let pipeline = gst::Pipeline::new();
        let _stopped = Stopped(&pipeline);
        let parse = reader(file, &pipeline)?;
        let sink = gst::ElementFactory::make("fakesink").build()?;
        pipeline.add(&sink)?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (weak, shared, pictures) = (pipeline.downgrade(), seen.clone(), sink.downgrade());
        parse.connect_pad_added(move |_, pad| {
            if let (Some(pipeline), Some(pictures)) = (weak.upgrade(), pictures.upgrade())
                && let Err(error) = take(&pipeline, pad, &pictures, &shared)
            {
                gst::element_error!(pictures, gst::CoreError::Pad, ("{error}"));
            }
        });
        preroll(&pipeline, file)?;

        let pad = sink.static_pad("sink");
        let decoded = pad.and_then(|pad| pad.current_caps());
        let decoded = decoded.ok_or_else(|| RecodeError::NoVideo(file.to_owned()))?;
        let seen = std::mem::take(&mut *lock(&seen));
        let (mut video, streams): (Vec<_>, Vec<_>) = seen
            .streams
            .into_iter()
            .partition(|stream| Some(&stream.id) == seen.video.as_ref());
        let video = video.pop();
        Ok(Self {
            video: video.ok_or_else(|| RecodeError::NoVideo(file.to_owned()))?,
            decoded,
            orientation: seen.orientation,
            streams,
            chapters: seen.chapters,
            time_code: seen.time_code,
        })
    }

    /// The streams of a kind besides the video that is decoded.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(move |s| s.kind == kind)
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a stream down; the first video is decoded.
fn take(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    pictures: &gst::Element,
    shared: &Arc<Mutex<Seen>>,
) -> Result<(), RecodeError> {
    let caps = caps_of(pad);
    let stream = Stream {
        id: id_of(pad),
        kind: Kind::of(&caps),
        caps,
    };
    let decoded = {
        let mut seen = lock(shared);
        let decoded = stream.kind == Kind::Video && seen.video.is_none();
        if decoded {
            seen.video = Some(stream.id.clone());
        }
        seen.streams.push(stream);
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
        // Left alone: a sink would hold the stream's first buffer, and with it the whole file.
        return Ok(());
    }
    let decode = gst::ElementFactory::make("decodebin").build()?;
    pipeline.add(&decode)?;
    let (sink, note) = (pictures.downgrade(), shared.clone());
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
            // What cannot be linked is no picture, and nothing decodes.
            let _ = pad.link(&target);
        }
    });
    let target = decode.static_pad("sink");
    let target = target.ok_or_else(|| gst::glib::bool_error!("an element without a sink pad"))?;
    let linked = pad.link(&target);
    linked.map_err(|error| gst::glib::bool_error!("{}", error))?;
    decode.sync_state_with_parent()?;
    Ok(())
}

fn note_event(event: &gst::EventRef, decoded: bool, seen: &Mutex<Seen>) {
    match event.view() {
        gst::EventView::Tag(tag) if decoded => {
            let tag = tag.tag().get::<gst::tags::ImageOrientation>();
            if let Some(tag) = tag {
                lock(seen).orientation = Orientation::of_tag(tag.get());
            }
        }
        gst::EventView::Toc(toc) => lock(seen).chapters = Some(toc.toc().0.to_owned()),
        _ => {}
    }
}

/// Waits for the first picture.
fn preroll(pipeline: &gst::Pipeline, file: &Path) -> Result<(), RecodeError> {
    let bus = pipeline.bus();
    let bus = bus.ok_or_else(|| gst::glib::bool_error!("the pipeline has no bus"))?;
    let started = pipeline.set_state(gst::State::Paused);
    let deadline = Instant::now() + PATIENCE;
    let kinds = [
        gst::MessageType::AsyncDone,
        gst::MessageType::Eos,
        gst::MessageType::Error,
    ];
    let left = match started {
        // The element that refused has said why.
        Err(_) => Duration::ZERO,
        Ok(_) => deadline.saturating_duration_since(Instant::now()),
    };
    let left = gst::ClockTime::try_from(left).unwrap_or(gst::ClockTime::ZERO);
    let message = bus.timed_pop_filtered(left, &kinds);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error_of(error)),
        Some(_) => Ok(()),
        None => Err(match started {
            Err(error) => RecodeError::State(error),
            Ok(_) => RecodeError::NoVideo(file.to_owned()),
        }),
    }
}
