//! Everything the element's threads share, behind one lock.

use std::{sync::Arc, time::Instant};

use gst::{ClockTime, FlowError};
use parking_lot::{Condvar, Mutex, MutexGuard};
use propainter::{
    Cancel, Mask, Model, Session, Stats, Warm,
    memory::{Outside, Usage},
};

use super::{
    arrivals::Arrivals, choices::LatePolicy, duty::Duty, formats::Converter, latency,
    lateness::Lateness, line::Line, mask_stream::MaskStream, settings::Settings,
};

/// Frames that wait for the worker; more block upstream, unless frames may be late.
pub const QUEUE: usize = 4;

/// Final frames that wait for downstream; the worker stops at as many, unless frames may be
/// late.
pub const READY: usize = 4;

/// What the open session says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    pub model: Model,
    /// Width and height.
    pub processing: (usize, usize),
    pub look_ahead: usize,
    pub memory: Usage,
}

impl Facts {
    pub fn of(session: &Session) -> Self {
        Self {
            model: session.model(),
            processing: session.processing_size(),
            look_ahead: session.latency_frames(),
            memory: session.stats().memory,
        }
    }
}

/// What became of the frames. Together with those in the line they are all that came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub taken: u64,
    /// Sent: filled by the engine, by a stand-in, without a hole, with their hole.
    pub inpainted: u64,
    pub filled: u64,
    pub untouched: u64,
    pub passed_through: u64,
    /// Not sent: by policy; flushed, or refused by downstream.
    pub dropped: u64,
    pub discarded: u64,
    /// Of all these, those that had to go before they were done.
    pub late: u64,
    /// Frames that came late by themselves.
    pub late_arrivals: u64,
    pub episodes: u64,
    pub device_failures: u64,
}

impl Counts {
    pub fn sent(&self) -> u64 {
        self.as_meant() + self.filled + self.passed_through
    }

    /// Frames with which was done what the element is for.
    pub fn as_meant(&self) -> u64 {
        self.inpainted + self.untouched
    }

    /// Frames that went another way.
    pub fn otherwise(&self) -> u64 {
        self.filled + self.passed_through + self.dropped
    }
}

/// What a configuration promises before a session is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    pub look_ahead: usize,
    /// Frames that become final at once.
    pub hop: usize,
}

#[derive(Default)]
pub struct State {
    pub line: Line,
    /// Why nothing can be pushed downstream, if so; what upstream is told.
    pub blocked: Option<FlowError>,
    /// Between FLUSH_START and FLUSH_STOP, or the source pad is inactive.
    pub flushing: bool,
    /// The source pad is active: its task may run.
    pub active: bool,
    /// Counts up whenever what the session holds is void.
    pub epoch: u64,
    /// Counts up whenever the engine is relieved: what it holds waits in the line again.
    pub relieved: u64,
    /// The worker is at something.
    pub working: bool,
    /// The worker is to end.
    pub stopping: bool,
    /// A flushing seek is on its way: masks and frames may not fit each other.
    pub seeking: bool,
    /// End the running calls of the session and of what stands in for it.
    pub cancel: Option<Cancel>,
    pub stand_in: Option<Cancel>,
    /// The settings of this run; those of `late-policy` and the like follow their properties.
    pub settings: Settings,
    /// The networks are being read; and as they were, until a session has them.
    pub warming: bool,
    pub warm: Option<Arc<Warm>>,
    /// Between PAUSED to PLAYING and back: the clock means something.
    pub playing: bool,

    /// What upstream says of itself, video and masks together: whether it is live, and when
    /// the last of a frame and its mask are here.
    pub live: bool,
    pub upstream: ClockTime,
    /// Downstream has no use for frames before this running time.
    pub earliest: Option<ClockTime>,
    pub duty: Duty,
    /// The mask of the last frame that had one, for frames that go before theirs is known.
    pub last_mask: Option<Arc<Mask>>,
    /// A frame was dropped: the next one does not continue the last.
    pub gap: bool,
    /// A frame is on its way out: not in the line any more, and not counted yet.
    pub sending: bool,

    /// Of the sink pad's caps.
    pub converter: Option<Arc<Converter>>,
    pub segment: Option<gst::FormattedSegment<ClockTime>>,
    /// Of the last frame; and the longest time from frame to frame since the caps.
    pub last_time: Option<ClockTime>,
    pub longest: ClockTime,
    /// Number of the next frame since the start or the last seek.
    pub index: u64,
    /// Caps that downstream has seen.
    pub downstream_caps: Option<gst::Caps>,
    /// The answer to a serialised query that went through the line.
    pub answer: Option<(gst::Query, bool)>,

    /// How fast frames come, and how late.
    pub arrivals: Arrivals,
    pub lateness: Lateness,
    /// When something last came in, was done or went out.
    pub moved: Option<Instant>,
    /// The application knows that the stream stood still, or that masks did not come.
    pub stall_told: bool,
    pub quiet_told: bool,

