//! Fills a frame that cannot wait for a session.

use crate::{Frame, InpaintedFrame, Mask, classical::diffusion_fill};

/// Fills the hole of one frame from the pixels around it, in a few milliseconds. `mask` is the
/// hole before dilation, at any size; `dilation` is in pixels of the frame.
pub fn fill_single_frame(frame: &Frame, mask: &Mask, dilation: usize) -> InpaintedFrame {
    let hole = mask
        .resized(frame.width(), frame.height())
        .dilated(dilation);
    let frame = match hole.is_empty() {
        true => frame.clone(),
        false => diffusion_fill(frame, &hole),
    };
    InpaintedFrame { frame, hole }
}
