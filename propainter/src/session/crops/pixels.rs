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
    let mut parts = Vec::new();
    for ((rect, own), done) in views {
        let from = [rect.rows.start, rect.columns.start];
        for part in own.iter().map(|part| part.intersection(&rect)) {
            let inside = part.map(|range, axis| range.start - from[axis]..range.end - from[axis]);
            let holes = inside.cut(done.hole.hole(), 1, done.hole.width());
            let lines = holes.chunks_exact(part.columns.len().max(1));
            for (row, line) in part.rows.clone().zip(lines) {
                let hole = &mut hole[row * width + part.columns.start..][..line.len()];
                hole.iter_mut()
                    .zip(line)
                    .for_each(|(hole, own)| *hole |= own);
            }
            parts.push((done.frame.fill_in(&inside), holes, part));
        }
    }
    let hole = Mask::from_hole(width, height, hole);
    let mut area = Rect::whole([height, width]);
    if frame.device().is_some() {
        area = hole.bounding_box();
        frame = frame.with_fill(&hole, &area, vec![0; 3 * area.pixels()]);
    }
    for (rgb, holes, part) in parts {
        let count = part.columns.len();
        for (row, line) in area.rows.clone().zip(frame.lines_mut(&area)) {
            if !part.rows.contains(&row) {
                continue;
            }
            let at = count * (row - part.rows.start);
            let pixels = rgb[3 * at..].chunks_exact(3).zip(&holes[at..][..count]);
            for (column, (pixel, _)) in part
                .columns
                .clone()
                .zip(pixels)
                .filter(|(_, (_, h))| **h == 1)
            {
                let to = 3 * (column - area.columns.start);
                line[to..to + 3].copy_from_slice(pixel);
            }
        }
    }
    InpaintedFrame { frame, hole }
}

/// Returns the part of a frame in a rectangle.
pub fn crop(frame: &Frame, rect: &Rect) -> Frame {
    let [height, width] = rect.size();
    if (width, height) == (frame.width(), frame.height()) {
        return frame.clone();
    }
    frame.cut(rect)
}

/// Returns the part of a mask in a rectangle.
pub fn crop_mask(mask: &Mask, rect: &Rect) -> Mask {
    let [height, width] = rect.size();
    if (width, height) == (mask.width(), mask.height()) {
        return mask.clone();
    }
    Mask::from_hole(width, height, rect.cut(mask.hole(), 1, mask.width()))
}
