//! The state of one run: from the start of the streaming threads to their stop.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use gst::{ClockTime, FlowError};
use propainter::{Cancel, Mask, Stats};

use crate::propainter::{
    masks::stream::MaskStream,
    properties::{
        enums::LatePolicy,
        settings::Settings,
        stats::{FrameCounts, SessionFacts, Statistics},
    },
    qos::{
        circuit_breaker::CircuitBreaker,
        late_source::{Arrival, SourceLateness},
    },
    stream::{
        queue::OutputQueue,
        upstream::{arrivals::Arrivals, frame_rate},
    },
    video::{canvas::Canvas, converter::Converter, device::frames::DeviceFrames},
};

/// Frames that may wait for the worker; more block upstream, unless frames may be late.
pub const QUEUE: usize = 4;

/// Ready frames that may wait for downstream; the worker stops at as many, unless frames may be
/// late.
pub const READY: usize = 4;

/// Whether data flows, and if not, why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The source pad is not active.
    #[default]
    Inactive,
    /// Between FLUSH_START and FLUSH_STOP.
    Flushing,
    Running,
    /// Nothing can be pushed downstream; this is returned to upstream.
    Blocked(FlowError),
}

/// The delay that a configuration implies before a session is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedDelay {
    /// Frames that are held before the first one comes out.
    pub latency_frames: usize,
    /// Frames that become final at once.
    pub hop: usize,
}

/// The video that comes in.
#[derive(Default)]
pub struct VideoInput {
    /// Converts the buffers of the current caps.
    pub converter: Option<Arc<Converter>>,
    /// The frames that go out, where a border is added.
    pub canvas: Option<Arc<Canvas>>,
    pub segment: Option<gst::FormattedSegment<ClockTime>>,
    /// Running time of the last frame.
    pub last_time: Option<ClockTime>,
    /// The longest time from frame to frame since the caps came.
    pub longest: ClockTime,
    /// Number of the next frame since the start or the last seek.
    pub next_index: u64,
    /// How fast frames come.
    pub arrivals: Arrivals,
    /// How late frames come.
    pub lateness: SourceLateness,
}

/// The masks that come in through `mask_sink`.
#[derive(Default)]
pub struct MaskInput {
    /// The mask pad is flushing or inactive.
    pub flushing: bool,
    pub stream: MaskStream,
    /// How fast masks come.
    pub arrivals: Arrivals,
    /// The missing masks were reported to the application.
    pub silence_reported: bool,
}

/// What is known of the open session.
#[derive(Default)]
pub struct SessionInfo {
    pub expected: ExpectedDelay,
    /// A session may read the frames on their device.
    pub may_read_there: bool,
    /// Where it reads them, for as long as it is open.
    pub frames: Weak<DeviceFrames>,
    pub facts: Option<SessionFacts>,
    /// How the session fits its budget, in one line.
    pub plan: Option<String>,
    pub stats: Stats,
}

/// The state of one run.
#[derive(Default)]
pub struct Run {
    pub phase: Phase,
    /// The worker is to end.
    pub stopping: bool,
    /// Counts up whenever all that the sessions hold is void.
    pub epoch: u64,
    /// Counts up whenever the frames that the sessions hold are requeued.
    pub requeues: u64,
    /// The worker is at work.
    pub working: bool,
    /// A flushing seek is on its way: masks and frames may not belong together.
    pub seeking: bool,
    /// From PAUSED to PLAYING up to the way back: the clock counts.
    pub playing: bool,
    /// The settings of this run. Those that may change while playing follow their properties.
    pub settings: Settings,
    pub queue: OutputQueue,

    /// Ends the running call of the engine's session.
    pub cancel: Option<Cancel>,
    /// Ends the running call of the fallback's session.
    pub fallback_cancel: Option<Cancel>,
    pub session: SessionInfo,
    pub breaker: CircuitBreaker,
    /// Mask of the last frame that had one, for frames that go out before theirs is known.
    pub last_mask: Option<Arc<Mask>>,

    /// Upstream is live; video and masks together.
    pub live: bool,
    /// The latency after which a frame and its mask have come.
    pub upstream_latency: ClockTime,
    pub input: VideoInput,
    pub masks: MaskInput,

    /// Downstream has no use for frames before this running time.
    pub earliest: Option<ClockTime>,
    /// A frame was dropped: the next one does not continue the last one.
    pub discont: bool,
    /// A frame is on its way out: not queued any more and not counted yet.
    pub sending: bool,
    /// Caps that downstream has got.
    pub downstream_caps: Option<gst::Caps>,
    /// The answer to a serialised query that went through the queue.
    pub answer: Option<(gst::Query, bool)>,

    /// When something last came in, was finished or went out.
    pub last_progress: Option<Instant>,
    /// The stall was reported to the application.
    pub stall_reported: bool,
    pub counts: FrameCounts,
    /// The latency that was last published.
    pub latency: ClockTime,
}

impl Run {
    /// Returns the state at the start of a run.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Returns whether frames can be taken.
    ///
    /// # Errors
    /// The error to return to upstream.
    pub fn accepts(&self) -> Result<(), FlowError> {
        match self.phase {
            Phase::Running => Ok(()),
            Phase::Blocked(flow) => Err(flow),
            Phase::Inactive | Phase::Flushing => Err(FlowError::Flushing),
        }
    }

    /// Returns whether the source pad's task has to pause.
    pub fn is_paused(&self) -> bool {
        matches!(self.phase, Phase::Inactive | Phase::Flushing)
    }

    /// Lets data flow again where nothing but `flow` blocked it.
    pub fn unblock(&mut self, flow: FlowError) {
        if self.phase == Phase::Blocked(flow) {
            self.phase = Phase::Running;
        }
    }

