//! The pipeline from one file into the other, and what is known of it before it plays.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use gst::prelude::*;
use gst_video::VideoInfo;

use super::{
    Container, Encoder, Encoding, Job, RecodeError, Source, branches, codecs, named,
    source::{StreamKind, reader},
    streams,
};
use crate::output::Output;

/// Builds the pipeline and returns it with the notes about the new file. The frames come from the
/// file of the job, or from the first of two elements, and go through the second one.
pub(super) fn build(
    job: &Job,
    source: &Source,
    container: Container,
    encoder: &Encoder,
    (frames, element): (Option<&gst::Element>, &gst::Element),
    output: &Output,
    packets: &Arc<AtomicU64>,
) -> Result<(gst::Pipeline, Vec<String>), RecodeError> {
    let pipeline = gst::Pipeline::new();
    let mux = named(container.muxer(), &job.output, "")?;
    let sink = named("filesink", &job.output, ": writing")?;
    sink.set_property("location", output.part());
    pipeline.add_many([&mux, &sink])?;
    mux.link(&sink)?;

    let (turn, mut notes) = changes(job, source, container, encoder);
    let before = branches::bin(branches::BEFORE)?;
    // The element refuses interlaced frames.
    let after = branches::bin(&format!(
        "videoconvert {turn}! videoconvert ! video/x-raw,format={} ! {} ! queue",
        encoder.format.to_str(),
        encoder.description(source, &job.encoding)
    ))?;
    keep_times(&after);
    pipeline.add_many([&before, element, &after])?;
    gst::Element::link_many([&before, element, &after])?;
    branches::link_to_muxer(&after, &mux, container, StreamKind::Video)?;
    if let Some(pad) = mux.static_pad("video_0")
        && pad.has_property("trak-timescale")
    {
        pad.set_property("trak-timescale", timescale(&source.decoded));
    }

    match frames {
        Some(frames) => {
            pipeline.add(frames)?;
            frames.link(&before)?;
        }
        None => {
            if let Some(pad) = before.static_pad("sink") {
                fill_times(&pad);
            }
            read(
                &pipeline,
                job,
                source,
                container,
                (&before, &mux),
                &mut notes,
                packets,
            )?;
        }
    }
    Ok((pipeline, notes))
}

/// Reads a file: its frames go `before` the element, and its other streams into the muxer.
fn read(
    pipeline: &gst::Pipeline,
    job: &Job,
    source: &Source,
    container: Container,
    (before, mux): (&gst::Element, &gst::Element),
    notes: &mut Vec<String>,
    packets: &Arc<AtomicU64>,
) -> Result<(), RecodeError> {
    let parse = reader(&job.video, pipeline)?;
    let decode = named("decodebin", &job.video, ": video")?;
    // The element that takes each stream of the file.
    let mut entries = vec![(
        source.video.id.clone(),
        streams::decoded_into(pipeline, decode, before)?,
    )];
    entries.extend(streams::others(
        pipeline, source, mux, container, &job.video, notes,
    )?);
    let video = source.video.id.clone();
    let packets = packets.clone();
    streams::route(&parse, pipeline, entries, move |id, pad| {
        if id == video {
            count_packets(pad, packets.clone());
        }
    });
    Ok(())
}

/// Returns the elements that turn the frames where the container stores no orientation, and the notes
/// about what becomes of the frames.
pub(super) fn changes(
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
    let stored = source.is_stored() && coded != Some(encoder.codec.media);
    if stored && job.encoding == default {
        notes.push(format!(
            "the video is encoded as {}, not as {}",
            encoder.codec.title,
            source.video.codec()
        ));
    }
    (turn, notes)
}

/// Returns the columns and rows that the element adds to each frame.
pub(crate) fn added(element: &gst::Element) -> (u32, u32) {
    let border = |side: &str| match element.find_property(side) {
        Some(_) => element
            .property_value(side)
            .get::<u32>()
            .unwrap_or_default(),
        None => 0,
    };
    (
        border("expand-left") + border("expand-right"),
        border("expand-top") + border("expand-bottom"),
    )
}

/// Returns the bytes that the new file will hardly be smaller than: half of the old one, or a quarter
/// of the frames where none of it is lost.
pub(crate) fn least_bytes(video: &Path, source: &Source, encoder: &Encoder) -> u64 {
    let input = std::fs::metadata(video).map_or(0, |file| file.len()) / 2;
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

/// Gives coded frames that lost their times those of the frames that went into `coder`, an encoder
/// and its parser without reordering. GStreamer's parsers lose one now and then (1.22.0 at least), and
/// muxers refuse such a frame.
pub(super) fn keep_times(coder: &gst::Element) {
    let (Some(sink), Some(source)) = (coder.static_pad("sink"), coder.static_pad("src")) else {
        return;
    };
    // The times of frames that have not come out.
    let inside = Arc::new(Mutex::new(VecDeque::new()));
    let times = inside.clone();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
        times.extend(info.buffer().and_then(|buffer| buffer.pts()));
        gst::PadProbeReturn::Ok
    });
    source.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let mut times = inside.lock().unwrap_or_else(PoisonError::into_inner);
        match info.buffer_mut() {
            Some(buffer) if buffer.pts().is_none() => {
                if let Some(time) = times.pop_front() {
                    buffer.make_mut().set_pts(time);
                }
            }
            Some(buffer) => {
                while times
                    .front()
                    .is_some_and(|time| Some(*time) <= buffer.pts())
                {
                    times.pop_front();
                }
            }
            None => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// Returns the ticks per second in which frame times are stored: exact for usual frame rates, and
/// fine enough for frames at irregular times.
pub(super) fn timescale(decoded: &gst::Caps) -> u32 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coded_frame_that_lost_its_time_gets_that_of_its_frame() {
        gst::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let source = "videotestsrc num-buffers=5 ! capsfilter caps=video/x-raw,framerate=10/1";
        let source = branches::bin(source).unwrap();
        let coder = branches::bin("queue ! identity name=parser").unwrap();
        let end = gst::ElementFactory::make("fakesink")
            .name("end")
            .build()
            .unwrap();
        pipeline.add_many([&source, &coder, &end]).unwrap();
        gst::Element::link_many([&source, &coder, &end]).unwrap();
        let pad = |element: &str, pad| pipeline.by_name(element).unwrap().static_pad(pad).unwrap();
        let number = AtomicU64::new(0);
        let lost = pad("parser", "sink");
        lost.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer_mut()
                && [0, 2, 4].contains(&number.fetch_add(1, Ordering::Relaxed))
            {
                buffer.make_mut().set_pts(gst::ClockTime::NONE);
            }
            gst::PadProbeReturn::Ok
        });
        keep_times(&coder);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let times = seen.clone();
        pad("end", "sink").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let time = info.buffer().and_then(|buffer| buffer.pts());
            times
                .lock()
                .unwrap()
                .push(time.map(gst::ClockTime::mseconds));
            gst::PadProbeReturn::Ok
        });
        let _stop = crate::recode::StopOnDrop(&pipeline);
        pipeline.set_state(gst::State::Playing).unwrap();
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = pipeline
            .bus()
            .unwrap()
            .timed_pop_filtered(gst::ClockTime::NONE, &kinds);
        assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
        assert_eq!(*seen.lock().unwrap(), [0, 100, 200, 300, 400].map(Some));
    }
}
