//! The mask of a frame, for which the worker may have to wait.

use std::{sync::Arc, time::Instant};

use gst::{ClockTime, prelude::*};
use parking_lot::MutexGuard;
use propainter::Mask;

use super::Worker;
use crate::propainter::{
    bus::masks::post_diagnostics,
    error::Failure,
    masks::{stream::MaskMatch, threshold::GrayMask},
    qos::{clock_wakeup::ClockWakeup, deadline},
    stream::{queue::frame::FrameTask, stall},
};

impl Worker {
    /// Returns a frame's mask from all its sources; `None` if the frame is void meanwhile.
    pub(super) fn mask(&mut self, task: &FrameTask) -> Result<Option<Arc<Mask>>, Failure> {
        if let Some(mask) = &task.mask {
            return Ok(Some(mask.clone()));
        }
        let Some(streamed) = self.streamed_mask(task) else {
            return Ok(None);
        };
        let combined = self
            .masks
            .combine(task.geometry.size, &task.masks, streamed.as_ref())?;
        let diagnostics = self.cx.mask_sources.examine(&combined.observations);
        post_diagnostics(&self.cx.element, diagnostics);
        Ok(Some(combined.mask))
    }

    /// Waits for the mask from `mask_sink`; `None` if the frame is void meanwhile.
    fn streamed_mask(&self, task: &FrameTask) -> Option<Option<Arc<GrayMask>>> {
        let cx = &self.cx;
        let mut wakeup = ClockWakeup::default();
        let mut since = Instant::now();
        let mut state = cx.state.lock();
        loop {
            // Not under the lock: whoever unlinks the pad holds the pad's lock and asks for ours.
            let pad = state.mask_pad.clone();
            let is_linked = |pad: &gst::Pad| pad.is_linked();
            let linked = MutexGuard::unlocked(&mut state, || pad.as_ref().is_some_and(is_linked));
            let run = &mut state.run;
            if !self.is_current(run) {
                return None;
            }
            if !linked {
                run.masks.stream.end();
            }
            if !run.seeking {
                let found = run.masks.stream.pick(task.running_time);
                // A mask that is used up makes room.
                cx.state.notify();
                match found {
                    MaskMatch::Mask(mask) => return Some(Some(mask)),
                    MaskMatch::None => return Some(None),
                    MaskMatch::Wait => {}
                }
                // A frame that may be late does not wait for late masks.
                let clocked = run.live && run.playing && run.may_be_late();
                let times = task.running_time.zip(task.stay_from);
                if let Some((time, stay_from)) = times.filter(|_| clocked) {
                    let wait = run.upstream_latency.saturating_add(run.frame_duration());
                    let due = stay_from.saturating_add(wait);
                    if deadline::is_past(&cx.element, due) {
                        return Some(run.masks.stream.latest(time));
                    }
                    let after = due.saturating_add(ClockTime::from_nseconds(1));
                    wakeup.set(&cx.element, after, || cx.state.waker());
                    cx.state.wait(&mut state);
                    continue;
                }
                let patience = run.masks.arrivals.patience(run.frame_duration().into());
                let silent = since.elapsed();
                if silent >= patience {
                    MutexGuard::unlocked(&mut state, || {
                        stall::masks_are_silent(cx, pad.as_ref(), silent);
                    });
                    since = Instant::now();
                    continue;
                }
                cx.state.wait_until(&mut state, since + patience);
                continue;
            }
            cx.state.wait(&mut state);
        }
    }
}
