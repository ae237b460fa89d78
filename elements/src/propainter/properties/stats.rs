//! The property `stats`: counts of frames, facts about the session, and the structure that has
//! all of it.

use std::time::Duration;

use gst::ClockTime;
use propainter::{Model, Session, memory::Usage};

/// What became of the frames. Together with the queued frames these are all that came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    pub taken: u64,
    /// Sent, inpainted by the engine.
    pub inpainted: u64,
    /// Sent, filled by the fallback.
    pub filled: u64,
    /// Sent without a hole.
    pub untouched: u64,
    /// Sent with their hole.
    pub passed_through: u64,
    /// Not sent, by the late policy.
    pub dropped: u64,
    /// Not sent, as they are only the context of a part of a clip.
    pub context: u64,
    /// Flushed, or refused by downstream.
    pub discarded: u64,
    /// Those of the above that were due before they were done.
    pub late: u64,
    /// Frames that the source delivered late.
    pub late_arrivals: u64,
    /// Episodes of overload.
    pub episodes: u64,
    pub device_failures: u64,
}

impl FrameCounts {
    /// Returns the number of frames that were sent.
    pub fn sent(&self) -> u64 {
        self.as_intended() + self.filled + self.passed_through
    }

    /// Returns the number of frames that were processed as intended.
    pub fn as_intended(&self) -> u64 {
        self.inpainted + self.untouched
    }

    /// Returns the number of frames that were handled in another way.
    pub fn otherwise(&self) -> u64 {
        self.filled + self.passed_through + self.dropped
    }
}

/// What the open session says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SessionFacts {
    pub model: Model,
    /// Processing width and height in pixels.
    pub processing: (usize, usize),
    /// Frames that are held before the first one comes out.
    pub latency_frames: usize,
    pub memory: Usage,
}

impl SessionFacts {
    /// Returns the facts about `session`.
    pub fn of(session: &Session) -> Self {
        Self {
            model: session.model(),
            processing: session.processing_size(),
            latency_frames: session.latency_frames(),
            memory: session.stats().memory,
        }
    }
}

/// The content of the property.
pub struct Statistics<'a> {
    pub counts: &'a FrameCounts,
    pub session: &'a propainter::Stats,
    pub facts: Option<SessionFacts>,
    pub plan: Option<&'a str>,
    /// Number of frames in the element, and those of them that wait, are computed and are ready.
    pub held: u32,
    pub waiting: u32,
    pub computing: u32,
    pub ready: u32,
    pub working: bool,
    pub source_delay: ClockTime,
    pub fallback_active: bool,
}

impl Statistics<'_> {
    /// Returns the value of the property.
    pub fn to_structure(&self) -> gst::Structure {
        let (session, counts) = (self.session, self.counts);
        let busy = session.busy.as_secs_f64();
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let model = match self.facts.map(|facts| facts.model) {
            None => "none",
            Some(Model::Auto) => "auto",
            Some(Model::Propainter) => "propainter",
            Some(Model::Propagation) => "propagation",
        };
        let (processing, memory) = self
            .facts
            .map(|facts| (facts.processing, facts.memory))
            .unwrap_or_default();
        gst::Structure::builder("propainter-stats")
            .field("frames-in", counts.taken)
            .field("frames-out", counts.sent())
            .field("inpainted", counts.inpainted)
            .field("untouched", counts.untouched)
            .field("filled", counts.filled)
            .field("passed-through", counts.passed_through)
            .field("dropped", counts.dropped)
            .field("context", counts.context)
            .field("discarded", counts.discarded)
            .field("held", self.held)
            .field("waiting", self.waiting)
            .field("computing", self.computing)
            .field("ready", self.ready)
            .field("working", self.working)
            .field("model", model)
            .field("processing-width", processing.0 as u32)
            .field("processing-height", processing.1 as u32)
            .field("views", session.views as u32)
            .field("late", counts.late)
            .field("late-arrivals", counts.late_arrivals)
            .field("source-delay", self.source_delay)
            .field("overload-episodes", counts.episodes)
            .field("fallback-active", self.fallback_active)
            .field("device-failures", counts.device_failures)
            .field("scene-cuts", session.scene_cuts)
            .field("busy-time", nanoseconds(session.busy))
            .field("computing-time", nanoseconds(session.computing))
            .field("operations", memory.operations.iter().sum::<u64>())
            .field(
                "fps",
                if busy > 0.0 {
                    session.frames_out as f64 / busy
                } else {
                    0.0
                },
            )
            .field("plan", self.plan.unwrap_or_default())
            .field("vram-budget", memory.budget)
            .field("vram-planned", memory.planned)
            .field("vram-used", memory.device)
            .field("vram-peak", memory.device_peak)
            .field("vram-meter", memory.meter.name())
            .field("vram-by-driver", memory.by_driver)
            .field("host-budget", memory.host_budget)
            .field("host-planned", memory.host_planned)
            .field("host-used", memory.host)
            .field("host-peak", memory.host_peak)
            .field("out-of-memory", memory.out_of_memory)
            .field("plans-regrown", memory.grown)
            .field("degraded", memory.degraded.to_string())
            .field("effort", memory.effort.tier.name())
            .field("effort-frames", gst::Array::new(memory.effort.frames))
            .field("effort-changes", memory.effort.changes)
            .field("ended-early", memory.effort.ended_early)
            .build()
    }
}
