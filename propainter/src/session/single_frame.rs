//! Fills a frame that cannot wait for a session.

use super::canvas::Canvas;
use crate::{
    Border, Config, Frame, InpaintedFrame, Mask,
    classical::{diffusion_fill, extend},
};

/// Fills the hole of one frame from the pixels around it, and the border around the frame with its
/// extension, in a few milliseconds. `mask` is the hole before dilation, at any size; `dilation` and
/// `border` are in pixels of the frame.
pub fn fill_single_frame(
    frame: &Frame,
    mask: &Mask,
    dilation: usize,
    border: Border,
) -> InpaintedFrame {
    let (width, height) = (frame.width(), frame.height());
    let hole = mask.resized(width, height).dilated(dilation);
    let filled = match hole.is_empty() {
        true => frame.clone(),
        false => diffusion_fill(frame, &hole),
    };
    let canvas = Canvas::of(&Config {
        border,
        ..Config::new(width, height)
    });
    let size = canvas.size();
    let mut frame = canvas.frame(&filled, size);
    if let Some(picture) = canvas.picture(size) {
        extend(&mut frame, &picture);
    }
    InpaintedFrame {
        frame,
        hole: canvas.with_border(hole, size),
    }
}