    pub mask_pad: Option<gst::Pad>,
    pub mask_flushing: bool,
    pub masks: MaskStream,
    pub mask_arrivals: Arrivals,

    pub promise: Promise,
    pub facts: Option<Facts>,
    /// How the session fits its budget, in one line.
    pub plan: Option<String>,
    pub counts: Counts,
    /// What the open session counted.
    pub session: Stats,
    /// The latency last made known.
    pub latency: ClockTime,
}

impl State {
    /// Whether frames can be taken, and if not, why.
    pub fn open(&self) -> Result<(), FlowError> {
        if self.flushing {
            return Err(FlowError::Flushing);
        }
        self.blocked.map_or(Ok(()), Err)
    }

    /// Whether work begun at `epoch` is still wanted.
    pub fn is_at(&self, epoch: u64) -> bool {
        self.epoch == epoch && !self.stopping
    }

    /// Whatever the session is doing is in vain.
    pub fn abandon(&mut self) {
        self.epoch += 1;
        self.cancel
            .iter()
            .chain(&self.stand_in)
            .for_each(Cancel::cancel);
    }

    /// The engine is too slow or has failed: what it holds waits in the line again.
    pub fn relieve(&mut self) {
        self.relieved += 1;
        self.cancel.iter().for_each(Cancel::cancel);
        self.line.recall();
    }

    /// Forgets the line, and gives back the events that outlive that.
    pub fn clear_line(&mut self) -> Vec<gst::Event> {
        self.counts.discarded += self.line.frames() as u64;
        self.line.clear()
    }

    /// Duration of a frame by the caps or, where they name no rate, the longest seen.
    pub fn frame_duration(&self) -> ClockTime {
        let fps = self.converter.as_ref().map(|c| c.info().fps());
        latency::frame_duration(fps).unwrap_or(self.longest.max(latency::UNKNOWN))
    }

    /// Frames held before the first comes out.
    pub fn look_ahead(&self) -> usize {
        let promised = self.promise.look_ahead;
        self.facts.map_or(promised, |facts| facts.look_ahead)
    }

    pub fn late_policy(&self) -> LatePolicy {
        self.settings.late_policy.resolve(self.live)
    }

    /// Whether frames go when their time has come, done or not.
    pub fn may_be_late(&self) -> bool {
        self.late_policy() != LatePolicy::Wait
    }

    /// What the line holds for a session. Of each frame that the session has, its buffer and, where
    /// masks come with the frames, its mask; besides, frames that wait and frames that are done.
    pub fn outside(&self) -> Outside {
        let Some(info) = self.converter.as_ref().map(|converter| converter.info()) else {
            return Outside::default();
        };
        let buffer = info.size() as u64;
        let pixels = u64::from(info.width()) * u64::from(info.height());
        let settings = &self.settings;
        let numbered = settings.mask_location.as_ref();
        let moving = self.mask_pad.is_some()
            || settings.mask_from_alpha
            || numbered.is_some_and(|location| location.contains('%'));
        let frame = buffer + if moving { pixels } else { 0 };
        let (waiting, done) = (QUEUE as u64 + 1, READY as u64 + 2);
        Outside {
            frame,
            always: waiting * (frame + 3 * pixels) + done * (frame + 4 * pixels),
        }
    }

    /// Buffers of so many bytes that upstream is asked to have at least: those that are kept, as far
    /// as half of the host's budget goes. A pool that has fewer grows, or its buffers are copied.
    pub fn kept_buffers(&self, size: usize) -> usize {
        let least = QUEUE + READY + 2;
        let fitting = match usize::try_from(self.settings.host_budget).unwrap_or(usize::MAX) {
            0 => usize::MAX,
            budget => budget / 2 / size.max(1),
        };
        self.room().min(fitting.max(least))
    }

    /// Most frames in the line; upstream blocks at as many.
    pub fn room(&self) -> usize {
        let processing = self.processing_latency().nseconds();
        let computing = processing.div_ceil(self.frame_duration().nseconds().max(1));
        self.look_ahead() + self.promise.hop + QUEUE + READY + computing as usize
    }
}

/// The state, and a bell that rings on every change of it.
#[derive(Default)]
pub struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Sleeps until something changed. The guard is released meanwhile.
    pub fn wait(&self, guard: &mut MutexGuard<'_, State>) {
        self.changed.wait(guard);
    }

    /// As [`wait`](Self::wait), until `time` at most.
    pub fn wait_until(&self, guard: &mut MutexGuard<'_, State>, time: Instant) {
        self.changed.wait_until(guard, time);
    }

    /// Wakes everyone who waits.
    pub fn notify(&self) {
        self.changed.notify_all();
    }
}
