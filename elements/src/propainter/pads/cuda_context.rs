//! Queries of neighbours for a CUDA context.

use propainter::{DeviceChoice, Model};

use crate::propainter::{log::CAT, stream::context::Context, video::device};

/// Answers a query for a CUDA context with the one that the networks compute in; returns false if it is
/// another query, or if nothing is computed on a GPU.
pub fn answer(cx: &Context, query: &mut gst::QueryRef) -> bool {
    if !device::is_context_query(query) {
        return false;
    }
    let settings = cx.settings.lock().clone();
    // The size has no influence, and a wrong setting is an error at the first frame.
    let Ok(config) = settings.config((8, 8), false) else {
        return false;
    };
    let index = match config.device {
        DeviceChoice::Cuda(index) => index,
        DeviceChoice::Auto => 0,
        DeviceChoice::Cpu => return false,
    };
    if config.engine() != Model::Propainter {
        return false;
    }
    let answered = device::answer_context_query(&cx.element, query, index);
    answered.unwrap_or_else(|problem| {
        gst::debug!(CAT, obj = cx.element, "no context is shared: {problem}");
        false
    })
}
