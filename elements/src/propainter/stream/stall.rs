//! Streams that stand still because frames are held for later frames that cannot come.
//!
//! A queue beside the element, behind a tee or a demuxer, holds one second of data. If the element
//! holds more frames than that, the two wait for each other. The element then holds fewer frames.
//! If that is not enough, because an element behind it holds frames as well, the limits of the
//! full queue are doubled.

use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::propainter::{
    bus::stall,
    log::CAT,
    properties::enums::Mode,
    stream::{
        context::Context,
        run::Run,
        state::State,
        upstream::silence::{self, Silence},
    },
};

/// What to do about a silence of upstream.
pub enum Remedy {
    /// The silence is over, or nothing is wrong with it.
    Wait,
    /// Hold at most this number of frames for later frames.
    Hold(usize),
}

/// Returns when upstream will have been silent for too long; `None` while something other than
/// later frames is waited for.
pub fn silent_too_long_at(run: &Run) -> Option<Instant> {
    let held = run.queue.computing() > 0 || run.stall_reported;
    let moving = run.queue.waiting() > 0 || run.queue.ready() > 0 || run.sending || run.seeking;
    // In a live stream the clock limits the wait; a paused live source delivers nothing.
    let clocked = run.live && (run.may_be_late() || !run.playing);
    if !held || moving || clocked || run.accepts().is_err() {
        return None;
    }
    let patience = run.input.arrivals.patience(run.frame_duration().into());
    Some(run.last_progress? + patience)
}

/// Returns whether upstream is silent because it cannot go on, and if so the full queue, if that
/// is known. Call without the lock.
pub fn detect(cx: &Context) -> Option<Option<gst::Element>> {
    let accepting = {
        let State { mask_pad, run, .. } = &*cx.state.lock();
        let room = run.masks.stream.has_room();
        mask_pad.clone().filter(|_| room)
    };
    if !silence::is_moving(&cx.element) {
        return None;
    }
    match silence::silence(&cx.sink, accepting.as_ref()) {
        Silence::Blocked(queue) => Some(queue),
        Silence::File | Silence::Source => None,
    }
}

/// Decides what to do about a stall, and reports the first one. Call without the lock.
pub fn relieve(cx: &Context, queue: Option<&gst::Element>) -> Remedy {
    let (held, most, latency_frames, waits, report) = {
        let run = &mut cx.state.lock().run;
        let over = silent_too_long_at(run).is_none_or(|at| at > Instant::now());
        run.note_progress();
        // The silence does not tell how fast the source is.
        run.input.arrivals.interrupt();
        if over {
            return Remedy::Wait;
        }
        let waits = run.settings.mode == Mode::Reference;
        let (held, latency_frames) = (run.queue.computing(), run.latency_frames());
        let report = held > 0 && !std::mem::replace(&mut run.stall_reported, true);
        // First as many as have come, then half as many each time.
        let most = if report { held - 1 } else { held / 2 };
        if !waits && held > 0 {
            // Every window needs one frame; frames that are held are finished in any case.
            run.settings.max_held_frames = u32::try_from(most.max(1)).unwrap_or(u32::MAX);
        }
        (held, most, latency_frames, waits, report)
    };
    gst::info!(
        CAT,
        obj = cx.element,
        "stalled with {held} of {latency_frames} frames"
    );
    if report {
        stall::warn_stall(&cx.element, held, most, latency_frames, waits);
    }
    if waits {
        return Remedy::Wait;
    }
    if held > 0 {
        return Remedy::Hold(most);
    }
    // Nothing can be given up here, and without more room the pipeline never moves again.
    if let Some(queue) = queue.filter(|queue| silence::double_limits(queue)) {
        gst::warning!(
            CAT,
            obj = cx.element,
            "the limits of {} are doubled",
            queue.name()
        );
    }
    Remedy::Wait
}

/// Lets frames go on with the last mask if no mask has come for a while, unless masks are read
/// from a file. Posts a warning the first time. Call without the lock.
pub fn masks_are_silent(cx: &Context, pad: Option<&gst::Pad>, silent: Duration) {
    let stalled = silence::is_moving(&cx.element)
        && pad.is_some_and(|pad| silence::silence(pad, None) != Silence::File);
    if !stalled {
        return;
    }
    let (any, report) = {
        let masks = &mut cx.state.lock().run.masks;
        let any = masks.stream.go_quiet();
        (any, !std::mem::replace(&mut masks.silence_reported, true))
    };
    if report {
        stall::warn_silent_masks(&cx.element, any, silent);
    }
}
