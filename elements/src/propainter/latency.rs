//! How long a frame stays: LATENCY answered, posted and shown.

use gst::{ClockTime, prelude::*, subclass::prelude::*};

use super::{
    imp::{CAT, Propainter},
    state::{Promise, State},
};

/// The least that a frame is taken to last where caps name no rate.
pub const UNKNOWN: ClockTime = ClockTime::from_mseconds(40);

/// The most: what is slower is no stream, and sums of durations stay within 64 bits.
const LONGEST: ClockTime = ClockTime::from_seconds(3600);

/// Duration of a frame at this rate; `None` where it is unknown or variable.
pub fn frame_duration(fps: Option<gst::Fraction>) -> Option<ClockTime> {
    fps.filter(|fps| fps.numer() > 0 && fps.denom() > 0)
        .and_then(|fps| ClockTime::SECOND.mul_div_ceil(fps.denom() as u64, fps.numer() as u64))
        .map(|duration| duration.min(LONGEST))
}

impl State {
    /// What computing may take on top of the look-ahead.
    pub fn processing_latency(&self) -> ClockTime {
        let hop = self.promise.hop as u64;
        let unset = if self.may_be_late() { hop } else { 0 };
        let set = self.settings.processing_latency;
        set.unwrap_or_else(|| self.frame_duration() * unset)
    }

    /// The longest that a frame stays here.
    pub fn own_latency(&self) -> ClockTime {
        let look_ahead = self.frame_duration() * self.look_ahead() as u64;
        look_ahead.saturating_add(self.processing_latency())
    }
}

impl Propainter {
    /// What upstream says and what stays here adds.
    pub(super) fn answer_latency(&self, query: &mut gst::query::Latency<gst::QueryRef>) -> bool {
        let Some((live, min, max)) = self.ask_upstream() else {
            return false;
        };
        let (own, room) = {
            let state = self.shared.lock();
            (
                state.own_latency(),
                state.frame_duration().saturating_mul(state.room() as u64),
            )
        };
        let (min, max) = (
            min.saturating_add(own),
            max.map(|max| max.saturating_add(room.max(own))),
        );
        gst::debug!(
            CAT,
            imp = self,
            "latency: live {live}, from {min} to {max:?}"
        );
        query.set(live, min, max);
        true
    }

    /// The latency of video and masks together, upstream; `None` where the video's does not
    /// answer. Notes it, and whether it is live. Call without the lock.
    pub(super) fn ask_upstream(&self) -> Option<(bool, ClockTime, Option<ClockTime>)> {
        let mut video = gst::query::Latency::new();
        if !self.sink.peer_query(&mut video) {
            return None;
        }
        let (mut live, mut min, mut max) = video.result();
        let mask_pad = self.shared.lock().mask_pad.clone();
        let mut masks = gst::query::Latency::new();
        if mask_pad.is_some_and(|pad| pad.peer_query(&mut masks)) {
            let (masks_live, masks_min, masks_max) = masks.result();
            if masks_live {
                live = true;
                min = min.max(masks_min);
                max = [max, masks_max].into_iter().flatten().min();
            }
        }
        let mut state = self.shared.lock();
        let changed = state.live != live;
        (state.live, state.upstream) = (live, if live { min } else { ClockTime::ZERO });
        drop(state);
        if changed {
            self.promise();
            self.shared.notify();
        }
        Some((live, min, max))
    }

    /// Notes what the settings promise; nothing is opened for that. Call without the lock.
    pub(super) fn promise(&self) {
        let (settings, live) = {
            let state = self.shared.lock();
            (state.settings.clone(), state.live)
        };
        // The size changes nothing; a setting that is wrong is an error at the first frame.
        if let Ok(config) = settings.config((8, 8), live) {
            self.shared.lock().promise = Promise {
                look_ahead: config.latency_frames(),
                hop: config.hop(),
            };
        }
    }

    /// Posts LATENCY where it differs from what was last known. Call without the lock.
    pub(super) fn publish_latency(&self) {
        {
            let mut state = self.shared.lock();
            let latency = state.own_latency();
            if latency == state.latency {
                return;
            }
            state.latency = latency;
        }
        let element = self.obj();
        element.notify("latency");
        let message = gst::message::Latency::builder().src(&*element).build();
        // Without a bus nobody listens.
        let _ = element.post_message(message);
    }
}
