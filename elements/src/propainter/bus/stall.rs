//! Warnings about streams that stand still.

use std::time::Duration;

use super::post_element;

/// Warns that the stream stands still: `held` of `latency_frames` frames are held. `waits` if the
/// element goes on waiting for all of them; otherwise it holds at most `most` from now on.
pub fn warn_stall(
    element: &gst::Element,
    held: usize,
    most: usize,
    latency_frames: usize,
    waits: bool,
) {
    let remedy = match waits {
        true => "mode=reference waits for all of them; mode=auto would go on with fewer".to_owned(),
        false => format!("from now on at most {} are held", most.max(1)),
    };
    gst::element_warning!(
        element,
        gst::ResourceError::Settings,
        (
            "the stream stands still: {} frames are held, {} are needed before the first one goes \
             out, and upstream cannot deliver more because a queue in another branch is full; {}. \
             Give the queues of the other branches more room, for example with max-size-time=0 \
             max-size-bytes=0 max-size-buffers=0, or set max-held-frames",
            held,
            latency_frames,
            remedy
        )
    );
    let number = |frames: usize| u32::try_from(frames).unwrap_or(u32::MAX);
    post_element(
        element,
        gst::Structure::builder("propainter-stall")
            .field("held", number(held))
            .field("look-ahead", number(latency_frames))
            .field("waits", waits)
            .build(),
    );
}

/// Warns that `mask_sink` has got no mask for a while; `any` if it had got one before.
pub fn warn_silent_masks(element: &gst::Element, any: bool, silent: Duration) {
    let consequence = match any {
        true => "the last mask stays until another one comes",
        false => "frames wait for the first mask",
    };
    gst::element_warning!(
        element,
        gst::ResourceError::Settings,
        (
            "mask_sink has got no mask for {:.1} s: {}; send an EOS or GAP event to that pad to \
             say that a mask stays",
            silent.as_secs_f64(),
            consequence
        )
    );
}
