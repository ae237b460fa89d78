//! Plays a pipeline around the element and reports how far it is.

use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::{
    memory,
    monitor::{self, Sample},
    recode::{RecodeError, StopOnDrop},
};

/// Time between two reports of progress.
const INTERVAL: Duration = Duration::from_millis(200);

/// How far a clip is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub frames: u64,
    /// Number of frames of the clip, as its length and frame rate tell; `None` where they are not
    /// known.
    pub total: Option<u64>,
    pub elapsed: Duration,
    /// The element's property `stats`.
    pub sample: Sample,
}

/// Watches a clip.
pub trait Observer {
    /// Takes the progress, several times a second.
    fn progress(&mut self, progress: &Progress);

    /// Takes a remark: a warning, or something that the new file lacks.
    fn notice(&mut self, text: &str);
}

/// What became of a clip.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub frames: u64,
    pub duration: Duration,
    /// The element's property `stats` at the end.
    pub sample: Sample,
    /// Most bytes of the process that were resident at once; `None` where the system does not
    /// report it.
    pub resident_peak: Option<u64>,
    /// The reductions of quality that the memory required, in order.
    pub downgrades: Vec<String>,
    /// Warnings, and what the new file lacks.
    pub notes: Vec<String>,
    /// Whether the output replaced a file.
    pub replaced: bool,
}

/// Plays `pipeline` to the end of its stream and returns what became of it.
///
/// # Errors
/// An element fails.
pub fn play(
    pipeline: &gst::Pipeline,
    element: &gst::Element,
    observer: &mut dyn Observer,
) -> Result<Outcome, RecodeError> {
    let bus = pipeline.bus();
    let bus = bus.ok_or_else(|| gst::glib::bool_error!("the pipeline has no bus"))?;
    let _stop = StopOnDrop(pipeline);
    let mut outcome = Outcome::default();
    let start = Instant::now();
    let refused = pipeline.set_state(gst::State::Playing).err();
    let mut next = start + INTERVAL;
    loop {
        let timeout = match refused {
            // The element that refused has posted the reason.
            Some(_) => Duration::ZERO,
            None => next.saturating_duration_since(Instant::now()),
        };
        let timeout = gst::ClockTime::try_from(timeout).unwrap_or(gst::ClockTime::ZERO);
        let Some(message) = bus.timed_pop(timeout) else {
            if let Some(error) = refused {
                return Err(error.into());
            }
            observer.progress(&progress(element, start));
            next = Instant::now() + INTERVAL;
            continue;
        };
        let notice = match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => return Err(RecodeError::of_message(error)),
            gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
            gst::MessageView::Element(message) => {
                let structure = message.structure();
                let text = structure.and_then(monitor::message);
                match structure.map(|structure| structure.name().as_str()) {
                    // The plan is part of the progress.
                    Some("propainter-plan") => None,
                    Some("propainter-degraded") => {
                        outcome.downgrades.extend(text.clone());
                        text
                    }
                    _ => text,
                }
            }
            gst::MessageView::Latency(_) => {
                // An element that failed to take it posts again when its latency changes.
                let _ = pipeline.recalculate_latency();
                None
            }
            _ => None,
        };
        if let Some(text) = notice {
            observer.notice(&text);
            outcome.notes.push(text);
        }
    }
    let last = progress(element, start);
    observer.progress(&last);
    Ok(Outcome {
        frames: last.frames,
        duration: last.elapsed,
        sample: last.sample,
        resident_peak: memory::peak_resident(),
        ..outcome
    })
}

fn progress(element: &gst::Element, start: Instant) -> Progress {
    let stats: gst::Structure = element.property("stats");
    let sample = Sample::of(&stats);
    Progress {
        frames: sample.frames_out,
        total: total(element),
        elapsed: start.elapsed(),
        sample,
    }
}

/// Returns the number of frames that the stream's length and frame rate tell.
fn total(element: &gst::Element) -> Option<u64> {
    let pad = element.static_pad("sink")?;
    let info = gst_video::VideoInfo::from_caps(pad.current_caps()?.as_ref()).ok()?;
    let length: gst::ClockTime = pad.peer_query_duration()?;
    let rate = info.fps();
    let frames = length.nseconds().mul_div_round(
        u64::try_from(rate.numer()).ok()?,
        1_000_000_000 * u64::try_from(rate.denom()).ok()?,
    )?;
    (frames > 0).then_some(frames)
}
