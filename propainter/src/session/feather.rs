//! A soft edge: the fill fades into the picture around it over the hole's outermost pixels.

use std::ops::Range;

use crate::{Frame, Mask, frame::city_block};

/// Pixels at the size pushed that `feather` pixels at processing size are, by the mean of both
/// axes.
pub fn scaled(feather: usize, pushed: (usize, usize), processing: (usize, usize)) -> usize {
    let ratio = |pushed: usize, processing: usize| pushed as f64 / processing as f64;
    let mean = 0.5 * (ratio(pushed.0, processing.0) + ratio(pushed.1, processing.1));
    (feather as f64 * mean).round() as usize
}

/// Fades `filled` into `source` in the hole, all of one size: a pixel `d` pixels (city block)
/// from the nearest one outside the hole takes the share `d / (feather + 1)` of the fill, at most
/// all of it. What is beyond the picture counts as hole. A feather of 0 changes nothing.
pub fn fade(source: &Frame, filled: &mut Frame, hole: &Mask, feather: usize) {
    let full = u32::try_from(feather).unwrap_or(u32::MAX).saturating_add(1);
    let Some((columns, rows)) = extent(hole).filter(|_| feather > 0) else {
        return;
    };
    let depths = depths(hole, &columns, &rows, full);
    let rgb = filled.rgb_mut();
    for (y, depths) in rows.zip(depths.chunks_exact(columns.len())) {
        for (x, &depth) in columns.clone().zip(depths) {
            if depth == 0 || depth >= full {
                continue;
            }
            let weight = f64::from(depth) / f64::from(full);
            let at = 3 * (y * hole.width() + x);
            let pixel = rgb[at..at + 3].iter_mut().zip(&source.rgb()[at..at + 3]);
            for (fill, &source) in pixel {
                let (from, to) = (f64::from(source), f64::from(*fill));
                *fill = (from + weight * (to - from)).round() as u8;
            }
        }
    }
}

/// Columns and rows that hold the hole and a pixel around; `None` where there is none.
fn extent(hole: &Mask) -> Option<(Range<usize>, Range<usize>)> {
    let (width, height) = (hole.width(), hole.height());
    let row = |y: usize| &hole.hole()[y * width..][..width];
    let touched = |y: &usize| row(*y).contains(&1);
    let top = (0..height).find(touched)?;
    let bottom = (0..height).rfind(touched)?;
    let (mut left, mut right) = (width, 0);
    for y in top..=bottom {
        // Only what widens the extent is looked at.
        if let Some(x) = row(y)[..left].iter().position(|&hole| hole == 1) {
            left = x;
        }
        if let Some(x) = row(y)[right..].iter().rposition(|&hole| hole == 1) {
            right += x + 1;
        }
    }
    let wide =
        |first: usize, end: usize, limit: usize| first.saturating_sub(1)..(end + 1).min(limit);
    Some((wide(left, right, width), wide(top, bottom + 1, height)))
}

/// City-block distance of each pixel of the rectangle to the nearest one outside the hole, up to
/// `most`.
fn depths(hole: &Mask, columns: &Range<usize>, rows: &Range<usize>, most: u32) -> Vec<u32> {
    let mut depth = Vec::with_capacity(columns.len() * rows.len());
    for y in rows.clone() {
        let row = &hole.hole()[y * hole.width()..][columns.clone()];
        depth.extend(row.iter().map(|&hole| if hole == 1 { most } else { 0 }));
    }
    city_block(&mut depth, columns.len());
    depth
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fades white into black; the grey of each pixel.
    fn faded(hole: &Mask, feather: usize) -> Vec<u8> {
        let bytes = 3 * hole.width() * hole.height();
        let source = Frame::new(hole.width(), hole.height(), vec![0; bytes]);
        let mut filled = source.clone();
        let pixels = filled.rgb_mut().chunks_exact_mut(3).zip(hole.hole());
        pixels.for_each(|(pixel, hole)| pixel.fill(255 * hole));
        fade(&source, &mut filled, hole, feather);
        filled.rgb().chunks_exact(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn the_fill_fades_by_the_distance_to_what_is_no_hole() {
        let (width, height) = (23, 17);
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(4, 3, 12, 9);
        hole.add_rectangle(19, 0, 4, 5);
        for feather in [0, 1, 3, 40] {
            let grey = faded(&hole, feather);
            for (i, &grey) in grey.iter().enumerate() {
                // By looking at all pixels outside.
                let (x, y) = (i % width, i / width);
                let outside = (0..width * height).filter(|&j| hole.hole()[j] == 0);
                let depth = outside
                    .map(|j| x.abs_diff(j % width) + y.abs_diff(j / width))
                    .min();
                let depth = depth.expect("there is an outside");
                let share = (depth as f64 / (feather + 1) as f64).min(1.0);
                let share = if feather == 0 { share.ceil() } else { share };
                assert_eq!(grey, (255.0 * share).round() as u8, "{feather}: {x}, {y}");
            }
        }
    }

    #[test]
    fn the_pictures_border_is_no_edge() {
        let mut hole = Mask::empty(9, 4);
        assert_eq!(faded(&hole, 3), [0; 36]);
        hole.add_rectangle(0, 0, 9, 4);
        assert_eq!(faded(&hole, 3), [255; 36]);
        let mut half = Mask::empty(9, 1);
        half.add_rectangle(0, 0, 5, 1);
        assert_eq!(faded(&half, 1), [255, 255, 255, 255, 128, 0, 0, 0, 0]);
    }

    #[test]
    fn a_feather_is_as_wide_as_the_picture_is_scaled() {
        assert_eq!(scaled(4, (64, 48), (64, 48)), 4);
        assert_eq!(scaled(4, (1920, 1080), (640, 360)), 12);
        assert_eq!(scaled(3, (33, 141), (32, 136)), 3);
        assert_eq!(scaled(1, (16, 16), (64, 64)), 0);
    }
}
