//! Frames that are due before the engine is done with them.

use std::sync::Arc;

use gst::{ClockTime, prelude::*};
use propainter::{Mask, TimeLimit, fill_single_frame};

use crate::propainter::{
    bus::{
        masks::post_diagnostics,
        overload::{self, QosReport},
    },
    log::CAT,
    masks::threshold::GrayMask,
    properties::enums::{AllowedDegradation, LatePolicy},
    qos::{circuit_breaker::Late, deadline::Deadline},
    stream::{
        context::Context,
        queue::frame::{InputFrame, Outcome, UndecidedFrame},
        run::Run,
    },
};

/// Number of frames in time, at least, after which the engine counts as fast enough again.
const PROOF: usize = 50;
/// A finished frame is written and sent within the duration of a frame divided by this.
const SENDING: u64 = 10;

/// The mask of an overdue frame, as far as it is known.
enum KnownMask {
    Complete(Arc<Mask>),
    /// Only the part from `mask_sink`.
    Streamed(Option<Arc<GrayMask>>),
}

/// A frame that is due, and the consequences.
pub struct OverdueFrame {
    pub input: InputFrame,
    mask: KnownMask,
    policy: LatePolicy,
    late: Late,
    deadline: Deadline,
}

/// Returns when the frame at the front of the queue is due; `None` if it waits until it is done.
pub fn deadline(run: &Run) -> Option<Deadline> {
    if !run.may_be_late() {
        return None;
    }
    let frame = run.queue.undecided()?;
    let (time, stay_from) = frame.running_time.zip(frame.stay_from)?;
    let earliest = run.earliest.filter(|_| run.settings.qos);
    let stay = run.upstream_latency.saturating_add(run.own_latency());
    let clocked = run.live && run.playing;
    Deadline::of_frame(
        time,
        earliest,
        clocked.then(|| stay_from.saturating_add(stay)),
    )
}

/// Returns how long the next call of a session may take, by the frame that the source pad waits for;
/// `None` if frames wait until they are done, or if the engine may not search less. Before the clock
/// runs, a call may take the interval between frames.
pub fn time_limit(cx: &Context) -> Option<TimeLimit> {
    let (due, interval) = {
        let run = &cx.state.lock().run;
        let allowed = run.settings.allow_degradation;
        if !run.live || !run.may_be_late() || !allowed.contains(AllowedDegradation::EFFORT) {
            return None;
        }
        let due = run.playing.then(|| deadline(run)).flatten();
        (due, run.frame_duration())
    };
    let left = match due.zip(cx.element.current_running_time()) {
        // The frame has to be written and sent as well.
        Some((due, now)) => due.time().saturating_sub(now + interval / SENDING),
        None => interval,
    };
    Some(TimeLimit {
        interval: interval.into(),
        left: left.into(),
    })
}

/// Takes the frame at the front out of the queue, whatever is being done with it.
pub fn take(cx: &Context, run: &mut Run, deadline: Deadline) -> Option<OverdueFrame> {
    let UndecidedFrame {
        id,
        input,
        mask,
        taken,
    } = run.queue.take_undecided()?;
    // Downstream reports frames as late for reasons of its own, too.
    let by_engine = matches!(deadline, Deadline::At(_)) || (!run.live && run.working);
    let late = match by_engine {
        true => run.breaker.late(id),
        false => Late::default(),
    };
    run.counts.late += 1;
    run.counts.episodes += u64::from(late.begins);
    if late.opens {
        gst::info!(CAT, obj = cx.element, "the engine is bypassed");
        run.bypass_engine();
    }
    let stream = &mut run.masks.stream;
    let mask = match (mask, input.running_time) {
        (Some(mask), _) => KnownMask::Complete(mask),
        (None, Some(time)) if taken => KnownMask::Streamed(stream.latest(time)),
        (None, time) => KnownMask::Streamed(stream.pick_late(time)),
    };
    Some(OverdueFrame {
        input,
        mask,
        policy: run.late_policy(),
        late,
        deadline,
    })
}

