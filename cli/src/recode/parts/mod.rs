//! A part of a video file through the element into a Matroska file of its own, without the other
//! streams: a segment of a job.

pub mod joined;

use std::{
    cmp::Ordering::{Equal, Greater, Less},
    ops::Range,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use gst::{ClockTime, PadProbeReturn, PadProbeType, prelude::*};
use propainter::Segment;

use super::{
    Container, Encoder, Job, Recode, RecodeError, Source, branches, named,
    pipeline::{added, changes, fill_times, least_bytes},
    source::{StreamKind, reader},
    streams,
};
use crate::output::Output;

/// The message of a file that did not go where a seek was to lead. Without the seek it can be read.
pub const SEEK_FAILED: &str = "the file went to another place than the seek asked for";

/// Drops what a probe sees. GStreamer complains of `PadProbeReturn::Drop`, because the bindings have
/// taken the data out of the probe.
const DROP: PadProbeReturn = PadProbeReturn::Handled;

/// A part of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The frames that are read, and those of them that are written.
    pub segment: Segment,
    /// Timestamp of the first frame that is read.
    pub first: ClockTime,
    /// Stream time of a key frame that is not after it. `None` decodes from the beginning.
    pub key: Option<ClockTime>,
    /// The container that the frames are encoded for; they are copied into it later.
    pub container: Container,
}

impl Recode {
    /// Reads the beginning of the video and builds a pipeline that sends a part of its frames through
    /// `element`, which keeps those to be written.
    ///
    /// # Errors
    /// As [`Recode::new`].
    pub fn of_part(job: &Job, part: &Part, element: &gst::Element) -> Result<Self, RecodeError> {
        let source = Source::open(&job.video)?.grown(added(element));
        let encoder = Encoder::choose(&source, part.container, &job.encoding)?;
        let output = Output::create(&job.output, &job.all_inputs(), job.existing)?;

        let pipeline = gst::Pipeline::new();
        let parse = reader(&job.video, &pipeline)?;
        let (turn, notes) = changes(job, &source, part.container, &encoder);
        let before = branches::bin(branches::BEFORE)?;
        let after = branches::bin(&format!(
            "videoconvert {turn}! videoconvert ! video/x-raw,format={} ! {} ! queue",
            encoder.format.to_str(),
            encoder.description(&source, &job.encoding)
        ))?;
        let mux = named("matroskamux", &job.output, "")?;
        let sink = named("filesink", &job.output, ": writing")?;
        sink.set_property("location", output.part());
        pipeline.add_many([&before, element, &after, &mux, &sink])?;
        gst::Element::link_many([&before, element, &after])?;
        branches::link_to_muxer(&after, &mux, Container::Matroska, StreamKind::Video)?;
        mux.link(&sink)?;
        let decode = named("decodebin", &job.video, ": video")?;
        let decode = streams::decoded_into(&pipeline, decode, &before)?;
        cut(&decode, part);
        let entries = vec![(source.video.id.clone(), decode)];
        streams::route(&parse, &pipeline, entries, |_, _| {});
        let (kept, total) = (
            part.segment.keep.len() as u64,
            part.segment.total.max(1) as u64,
        );
        let least = least_bytes(&job.video, &source, &encoder) / total * kept;
        Ok(Self {
            pipeline,
            notes,
            least_bytes: least,
            packets: Arc::default(),
            output,
            container: Container::Matroska,
            orientation: None,
            chapters: None,
        })
    }
}

/// Lets only the frames that are read out of a decoder.
fn cut(decode: &gst::Element, part: &Part) {
    let part = part.clone();
    decode.connect_pad_added(move |_, pad| {
        // After a seek the first frame comes once more; its time must stay.
        if part.key.is_none() {
            fill_times(pad);
        }
        let cutter = Arc::new(Cutter::new(&part));
        let kinds =
            PadProbeType::BUFFER | PadProbeType::EVENT_DOWNSTREAM | PadProbeType::EVENT_FLUSH;
        pad.add_probe(kinds, move |pad, info| match info.event() {
            Some(event) => cutter.pass_event(event.type_()),
            None => cutter.pass_frame(pad, info),
        });
    });
}

