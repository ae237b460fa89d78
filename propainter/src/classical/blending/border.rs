//! The border around a picture: where other frames show nothing of it, or nothing certain, it fades
//! into the extension of the picture.

use rayon::prelude::*;

use crate::{Frame, Rect, classical::spatial::extension::Extension, frame::city_block};

/// Depth in pixels from which on nothing of the extension is left.
const FADE: u32 = 24;
/// Expected errors in levels of 255: up to the first a source is certain, from the second on it does
/// not count.
const CERTAIN: f32 = 6.0;
const UNCERTAIN: f32 = 14.0;

/// Returns the depth to which a source with this expected error is shown; `None` if it is certain.
pub fn depth(expected_error: f32) -> Option<u32> {
    let share = (UNCERTAIN - expected_error) / (UNCERTAIN - CERTAIN);
    (share < 1.0).then(|| (share.max(0.0) * FADE as f32) as u32)
}

/// Returns the unfilled pixels of the border that are connected with the edge of the frame. A gap
/// that has no connection is better filled like any other hole.
pub fn outer(unfilled: &[u8], picture: &Rect, width: usize) -> Vec<usize> {
    let height = unfilled.len() / width;
    let mut left = unfilled.to_vec();
    let mut outer = Vec::new();
    let mut take = |x: usize, y: usize, outer: &mut Vec<usize>| {
        let at = y * width + x;
        if left[at] == 1 && picture.index([y, x]).is_none() {
            left[at] = 0;
            outer.push(at);
        }
    };
    for x in 0..width {
        take(x, 0, &mut outer);
        take(x, height - 1, &mut outer);
    }
    for y in 0..height {
        take(0, y, &mut outer);
        take(width - 1, y, &mut outer);
    }
    let mut next = 0;
    while let Some(&at) = outer.get(next) {
        next += 1;
        let (x, y) = (at % width, at / width);
        for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
            let (x, y) = (x.wrapping_add_signed(dx), y.wrapping_add_signed(dy));
            if x < width && y < height {
                take(x, y, &mut outer);
            }
        }
    }
    outer
}

/// Fills the pixels `outer` with the extension of the picture, into which the border around them
/// fades. The pixels `doubtful` are shown to a [`depth`] of their own.
pub fn extend(frame: &mut Frame, picture: &Rect, outer: &[usize], doubtful: &[(usize, u32)]) {
    let width = frame.width();
    let mut depth = vec![FADE; width * frame.height()];
    doubtful.iter().for_each(|&(at, own)| depth[at] = own);
    outer.iter().for_each(|&at| depth[at] = 0);
    city_block(&mut depth, width);
    let extension = Extension::new(frame, picture);
    let rows = frame.rgb_mut().par_chunks_exact_mut(3 * width);
    rows.zip(depth.par_chunks_exact(width))
        .enumerate()
        .for_each(|(y, (row, depths))| {
            let pixels = row.as_chunks_mut().0.iter_mut().zip(depths).enumerate();
            for (x, (pixel, &depth)) in pixels {
                if depth < FADE && picture.index([y, x]).is_none() {
                    let share = depth as f32 / FADE as f32;
                    *pixel = extension.mixed(x, y, *pixel, share);
                }
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_connected_with_the_edge_is_outer() {
        // The picture is in the middle; the gap beside it is closed.
        let rows = [
            "#######", //
            "#.....#", "#.#...#", "#....##", "#######",
        ];
        let unfilled: Vec<u8> = rows.concat().bytes().map(|b| u8::from(b == b'#')).collect();
        let picture = Rect::new([1..4, 3..6]);
        let mut outer = outer(&unfilled, &picture, 7);
        outer.sort_unstable();
        let expected =
            (0..35).filter(|&at| unfilled[at] == 1 && at != 2 * 7 + 2 && at != 3 * 7 + 5);
        assert_eq!(outer, expected.collect::<Vec<_>>());
    }

    #[test]
    fn doubt_grows_with_the_expected_error() {
        assert_eq!([0.0, 6.0].map(depth), [None, None]);
        assert_eq!([10.0, 14.0, 90.0].map(depth), [Some(12), Some(0), Some(0)]);
    }
}