/// Decides the outcome of an overdue frame by the policy and reports it. Call without the lock.
pub fn decide(cx: &Context, overdue: &OverdueFrame) -> Outcome {
    if overdue.late.begins {
        let (late, facts) = {
            let run = &cx.state.lock().run;
            (run.counts.late, run.session.facts)
        };
        let model = facts.map(|facts| facts.model);
        overload::warn_overload(&cx.element, model, overdue.policy, late);
    }
    post_qos(cx, &overdue.input, overdue.deadline);
    match overdue.policy {
        LatePolicy::Drop => Outcome::Dropped,
        LatePolicy::PassThrough => Outcome::PassedThrough,
        LatePolicy::Auto | LatePolicy::Wait | LatePolicy::Fill => {
            let dilation = cx.settings.lock().mask_dilation as usize;
            match overdue.input.clone().take_frame(None) {
                Ok(frame) => Outcome::Fallback(fill_single_frame(
                    &frame,
                    &complete_mask(cx, overdue),
                    dilation,
                    overdue.input.border(),
                )),
                Err(problem) => {
                    gst::warning!(
                        CAT,
                        obj = cx.element,
                        "a late frame is not filled: {problem}"
                    );
                    Outcome::PassedThrough
                }
            }
        }
    }
}

/// Returns the mask of an overdue frame from all its sources.
fn complete_mask(cx: &Context, OverdueFrame { input, mask, .. }: &OverdueFrame) -> Arc<Mask> {
    let streamed = match mask {
        KnownMask::Complete(mask) => return mask.clone(),
        KnownMask::Streamed(gray) => gray.as_ref(),
    };
    let size = input.size();
    let combined = {
        let mut combiner = cx.overdue_masks.lock();
        combiner.combine(size, &input.masks, streamed)
    };
    if let Ok(combined) = &combined {
        let diagnostics = cx.mask_sources.examine(&combined.observations);
        post_diagnostics(&cx.element, diagnostics);
    }
    // The worker reports a missing image; until then the last mask stays.
    let last = || cx.state.lock().run.last_mask.clone();
    let mask = combined.ok().map(|combined| combined.mask).or_else(last);
    mask.unwrap_or_else(|| Arc::new(Mask::empty(1, 1)))
}

/// Counts a frame of the engine that went out in time, and reports the end of an overload.
pub fn note_in_time(cx: &Context) {
    let (ended, late) = {
        let run = &mut cx.state.lock().run;
        let held = run.latency_frames() + run.session.expected.hop;
        let proof = u32::try_from((2 * held).max(PROOF)).unwrap_or(u32::MAX);
        (run.breaker.in_time(proof), run.counts.late)
    };
    if ended {
        gst::info!(CAT, obj = cx.element, "the engine keeps up again");
        overload::post_overload(&cx.element, false, late);
    }
}

/// Posts the QoS message of a frame that is not inpainted, before the frame goes out.
pub fn post_qos(cx: &Context, input: &InputFrame, deadline: Deadline) {
    let (live, counts) = {
        let run = &cx.state.lock().run;
        (run.live, run.counts)
    };
    let pts = input.buffer.pts();
    let segment = cx.src.sticky_event::<gst::event::Segment>(0);
    let stream_time = segment.and_then(|segment| {
        let segment = segment.segment().downcast_ref::<ClockTime>()?;
        segment.to_stream_time(pts?)
    });
    let now = cx.element.current_running_time().unwrap_or_default();
    // A frame that downstream has no use for was due at its own time.
    let due = deadline.time().max(input.running_time.unwrap_or_default());
    overload::post_qos(
        &cx.element,
        &QosReport {
            live,
            running_time: input.running_time,
            stream_time,
            timestamp: pts,
            duration: input.buffer.duration(),
            jitter: now.saturating_sub(due),
            processed: counts.as_intended(),
            dropped: counts.otherwise() + 1,
        },
    );
}