/// Where a decoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// This frame comes next.
    At(usize),
    /// A seek is to begin at the first frame.
    Start,
    /// It waits for the seek to begin.
    Seeking,
    /// The next frame is looked for by its time.
    Searching,
    Ended,
}

/// Counts the frames of a decoder, after a seek from the first one on that is read. Drops what a
/// seek sends downstream, so that the frames keep the times that they have in the clip.
struct Cutter {
    read: Range<usize>,
    first: ClockTime,
    key: ClockTime,
    position: Mutex<Position>,
    moved: Condvar,
}

impl Cutter {
    fn new(part: &Part) -> Self {
        let key = part.key.unwrap_or(ClockTime::ZERO);
        Self {
            read: part.segment.read.clone(),
            first: part.first,
            key,
            position: Mutex::new(match key.is_zero() {
                true => Position::At(0),
                false => Position::Start,
            }),
            moved: Condvar::new(),
        }
    }

    fn position(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn move_to(&self, position: Position) {
        *self.position() = position;
        self.moved.notify_all();
    }

    fn pass_event(&self, kind: gst::EventType) -> PadProbeReturn {
        let searching = *self.position() == Position::Searching;
        match kind {
            gst::EventType::FlushStart => {
                self.move_to(Position::Searching);
                DROP
            }
            gst::EventType::FlushStop => DROP,
            gst::EventType::Segment if searching => DROP,
            _ => PadProbeReturn::Ok,
        }
    }

    fn pass_frame(
        self: &Arc<Self>,
        pad: &gst::Pad,
        info: &mut gst::PadProbeInfo<'_>,
    ) -> PadProbeReturn {
        let starts = *self.position() == Position::Start;
        if starts && !self.seek(pad) {
            return DROP;
        }
        let mut position = self.position();
        let index = match *position {
            Position::At(index) => index,
            Position::Searching => {
                let time = info.buffer().and_then(|buffer| buffer.pts());
                match time.map(|time| time.cmp(&self.first)) {
                    Some(Equal) => self.read.start,
                    Some(Less) | None => return DROP,
                    Some(Greater) => {
                        *position = Position::Ended;
                        drop(position);
                        if let Some(decoder) = pad.parent_element() {
                            gst::element_error!(
                                decoder,
                                gst::StreamError::Demux,
                                ("{SEEK_FAILED}")
                            );
                        }
                        return DROP;
                    }
                }
            }
            _ => self.read.end,
        };
        if index < self.read.end {
            *position = Position::At(index + 1);
            return match index < self.read.start {
                true => DROP,
                false => PadProbeReturn::Ok,
            };
        }
        let ended = std::mem::replace(&mut *position, Position::Ended) == Position::Ended;
        drop(position);
        if !ended {
            // Past the pad, which would end the whole file with an error in some demuxers.
            if let Some(peer) = pad.peer() {
                peer.send_event(gst::event::Eos::new());
            }
            // The decoder waits here until the pipeline stops.
            pad.add_probe(PadProbeType::BLOCK_DOWNSTREAM, |_, _| PadProbeReturn::Ok);
        }
        DROP
    }

    /// Seeks to the key frame. Returns false once the seek has begun, and true if it is refused: the
    /// frames are counted then from the present one on, which is the first.
    fn seek(self: &Arc<Self>, pad: &gst::Pad) -> bool {
        self.move_to(Position::Seeking);
        let (cutter, pad) = (self.clone(), pad.clone());
        // Not in the thread that decodes, which a seek stops.
        thread::spawn(move || {
            let flags =
                gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE;
            let (set, none) = (gst::SeekType::Set, gst::SeekType::None);
            let seek = gst::event::Seek::new(1.0, flags, set, cutter.key, none, ClockTime::NONE);
            let refused = !pad.send_event(seek);
            if refused && *cutter.position() == Position::Seeking {
                cutter.move_to(Position::At(0));
            }
        });
        let waiting = |position: &mut Position| *position == Position::Seeking;
        let position = self.moved.wait_while(self.position(), waiting);
        *position.unwrap_or_else(PoisonError::into_inner) == Position::At(0)
    }
}
