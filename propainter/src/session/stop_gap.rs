//! For frames that cannot wait for a session.

use crate::{Done, Frame, Mask, classical::diffusion_fill};

/// A frame's hole filled from the picture around it alone, in a few milliseconds. `mask` is the
/// hole before dilation, of any size; `dilation` is in pixels of the frame.
pub fn stop_gap(picture: &Frame, mask: &Mask, dilation: usize) -> Done {
    let hole = mask
        .resized(picture.width(), picture.height())
        .dilated(dilation);
    let frame = match hole.is_empty() {
        true => picture.clone(),
        false => diffusion_fill(picture, &hole),
    };
    Done { frame, hole }
}
