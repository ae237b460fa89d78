//! Reads a clip once: the times of its frames and its key frames, and where a segment may begin.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::{ClockTime, EventView, FormattedSegment, PadProbeReturn, PadProbeType, prelude::*};

use super::JobError;
use crate::{
    recode::{
        RecodeError, Source, branches, named,
        pipeline::fill_times,
        source::reader,
        streams::{decoded_into, route},
    },
    run::{ClipJob, Observer, RunError, play},
};

const NO_TIME: &str = "the clip cannot be divided: it has no time, or an earlier one, at frame";

/// What is found in a clip.
#[derive(Debug, Default)]
pub struct Scan {
    pub frames: Vec<FrameTime>,
    /// Times in the stream and timestamps of key frames, in nanoseconds.
    pub keys: Vec<(u64, u64)>,
    /// Frames at which a segment may begin because of what they show.
    pub starts: Vec<usize>,
    /// Some frames have no time of their own, or the times start afresh at one: none is found by its
    /// time.
    pub filled: bool,
    /// The frame before which the stream was interrupted.
    pub interrupted: Option<usize>,
}

/// When a frame is shown, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct FrameTime {
    pub timestamp: u64,
    pub running: u64,
}

/// Decodes the clip of a job. With `element`, its frames and masks go through the element, which
/// says where a segment may begin.
///
/// # Errors
/// The clip cannot be read, or has a frame without a time.
pub fn scan(
    job: &ClipJob,
    source: &Source,
    element: Option<&gst::Element>,
    observer: &mut dyn Observer,
) -> Result<Scan, JobError> {
    let found = Arc::new(Mutex::new(Scan::default()));
    let pipeline = gst::Pipeline::new();
    let parse = reader(&job.input, &pipeline).map_err(RunError::from)?;
    let before = branches::bin(branches::BEFORE).map_err(RunError::from)?;
    let sink = gst::ElementFactory::make("fakesink")
        .build()
        .map_err(RunError::from)?;
    sink.set_property("sync", false);
    pipeline
        .add_many([&before, &sink])
        .map_err(RunError::from)?;
    let mut masks = None;
    match element {
        Some(element) => {
            pipeline.add(element).map_err(RunError::from)?;
            gst::Element::link_many([&before, element, &sink]).map_err(RunError::from)?;
            masks = Some(
                job.mask
                    .attach(element, &pipeline, 0)
                    .map_err(RunError::from)?,
            );
        }
        None => before.link(&sink).map_err(RunError::from)?,
    }
    let decode = named("decodebin", &job.input, ": video").map_err(RunError::from)?;
    let decode = decoded_into(&pipeline, decode, &before).map_err(RunError::from)?;
    let frames = found.clone();
    decode.connect_pad_added(move |_, pad| note_frames(pad, &frames));
    let (video, keys) = (source.video.id.clone(), found.clone());
    let entries = vec![(video.clone(), decode)];
    route(&parse, &pipeline, entries, move |id, pad| {
        if id == video {
            note_keys(pad, &keys);
        }
    });
    let element = element.unwrap_or(&sink);
    let starts = found.clone();
    let note = move |structure: &gst::StructureRef| {
        if structure.name() == "propainter-segment-start"
            && let Ok(frame) = structure.get::<u64>("frame")
        {
            lock(&starts).starts.extend(usize::try_from(frame));
        }
    };
    if let Some(bus) = pipeline.bus() {
        // The messages of the element, while those of the pipeline are waited for elsewhere.
        bus.set_sync_handler(move |_, message| {
            message.structure().into_iter().for_each(&note);
            gst::BusSyncReply::Pass
        });
    }
    let played = play(&pipeline, element, observer);
    match (played, masks) {
        (Ok(_), _) => {}
        (Err(error), Some(masks)) => return Err(RunError::from(masks.real_names(error)).into()),
        (Err(error), None) => return Err(RunError::from(error).into()),
    }
    let scan = std::mem::take(&mut *lock(&found));
    match scan.frames.is_empty() {
        true => Err(RunError::from(RecodeError::NoVideo(job.input.clone())).into()),
        false => Ok(scan),
    }
}

fn lock(found: &Mutex<Scan>) -> MutexGuard<'_, Scan> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes the times of the frames that come out of a decoder, and whether something comes between
/// them at which the element starts afresh.
fn note_frames(pad: &gst::Pad, found: &Arc<Mutex<Scan>>) {
    let raw = found.clone();
    let last = Mutex::new(None);
    pad.add_probe(PadProbeType::BUFFER, move |_, info| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let time = info.buffer().and_then(|buffer| buffer.pts());
        lock(&raw).filled |= time.is_none() || time <= *last;
        *last = time;
        PadProbeReturn::Ok
    });
    fill_times(pad);
    let found = found.clone();
    let segment: Mutex<Option<FormattedSegment<ClockTime>>> = Mutex::default();
    pad.add_probe(
        PadProbeType::BUFFER | PadProbeType::EVENT_DOWNSTREAM,
        move |pad, info| {
            let mut segment = segment.lock().unwrap_or_else(PoisonError::into_inner);
            let mut found = lock(&found);
            let count = found.frames.len();
            if let Some(event) = info.event() {
                match event.view() {
                    EventView::Segment(new) => {
                        let new = new.segment().downcast_ref::<ClockTime>().cloned();
                        // One that only ends elsewhere changes no time.
                        let begin = |s: &FormattedSegment<ClockTime>| {
                            (s.start(), s.time(), s.base(), s.offset())
                        };
                        let changed = segment.as_ref().map(begin) != new.as_ref().map(begin);
                        found.filled |= changed && count > 0;
                        *segment = new;
                    }
                    EventView::Gap(_) | EventView::Caps(_) | EventView::StreamStart(_)
                        if count > 0 =>
                    {
                        found.interrupted.get_or_insert(count);
                    }
                    _ => {}
                }
                return PadProbeReturn::Ok;
            }
            let Some(buffer) = info.buffer() else {
                return PadProbeReturn::Ok;
            };
            if buffer.flags().contains(gst::BufferFlags::DISCONT) && count > 0 {
                found.interrupted.get_or_insert(count);
            }
            let time = buffer.pts().and_then(|time| {
                let running = segment.as_ref()?.to_running_time(time)?;
                Some(FrameTime {
                    timestamp: time.nseconds(),
                    running: running.nseconds(),
                })
            });
            match time.filter(|time| {
                found.frames.last().is_none_or(|last| {
                    last.timestamp < time.timestamp && last.running < time.running
                })
            }) {
                Some(time) => found.frames.push(time),
                None => {
                    drop(found);
                    if let Some(element) = pad.parent_element() {
                        gst::element_error!(
                            element,
                            gst::StreamError::Decode,
                            ("{NO_TIME} {count}")
                        );
                    }
                }
            }
            PadProbeReturn::Ok
        },
    );
}

/// Notes the key frames of a stream as it is stored.
fn note_keys(pad: &gst::Pad, found: &Arc<Mutex<Scan>>) {
    let found = found.clone();
    pad.add_probe(PadProbeType::BUFFER, move |pad, info| {
        let key = info
            .buffer()
            .filter(|buffer| !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        let segment = pad.sticky_event::<gst::event::Segment>(0);
        let times = key.and_then(|buffer| buffer.pts()).and_then(|time| {
            let segment = segment.as_ref()?.segment().downcast_ref::<ClockTime>()?;
            Some((segment.to_stream_time(time)?.nseconds(), time.nseconds()))
        });
        lock(&found).keys.extend(times);
        PadProbeReturn::Ok
    });
}