    /// Returns whether work that began at `epoch` is still wanted.
    pub fn is_at(&self, epoch: u64) -> bool {
        self.epoch == epoch && !self.stopping
    }

    /// Voids all that the sessions hold and ends their running calls.
    pub fn invalidate(&mut self) {
        self.epoch += 1;
        self.cancel
            .iter()
            .chain(&self.fallback_cancel)
            .for_each(Cancel::cancel);
    }

    /// Takes the frames that the engine holds away from it: they are requeued.
    pub fn bypass_engine(&mut self) {
        self.requeues += 1;
        self.cancel.iter().for_each(Cancel::cancel);
        self.queue.requeue();
    }

    /// Empties the queue and returns the events that outlive that.
    pub fn clear_queue(&mut self) -> Vec<gst::Event> {
        self.counts.discarded += self.queue.frames() as u64;
        self.queue.clear()
    }

    /// Notes that the stream moves.
    pub fn note_progress(&mut self) {
        self.last_progress = Some(Instant::now());
    }

    /// Returns the duration of a frame: by the caps or, where they name no rate, the longest seen.
    pub fn frame_duration(&self) -> ClockTime {
        let fps = self.input.converter.as_ref().map(|c| c.info().fps());
        frame_rate::frame_duration(fps).unwrap_or(self.input.longest.max(frame_rate::UNKNOWN))
    }

    /// Returns the number of frames that are held before the first one comes out.
    pub fn latency_frames(&self) -> usize {
        let expected = self.session.expected.latency_frames;
        let facts = self.session.facts;
        facts.map_or(expected, |facts| facts.latency_frames)
    }

    /// Returns the time that computing may take on top of the look-ahead.
    pub fn processing_latency(&self) -> ClockTime {
        let hop = self.session.expected.hop as u64;
        let unset = if self.may_be_late() { hop } else { 0 };
        let set = self.settings.processing_latency;
        set.unwrap_or_else(|| self.frame_duration() * unset)
    }

    /// Returns the longest time that a frame stays in the element.
    pub fn own_latency(&self) -> ClockTime {
        let look_ahead = self.frame_duration() * self.latency_frames() as u64;
        look_ahead.saturating_add(self.processing_latency())
    }

    /// Returns the late policy in force, which is never [`LatePolicy::Auto`].
    pub fn late_policy(&self) -> LatePolicy {
        self.settings.late_policy.resolve(self.live)
    }

    /// Returns whether frames go out when they are due, done or not.
    pub fn may_be_late(&self) -> bool {
        self.late_policy() != LatePolicy::Wait
    }

    /// Returns the largest number of queued frames; upstream blocks there.
    pub fn capacity(&self) -> usize {
        let processing = self.processing_latency().nseconds();
        let computing = processing.div_ceil(self.frame_duration().nseconds().max(1));
        self.latency_frames() + self.session.expected.hop + QUEUE + READY + computing as usize
    }

    /// Returns the number of buffers of `size` bytes that upstream's pool should have: as many as
    /// are kept, as far as half of the host's budget allows. A smaller pool grows, or its buffers
    /// are copied.
    pub fn pool_buffers(&self, size: usize) -> usize {
        let least = QUEUE + READY + 2;
        let fitting = match usize::try_from(self.settings.host_budget).unwrap_or(usize::MAX) {
            0 => usize::MAX,
            budget => budget / 2 / size.max(1),
        };
        self.capacity().min(fitting.max(least))
    }

    /// Notes that a frame of this running time came in at `now`. Only frames of a live stream
    /// that plays can come late.
    pub fn note_arrival(&mut self, time: Option<ClockTime>, now: Option<ClockTime>) -> Arrival {
        let clocked = now.filter(|_| self.live && self.playing);
        let Some((time, now)) = time.zip(clocked) else {
            return Arrival::in_time(time);
        };
        let delay = now.saturating_sub(time.saturating_add(self.upstream_latency));
        // The time that is left for computing covers a little lateness.
        let tolerance = self.frame_duration().min(self.processing_latency()) / 4;
        let arrival = self.input.lateness.note_arrival(time, delay, tolerance);
        self.counts.late_arrivals += u64::from(arrival.late);
        arrival
    }

    /// Returns the value of the property `stats`.
    pub fn statistics(&self) -> gst::Structure {
        let sending = u32::from(self.sending);
        let statistics = Statistics {
            counts: &self.counts,
            session: &self.session.stats,
            facts: self.session.facts,
            plan: self.session.plan.as_deref(),
            held: self.queue.frames() as u32 + sending,
            waiting: self.queue.waiting() as u32,
            computing: self.queue.computing() as u32,
            ready: self.queue.ready() as u32 + sending,
            working: self.working,
            source_delay: self.input.lateness.delay,
            fallback_active: self.breaker.is_open(),
        };
        statistics.to_structure()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_file_no_frame_is_late() {
        let mut run = Run {
            playing: true,
            ..Run::default()
        };
        let time = Some(ClockTime::ZERO);
        let arrival = run.note_arrival(time, Some(ClockTime::from_seconds(5)));
        assert_eq!(arrival.stay_from, time);
        assert_eq!(run.counts.late_arrivals, 0);
    }

    #[test]
    fn a_live_frame_that_comes_after_its_time_and_the_latency_is_late() {
        let mut run = Run {
            live: true,
            playing: true,
            upstream_latency: ClockTime::from_mseconds(100),
            ..Run::default()
        };
        run.settings.processing_latency = Some(ClockTime::from_mseconds(40));
        for (now, late) in [(108, 0), (2100, 1)] {
            run.note_arrival(Some(ClockTime::ZERO), Some(ClockTime::from_mseconds(now)));
            assert_eq!(run.counts.late_arrivals, late, "{now}");
        }
    }
}
