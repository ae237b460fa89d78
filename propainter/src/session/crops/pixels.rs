//! Rectangles out of pictures, and back.

use super::boxes::Rect;
use crate::{Done, Frame, Mask};

/// A frame of this size with what each view made of its own holes. Without the frame, it is what
/// the one view made that shows all of it, or nothing is outside of the holes.
pub fn put_together(
    frame: Option<Frame>,
    (width, height): (usize, usize),
    mut views: Vec<((Rect, Vec<Rect>), Done)>,
) -> Done {
    let whole = |rect: &Rect| (rect.width, rect.height) == (width, height);
    if frame.is_none() && matches!(&views[..], [((rect, _), _)] if whole(rect)) {
        return views.swap_remove(0).1;
    }
    let nothing = || Frame::new(width, height, vec![0; 3 * width * height]);
    let mut frame = frame.unwrap_or_else(nothing);
    let mut hole = vec![0; width * height];
    for ((rect, own), done) in views {
        for part in own {
            for y in part.y.max(rect.y)..part.bottom().min(rect.bottom()) {
                for x in part.x.max(rect.x)..part.right().min(rect.right()) {
                    let (from, to) = ((y - rect.y) * rect.width + x - rect.x, y * width + x);
                    if done.hole.hole()[from] == 1 {
                        hole[to] = 1;
                        let pixel = &done.frame.rgb()[3 * from..3 * from + 3];
                        frame.rgb_mut()[3 * to..3 * to + 3].copy_from_slice(pixel);
                    }
                }
            }
        }
    }
    Done {
        frame,
        hole: Mask::from_luma(width, height, hole),
    }
}

pub fn cut(frame: &Frame, rect: &Rect) -> Frame {
    if (rect.width, rect.height) == (frame.width(), frame.height()) {
        return frame.clone();
    }
    let rows = rows(frame.rgb(), 3, frame.width(), rect);
    Frame::new(rect.width, rect.height, rows)
}

pub fn cut_mask(mask: &Mask, rect: &Rect) -> Mask {
    if (rect.width, rect.height) == (mask.width(), mask.height()) {
        return mask.clone();
    }
    let rows = rows(mask.hole(), 1, mask.width(), rect);
    Mask::from_luma(rect.width, rect.height, rows)
}

/// The rows of a rectangle of a picture with so many bytes a pixel.
fn rows(picture: &[u8], bytes: usize, width: usize, rect: &Rect) -> Vec<u8> {
    let rows = picture.chunks_exact(bytes * width);
    let rows = rows.skip(rect.y).take(rect.height);
    let row = |row: &[u8]| row[bytes * rect.x..bytes * rect.right()].to_vec();
    rows.flat_map(row).collect()
}
