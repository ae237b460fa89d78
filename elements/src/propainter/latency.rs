//! How long a frame stays: LATENCY answered, posted and shown.

use gst::{ClockTime, prelude::*, subclass::prelude::*};

use super::{
    imp::{CAT, Propainter},
    state::{QUEUE, State},
};

/// Where caps name no rate.
const UNKNOWN: ClockTime = ClockTime::from_mseconds(40);

/// Duration of a frame at this rate; of one in 25 a second where it is unknown or variable.
pub fn frame_duration(fps: Option<gst::Fraction>) -> ClockTime {
    fps.filter(|fps| fps.numer() > 0 && fps.denom() > 0)
        .and_then(|fps| ClockTime::SECOND.mul_div_ceil(fps.denom() as u64, fps.numer() as u64))
        .unwrap_or(UNKNOWN)
}

/// The least a frame stays, and the most it can be kept.
fn bounds(state: &State) -> (ClockTime, ClockTime) {
    let frame = state.frame_duration();
    let look_ahead = state.look_ahead() as u64;
    (frame * look_ahead, frame * (look_ahead + QUEUE as u64))
}

impl Propainter {
    /// What upstream says and what the look-ahead adds.
    pub(super) fn answer_latency(&self, query: &mut gst::query::Latency<gst::QueryRef>) -> bool {
        let mut upstream = gst::query::Latency::new();
        if !self.sink.peer_query(&mut upstream) {
            return false;
        }
        let (live, min, max) = upstream.result();
        let (least, most) = bounds(&self.shared.lock());
        let (min, max) = (min + least, max.map(|max| max + most));
        gst::debug!(
            CAT,
            imp = self,
            "latency: live {live}, from {min} to {max:?}"
        );
        query.set(live, min, max);
        true
    }

    /// Posts LATENCY where it differs from what was last known. Call without the lock.
    pub(super) fn publish_latency(&self) {
        {
            let mut state = self.shared.lock();
            let (latency, _) = bounds(&state);
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
