//! A soft edge: the fill fades into the frame over the outermost pixels of the hole.

use crate::{Frame, Mask, Rect, frame::city_block};

/// Converts a feather in pixels at processing size to pixels at the size pushed, by the mean
/// ratio of both axes.
pub fn scaled(feather: usize, pushed: (usize, usize), processing: (usize, usize)) -> usize {
    let ratio = |pushed: usize, processing: usize| pushed as f64 / processing as f64;
    let mean = 0.5 * (ratio(pushed.0, processing.0) + ratio(pushed.1, processing.1));
    (feather as f64 * mean).round() as usize
}

/// Fades `filled` into `source` in the hole; all have one size. A pixel at city-block distance `d`
/// from the nearest one outside the hole takes the share `d / (feather + 1)` of the fill, at most
/// all of it. Pixels beyond the frame count as part of the hole, and those outside `picture`, the
/// whole frame if it is `None`, do not change. A feather of 0 changes nothing.
pub fn fade(
    source: &Frame,
    filled: &mut Frame,
    hole: &Mask,
    picture: Option<&Rect>,
    feather: usize,
) {
    let full = u32::try_from(feather).unwrap_or(u32::MAX).saturating_add(1);
    let area = hole.bounding_box();
    if area.is_empty() || feather == 0 {
        return;
    }
    // One pixel around the hole, from which distances are counted.
    let area = area.grown(1, [hole.height(), hole.width()]);
    let depths = depths(hole, &area, full);
    let rgb = filled.rgb_mut();
    for (y, depths) in area.rows.zip(depths.chunks_exact(area.columns.len())) {
        for (x, &depth) in area.columns.clone().zip(depths) {
            let outside = picture.is_some_and(|picture| picture.index([y, x]).is_none());
            if depth == 0 || depth >= full || outside {
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

/// Returns the city-block distance of each pixel of the rectangle to the nearest one outside the
/// hole, at most `most`.
fn depths(hole: &Mask, area: &Rect, most: u32) -> Vec<u32> {
    let mut depth = Vec::with_capacity(area.pixels());
    for y in area.rows.clone() {
        let row = &hole.hole()[y * hole.width()..][area.columns.clone()];
        depth.extend(row.iter().map(|&hole| if hole == 1 { most } else { 0 }));
    }
    city_block(&mut depth, area.columns.len());
    depth
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fades white into black and returns the grey of each pixel.
    fn faded(hole: &Mask, feather: usize) -> Vec<u8> {
        let bytes = 3 * hole.width() * hole.height();
        let source = Frame::new(hole.width(), hole.height(), vec![0; bytes]);
        let mut filled = source.clone();
        let pixels = filled.rgb_mut().chunks_exact_mut(3).zip(hole.hole());
        pixels.for_each(|(pixel, hole)| pixel.fill(255 * hole));
        fade(&source, &mut filled, hole, None, feather);
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
                // The reference searches all pixels outside.
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
    fn the_border_of_the_frame_is_no_edge() {
        let mut hole = Mask::empty(9, 4);
        assert_eq!(faded(&hole, 3), [0; 36]);
        hole.add_rectangle(0, 0, 9, 4);
        assert_eq!(faded(&hole, 3), [255; 36]);
        let mut half = Mask::empty(9, 1);
        half.add_rectangle(0, 0, 5, 1);
        assert_eq!(faded(&half, 1), [255, 255, 255, 255, 128, 0, 0, 0, 0]);
    }

    #[test]
    fn a_feather_scales_with_the_frame() {
        assert_eq!(scaled(4, (64, 48), (64, 48)), 4);
        assert_eq!(scaled(4, (1920, 1080), (640, 360)), 12);
        assert_eq!(scaled(3, (33, 141), (32, 136)), 3);
        assert_eq!(scaled(1, (16, 16), (64, 64)), 0);
    }
}
