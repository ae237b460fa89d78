//! The LATENCY query.

use gst::{ClockTime, prelude::*};

use crate::propainter::{
    log::CAT,
    stream::{context::Context, latency},
};

/// Answers the query with the latency of upstream and the element's own.
pub fn answer(cx: &Context, query: &mut gst::query::Latency<gst::QueryRef>) -> bool {
    let Some((live, min, max)) = ask_upstream(cx) else {
        return false;
    };
    let (own, capacity) = {
        let run = &cx.state.lock().run;
        (
            run.own_latency(),
            run.frame_duration().saturating_mul(run.capacity() as u64),
        )
    };
    let (min, max) = (
        min.saturating_add(own),
        max.map(|max| max.saturating_add(capacity.max(own))),
    );
    gst::debug!(
        CAT,
        obj = cx.element,
        "latency: live {live}, from {min} to {max:?}"
    );
    query.set(live, min, max);
    true
}

/// Queries and notes the latency of upstream, of video and masks together; `None` if the video
/// does not answer. Call without the lock.
pub fn ask_upstream(cx: &Context) -> Option<(bool, ClockTime, Option<ClockTime>)> {
    let mut video = gst::query::Latency::new();
    if !cx.sink.peer_query(&mut video) {
        return None;
    }
    let (mut live, mut min, mut max) = video.result();
    let mask_pad = cx.state.lock().mask_pad.clone();
    let mut masks = gst::query::Latency::new();
    if mask_pad.is_some_and(|pad| pad.peer_query(&mut masks)) {
        let (masks_live, masks_min, masks_max) = masks.result();
        if masks_live {
            live = true;
            min = min.max(masks_min);
            max = [max, masks_max].into_iter().flatten().min();
        }
    }
    latency::set_upstream(cx, live, min);
    Some((live, min, max))
}
