//! Frames that have to go before the engine is done with them.

use std::sync::Arc;

use gst::{ClockTime, prelude::*, subclass::prelude::*};
use propainter::{Mask, fill_single_frame};

use super::{
    choices::LatePolicy,
    duty::Late,
    gray::Gray,
    imp::{CAT, Propainter},
    line::{Fate, Incoming, Unfinished},
    state::State,
};

/// Frames of the engine in time that prove it keeps up, at least.
const PROOF: usize = 50;

/// What is known of the mask of a frame that goes.
enum OwnMask {
    Known(Arc<Mask>),
    /// Of its sources this is what `mask_sink` says.
    Streamed(Option<Arc<Gray>>),
}

/// A frame that had to go, and what that means.
pub struct Overdue {
    pub frame: Incoming,
    mask: OwnMask,
    policy: LatePolicy,
    late: Late,
    /// When it had to go.
    deadline: ClockTime,
}

impl Propainter {
    /// When the frame at the front of the line has to go, in running time. `None`: it waits
    /// until it is done.
    pub(super) fn deadline(&self, state: &State) -> Option<ClockTime> {
        if !state.may_be_late() {
            return None;
        }
        let frame = state.line.undecided()?;
        let (time, counts_from) = frame.running_time.zip(frame.counts_from)?;
        let unwanted = state.earliest.is_some_and(|earliest| time < earliest);
        if state.settings.qos && unwanted {
            return Some(ClockTime::ZERO);
        }
        let clocked = state.live && state.playing;
        let stay = state.upstream.saturating_add(state.own_latency());
        clocked.then(|| counts_from.saturating_add(stay))
    }

    /// Whether that time has passed by the pipeline's clock.
    pub(super) fn has_passed(&self, time: ClockTime) -> bool {
        let now = || self.obj().current_running_time();
        time == ClockTime::ZERO || now().is_some_and(|now| now > time)
    }

    /// Takes the frame at the front out of the line, whatever is being done with it.
    pub(super) fn take_overdue(&self, state: &mut State, deadline: ClockTime) -> Option<Overdue> {
        let Unfinished {
            id,
            frame,
            mask,
            seen,
        } = state.line.take_overdue()?;
        // Downstream calls frames late for reasons of its own, too.
        let by_engine = deadline > ClockTime::ZERO || (!state.live && state.working);
        let late = match by_engine {
            true => state.duty.late(id),
            false => Late::default(),
        };
        state.counts.late += 1;
        state.counts.episodes += u64::from(late.begins);
        if late.relieved {
            gst::info!(CAT, imp = self, "the engine is relieved");
            state.relieve();
        }
        let mask = match (mask, frame.running_time) {
            (Some(mask), _) => OwnMask::Known(mask),
            (None, Some(time)) if seen => OwnMask::Streamed(state.masks.latest(time)),
            (None, time) => OwnMask::Streamed(state.masks.pick_late(time)),
        };
        Some(Overdue {
            frame,
            mask,
            policy: state.late_policy(),
            late,
            deadline,
        })
    }

    /// The fate of an overdue frame by the policy.
    pub(super) fn decide(&self, overdue: &Overdue) -> Fate {
        if overdue.late.begins {
            self.warn_overload(overdue.policy);
        }
        self.post_qos(&overdue.frame, overdue.deadline);
        match overdue.policy {
            LatePolicy::Drop => Fate::Dropped,
            LatePolicy::PassThrough => Fate::PassedThrough,
            LatePolicy::Auto | LatePolicy::Wait | LatePolicy::Fill => {
                let dilation = self.settings.lock().mask_dilation as usize;
                match overdue.frame.clone().picture() {
                    Ok(picture) => Fate::StandIn(fill_single_frame(
                        &picture,
                        &self.late_mask(overdue),
                        dilation,
                    )),
                    Err(problem) => {
                        gst::warning!(CAT, imp = self, "a late frame is not filled: {problem}");
                        Fate::PassedThrough
                    }
                }
            }
        }
    }

