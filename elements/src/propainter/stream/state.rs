//! The state that the element's threads share, behind one lock.

use std::{sync::Arc, time::Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use propainter::{Warm, memory::Outside};

use crate::propainter::stream::run::{QUEUE, READY, Run};

/// The state of an element: what persists, and the state of one run.
#[derive(Default)]
pub struct State {
    pub mask_pad: Option<gst::Pad>,
    /// The networks are being read.
    pub warming_up: bool,
    /// The networks as they were read, until a session takes them.
    pub warm: Option<Arc<Warm>>,
    /// From READY to PAUSED up to the way back. It is replaced at each start and stays readable
    /// after the stop.
    pub run: Run,
}

impl State {
    /// Returns the bytes that the output queue holds for a session, on the host and, if the stream's
    /// buffers are in the memory of a GPU, there: for each frame that the session has, its buffer and,
    /// if masks come with the frames, its mask; besides, the frames that wait and the frames that are
    /// ready. If the session may read frames on their device, also a copy of each there.
    pub fn outside(&self, read_there: bool) -> Outside {
        let run = &self.run;
        let Some(converter) = run.input.converter.as_ref() else {
            return Outside::default();
        };
        let info = converter.info();
        let size = info.size() as u64;
        let (buffer, on_device) = match converter.is_on_device() {
            true => (0, size),
            false => (size, 0),
        };
        let pixels = u64::from(info.width()) * u64::from(info.height());
        let settings = &run.settings;
        let numbered = settings.mask_location.as_ref();
        let moving = self.mask_pad.is_some()
            || settings.mask_from_alpha
            || numbered.is_some_and(|location| location.contains('%'));
        let copied = match read_there && converter.device_samples().is_some() {
            true => on_device,
            false => 0,
        };
        let frame = buffer + if moving { pixels } else { 0 };
        let (waiting, ready) = (QUEUE as u64 + 1, READY as u64 + 2);
        // With a border, a finished frame is larger and gets a buffer of its own.
        let canvas = run.input.canvas.as_ref();
        let finished = canvas.map_or(4 * pixels, |canvas| 4 * canvas.pixels());
        let written = canvas.map_or(0, |canvas| canvas.bytes() as u64);
        Outside {
            frame,
            // Of a frame on a device the samples wait. One more is read when the worker has taken one, and
            // the fill of one is written as twice its samples.
            always: waiting * (frame + (3 * pixels).max(on_device))
                + ready * (frame + finished + written)
                + 3 * on_device,
            device_frame: on_device,
            device_copy: copied,
            // A frame that is ready may have been copied to be written into.
            device_always: (waiting + 2 * ready + 2) * on_device + (waiting + 1) * copied,
        }
    }
}

/// The state behind its lock, and a condition variable that is notified of every change.
#[derive(Default)]
pub struct SharedState {
    state: Mutex<State>,
    changed: Condvar,
}

impl SharedState {
    /// Locks the state.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Sleeps until something changes. The lock is released meanwhile.
    pub fn wait(&self, guard: &mut MutexGuard<'_, State>) {
        self.changed.wait(guard);
    }

    /// Sleeps until something changes, but not beyond `time`. The lock is released meanwhile.
    pub fn wait_until(&self, guard: &mut MutexGuard<'_, State>, time: Instant) {
        self.changed.wait_until(guard, time);
    }

    /// Wakes everyone who waits.
    pub fn notify(&self) {
        self.changed.notify_all();
    }

    /// Returns a function for timers that wakes everyone who waits. It does not keep the state
    /// alive.
    pub fn waker(self: &Arc<Self>) -> impl FnOnce() + Send + 'static {
        let weak = Arc::downgrade(self);
        move || {
            if let Some(shared) = weak.upgrade() {
                // Whoever is about to wait has looked at the clock already: let it wait first.
                drop(shared.lock());
                shared.notify();
            }
        }
    }
}
