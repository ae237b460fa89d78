//! The queries of the sink pad: caps, allocation and drain.

use gst::{QueryViewMut, prelude::*};
use gst_video::{CAPS_FEATURE_FORMAT_INTERLACED, VideoInfo, VideoMeta};

use crate::propainter::{
    pads::{cuda_context, proxy},
    stream::context::Context,
};

/// Answers a query.
pub fn query(cx: &Context, query: &mut gst::QueryRef) -> bool {
    if cuda_context::answer(cx, query) {
        return true;
    }
    match query.view_mut() {
        // No template has interlaced fields. They are accepted here, to be refused with a message
        // that says what to do.
        QueryViewMut::AcceptCaps(accept) if has_fields(accept.caps()) => {
            accept.set_result(true);
            return true;
        }
        QueryViewMut::Allocation(allocation) => return answer_allocation(cx, allocation),
        QueryViewMut::Drain(_) => {
            let asked = ask_in_queue(cx, gst::query::Drain::new().into());
            return asked.is_some_and(|(_, answer)| answer);
        }
        _ => {}
    }
    proxy::answer(cx, &cx.sink, query)
        || gst::Pad::query_default(&cx.sink, Some(&cx.element), query)
}

/// Reports how many buffers are kept, and whether downstream accepts any stride. No pool of
/// downstream is offered: it may have fewer buffers than are kept.
fn answer_allocation(cx: &Context, query: &mut gst::query::Allocation<gst::QueryRef>) -> bool {
    let (Some(caps), _) = query.get_owned() else {
        return false;
    };
    if !proxy::border(cx).is_empty() {
        // The frames are copied to buffers of ours.
        query.add_allocation_meta::<VideoMeta>(None);
        offer_pool(cx, query, &caps);
        return true;
    }
    let mut ask = gst::query::Allocation::new(Some(&caps), false);
    let seen = cx.state.lock().run.downstream_caps.as_ref() == Some(&caps);
    let answer = if seen {
        let answered = cx.src.peer_query(&mut ask);
        Some((ask.into(), answered))
    } else {
        ask_in_queue(cx, ask.into())
    };
    let Some((answer, answered)) = answer else {
        return false;
    };
    let strides = match answer.view() {
        gst::QueryView::Allocation(a) => a.find_allocation_meta::<VideoMeta>().is_some(),
        _ => false,
    };
    if answered && strides {
        query.add_allocation_meta::<VideoMeta>(None);
    }
    offer_pool(cx, query, &caps);
    true
}

/// Adds to the answer how many buffers are kept.
fn offer_pool(
    cx: &Context,
    query: &mut gst::query::Allocation<gst::QueryRef>,
    caps: &gst::CapsRef,
) {
    if let Ok(info) = VideoInfo::from_caps(caps) {
        let kept = cx.state.lock().run.pool_buffers(info.size());
        let size = u32::try_from(info.size()).unwrap_or(u32::MAX);
        query.add_allocation_pool(None::<&gst::BufferPool>, size, kept as u32, 0);
    }
}

/// Sends a serialised query downstream in its place among the frames and waits for the answer.
/// The frames before it are drained, as no frame comes while upstream waits.
fn ask_in_queue(cx: &Context, query: gst::Query) -> Option<(gst::Query, bool)> {
    let mut state = cx.state.lock();
    state.run.accepts().ok()?;
    state.run.answer = None;
    state.run.queue.push_query(query);
    cx.state.notify();
    loop {
        if let Some(answer) = state.run.answer.take() {
            return Some(answer);
        }
        state.run.accepts().ok()?;
        cx.state.wait(&mut state);
    }
}

fn has_fields(caps: &gst::CapsRef) -> bool {
    let fields =
        |features: &gst::CapsFeaturesRef| features.contains(CAPS_FEATURE_FORMAT_INTERLACED);
    caps.features(0).is_some_and(fields)
}