    /// The mask of a frame that the worker has not come to.
    fn late_mask(&self, Overdue { frame, mask, .. }: &Overdue) -> Arc<Mask> {
        let streamed = match mask {
            OwnMask::Known(mask) => return mask.clone(),
            OwnMask::Streamed(gray) => gray.as_ref(),
        };
        let size = frame.size();
        let hole = {
            let mut masks = self.late_masks.lock();
            masks.hole(size, &frame.drawn, streamed)
        };
        if let Ok(hole) = &hole {
            self.note_masks(&hole.seen);
        }
        // An image that is not there is the worker's to tell; until then the last mask stays.
        let last = || self.shared.lock().last_mask.clone();
        let mask = hole.ok().map(|hole| hole.mask).or_else(last);
        mask.unwrap_or_else(|| Arc::new(Mask::empty(1, 1)))
    }

    /// Counts a frame of the engine that went out; tells where that ends an episode.
    pub(super) fn was_in_time(&self) {
        let (ended, late) = {
            let mut state = self.shared.lock();
            let held = state.look_ahead() + state.promise.hop;
            let proof = u32::try_from((2 * held).max(PROOF)).unwrap_or(u32::MAX);
            (state.duty.in_time(proof), state.counts.late)
        };
        if ended {
            gst::info!(CAT, imp = self, "the engine keeps up again");
            self.post_overload(false, late);
        }
    }

    fn warn_overload(&self, policy: LatePolicy) {
        let what = match policy {
            LatePolicy::Drop => "are dropped",
            LatePolicy::PassThrough => "pass through with their hole",
            LatePolicy::Auto | LatePolicy::Wait | LatePolicy::Fill => {
                "are filled without the networks"
            }
        };
        gst::element_imp_warning!(
            self,
            gst::ResourceError::Busy,
            (
                "the engine is too slow for this stream: late frames {}; a smaller width and \
                 height, fewer raft-iterations or a shorter subvideo-length make it faster",
                what
            )
        );
        let late = self.shared.lock().counts.late;
        self.post_overload(true, late);
    }

    /// Many frames came late by themselves.
    pub(super) fn warn_late_source(&self) {
        let delay = self.shared.lock().lateness.delay;
        gst::element_imp_warning!(
            self,
            gst::ResourceError::Settings,
            (
                "frames come late: up to {} ms after their time stamps, before the engine sees \
                 them; the source's time stamps or clock are behind, or its latency is more than it \
                 says. A latency of the source or the pipeline that covers it lets sinks show them \
                 in time",
                delay.mseconds()
            )
        );
        self.post_element(
            gst::Structure::builder("propainter-late-source")
                .field("delay", delay)
                .build(),
        );
    }

    fn post_overload(&self, active: bool, late: u64) {
        let structure = gst::Structure::builder("propainter-overload")
            .field("active", active)
            .field("late", late)
            .build();
        self.post_element(structure);
    }

    /// The usual message about a frame that does not go as it should have, before it goes.
    pub(super) fn post_qos(&self, frame: &Incoming, deadline: ClockTime) {
        let (live, counts) = {
            let state = self.shared.lock();
            (state.live, state.counts)
        };
        let pts = frame.buffer.pts();
        let segment = self.src.sticky_event::<gst::event::Segment>(0);
        let stream_time = segment.and_then(|segment| {
            let segment = segment.segment().downcast_ref::<ClockTime>()?;
            segment.to_stream_time(pts?)
        });
        let now = self.obj().current_running_time().unwrap_or_default();
        // What downstream does not want was due at its own time.
        let due = deadline.max(frame.running_time.unwrap_or_default());
        let jitter = now.nseconds().saturating_sub(due.nseconds());
        let element = self.obj();
        let buffers =
            |count: u64| gst::GenericFormattedValue::from(gst::format::Buffers::from_u64(count));
        let message = gst::message::Qos::builder(live)
            .src(&*element)
            .running_time(frame.running_time)
            .stream_time(stream_time)
            .timestamp(pts)
            .duration(frame.buffer.duration())
            .values(i64::try_from(jitter).unwrap_or(i64::MAX), 1.0, 1_000_000)
            .stats(buffers(counts.as_meant()), buffers(counts.otherwise() + 1))
            .build();
        // Without a bus nobody listens.
        let _ = element.post_message(message);
    }
}
