//! Everything the element's threads share, behind one lock.

use std::sync::Arc;

use gst::{ClockTime, FlowError};
use parking_lot::{Condvar, Mutex, MutexGuard};
use propainter::{Cancel, Model, Session, memory::Usage};

use super::{formats::Converter, latency, line::Line, mask_stream::MaskStream, settings::Settings};

/// Frames that wait for the worker; more block upstream.
pub const QUEUE: usize = 4;

/// Final frames that wait for downstream; the worker stops at as many.
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
            look_ahead: session.look_ahead(),
            memory: session.stats().memory,
        }
    }
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
    /// The worker is to end.
    pub stopping: bool,
    /// A flushing seek is on its way: masks and frames may not fit each other.
    pub seeking: bool,
    /// Ends the session's running call.
    pub cancel: Option<Cancel>,
    /// The settings of this run; some change in READY only.
    pub settings: Settings,

    /// Of the sink pad's caps.
    pub converter: Option<Arc<Converter>>,
    pub segment: Option<gst::FormattedSegment<ClockTime>>,
    /// Number of the next frame since the start or the last seek.
    pub index: u64,
    /// Caps that downstream has seen.
    pub downstream_caps: Option<gst::Caps>,
    /// The answer to a serialised query that went through the line.
    pub answer: Option<(gst::Query, bool)>,

    pub mask_pad: Option<gst::Pad>,
    pub mask_flushing: bool,
    pub masks: MaskStream,

    pub facts: Option<Facts>,
    /// How the session fits its budget, in one line.
    pub plan: Option<String>,
    pub frames_in: u64,
    pub frames_out: u64,
    pub busy: std::time::Duration,
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
        if let Some(cancel) = &self.cancel {
            cancel.cancel();
        }
    }

    /// Duration of a frame by the caps.
    pub fn frame_duration(&self) -> ClockTime {
        let fps = self.converter.as_ref().map(|c| c.info().fps());
        latency::frame_duration(fps)
    }

    /// Frames held before the first comes out; 0 until a session is open.
    pub fn look_ahead(&self) -> usize {
        self.facts.map_or(0, |facts| facts.look_ahead)
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

    /// Wakes everyone who waits.
    pub fn notify(&self) {
        self.changed.notify_all();
    }
}
