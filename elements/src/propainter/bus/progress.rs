//! The messages PROGRESS and LATENCY.

use gst::prelude::*;

/// The code of the PROGRESS messages.
const CODE: &str = "open";

/// Posts the progress of the warm-up.
pub fn post_progress(element: &gst::Element, kind: gst::ProgressType, text: &str) {
    let message = gst::message::Progress::builder(kind, CODE, text);
    // Without a bus nobody listens.
    let _ = element.post_message(message.src(element).build());
}

/// Asks the pipeline to query the latency again.
pub fn post_latency(element: &gst::Element) {
    let message = gst::message::Latency::builder().src(element).build();
    // Without a bus nobody listens.
    let _ = element.post_message(message);
}
