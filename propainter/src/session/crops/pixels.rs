//! Cuts rectangles out of frames, and pastes them back.

use crate::{Frame, InpaintedFrame, Mask, Rect};

/// Pastes the fills of all views into a frame of this size; each view comes with its rectangle and
/// its holes. If `frame` is `None`, returns the result of the one view that shows the whole frame,
/// or a frame that is valid only in the holes.
pub fn assemble(
    frame: Option<Frame>,
    (width, height): (usize, usize),
    mut views: Vec<((Rect, Vec<Rect>), InpaintedFrame)>,
) -> InpaintedFrame {
    let whole = |rect: &Rect| rect.size() == [height, width];
    if frame.is_none() && matches!(&views[..], [((rect, _), _)] if whole(rect)) {
        return views.swap_remove(0).1;
    }
    let black = || Frame::new(width, height, vec![0; 3 * width * height]);
    let mut frame = frame.unwrap_or_else(black);
    let mut hole = vec![0; width * height];
    let rgb = frame.rgb_mut();
    for ((rect, own), done) in views {
        for part in own {
            let part = part.intersection(&rect);
            for y in part.rows {
                for x in part.columns.clone() {
                    let from = (y - rect.rows.start) * rect.columns.len() + x - rect.columns.start;
                    let to = y * width + x;
                    if done.hole.hole()[from] == 1 {
                        hole[to] = 1;
                        let pixel = &done.frame.rgb()[3 * from..3 * from + 3];
                        rgb[3 * to..3 * to + 3].copy_from_slice(pixel);
                    }
                }
            }
        }
    }
    InpaintedFrame {
        frame,
        hole: Mask::from_hole(width, height, hole),
    }
}

/// Returns the part of a frame in a rectangle.
pub fn crop(frame: &Frame, rect: &Rect) -> Frame {
    let [height, width] = rect.size();
    if (width, height) == (frame.width(), frame.height()) {
        return frame.clone();
    }
    Frame::new(width, height, rect.cut(frame.rgb(), 3, frame.width()))
}

/// Returns the part of a mask in a rectangle.
pub fn crop_mask(mask: &Mask, rect: &Rect) -> Mask {
    let [height, width] = rect.size();
    if (width, height) == (mask.width(), mask.height()) {
        return mask.clone();
    }
    Mask::from_hole(width, height, rect.cut(mask.hole(), 1, mask.width()))
}
