//! The queries about caps of both pads where a border is added: one side's caps are those of the
//! other with the border. Without a border the default handlers answer.

use gst::{QueryViewMut, prelude::*};
use propainter::Border;

use crate::propainter::{
    stream::{context::Context, run::Phase},
    video::canvas::caps::{Change, changed},
};

/// Returns the border that is added: that of the run, or the one that is set while there is none.
pub fn border(cx: &Context) -> Border {
    let in_force = {
        let run = &cx.state.lock().run;
        (run.phase != Phase::Inactive).then(|| run.settings.border())
    };
    in_force.unwrap_or_else(|| cx.settings.lock().border())
}

/// Answers a query about the caps of `pad` if a border is added. Returns false for any other.
pub fn answer(cx: &Context, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
    let border = border(cx);
    if border.is_empty() {
        return false;
    }
    let (other, there, back) = match pad.direction() {
        gst::PadDirection::Sink => (&cx.src, Change::Expand, Change::Shrink),
        _ => (&cx.sink, Change::Shrink, Change::Expand),
    };
    match query.view_mut() {
        QueryViewMut::Caps(query) => {
            let filter = query.filter_owned();
            let asked = filter
                .as_deref()
                .map(|filter| changed(filter, there, border));
            let mut caps = changed(&other.peer_query_caps(asked.as_ref()), back, border);
            caps = pad
                .pad_template_caps()
                .intersect_with_mode(&caps, gst::CapsIntersectMode::First);
            // The template also has caps in the memory of a GPU.
            caps = changed(&caps, back, Border::default());
            if let Some(filter) = filter {
                caps = filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First);
            }
            query.set_result(&caps);
            true
        }
        QueryViewMut::AcceptCaps(query) => {
            let caps = query.caps_owned();
            let changed = changed(&caps, there, border);
            let accepted = pad.pad_template_caps().can_intersect(&caps)
                && !changed.is_empty()
                && other.peer_query_accept_caps(&changed);
            query.set_result(accepted);
            true
        }
        _ => false,
    }
}
