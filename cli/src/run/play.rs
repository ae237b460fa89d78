//! Plays a pipeline around the element and reports how far it is.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use gst::prelude::*;

use crate::{
    memory,
    monitor::{self, Sample},
    recode::{RecodeError, StopOnDrop},
};

/// Time between two reports of progress.
const INTERVAL: Duration = Duration::from_millis(200);

/// Time over which the speed is measured: frames come out in groups, those of a window.
const WINDOW: Duration = Duration::from_secs(20);

/// How far a clip is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub frames: u64,
    /// Number of frames of the clip, as its length and frame rate tell; `None` where they are not
    /// known.
    pub total: Option<u64>,
    pub elapsed: Duration,
    /// Frames per second in the last seconds.
    pub fps: f64,
    /// The element's property `stats`.
    pub sample: Sample,
}

impl Progress {
    /// Returns the time that the other frames will take at the present speed; `None` where that is
    /// not known.
    pub fn left(&self) -> Option<Duration> {
        let frames = self.total?.saturating_sub(self.frames);
        let seconds = frames as f64 / self.fps;
        Duration::try_from_secs_f64(seconds).ok()
    }
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
    let mut speed = Speed::start();
    let start = speed.start;
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
            observer.progress(&progress(element, &mut speed));
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
    let last = progress(element, &mut speed);
    observer.progress(&last);
    Ok(Outcome {
        frames: last.frames,
        duration: last.elapsed,
        sample: last.sample,
        resident_peak: memory::peak_resident(),
        ..outcome
    })
}

/// Measures the speed of the last seconds.
struct Speed {
    start: Instant,
    /// When how many frames were done, the oldest first.
    seen: VecDeque<(Instant, u64)>,
}

impl Speed {
    fn start() -> Self {
        let start = Instant::now();
        let seen = VecDeque::from([(start, 0)]);
        Self { start, seen }
    }

    /// Returns the frames per second, of which `frames` are done `now`.
    fn at(&mut self, now: Instant, frames: u64) -> f64 {
        self.seen.push_back((now, frames));
        while self
            .seen
            .get(1)
            .is_some_and(|(time, _)| now - *time >= WINDOW)
        {
            self.seen.pop_front();
        }
        let (time, before) = self.seen.front().copied().unwrap_or((now, frames));
        let seconds = (now - time).as_secs_f64();
        match seconds > 0.0 {
            true => (frames - before) as f64 / seconds,
            false => 0.0,
        }
    }
}

fn progress(element: &gst::Element, speed: &mut Speed) -> Progress {
    let stats: gst::Structure = element.property("stats");
    let sample = Sample::of(&stats);
    let now = Instant::now();
    let frames = sample.frames_out;
    Progress {
        frames,
        // The frame rate may be a mean.
        total: total(element).map(|total| total.max(frames)),
        elapsed: now - speed.start,
        fps: speed.at(now, frames),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let mut speed = Speed::start();
        let start = speed.start;
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(speed.at(start, 0), 0.0);
        assert_eq!(speed.at(at(10), 50), 5.0);
        for second in 11..=40 {
            speed.at(at(second), 50 + second);
        }
        assert_eq!(speed.at(at(41), 91), 1.0);
    }

    #[test]
    fn the_time_left_needs_a_speed_and_a_total() {
        let mut progress = Progress {
            frames: 10,
            total: Some(30),
            fps: 4.0,
            ..Progress::default()
        };
        assert_eq!(progress.left(), Some(Duration::from_secs(5)));
        progress.fps = 0.0;
        assert_eq!(progress.left(), None);
        progress = Progress {
            total: None,
            fps: 4.0,
            ..progress
        };
        assert_eq!(progress.left(), None);
    }
}
