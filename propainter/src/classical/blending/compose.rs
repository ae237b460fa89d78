//! Puts a frame's fill together: pixels from other frames, then what none of them shows.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::{resample, seam::Canvas};
use crate::{
    Cancel, Error, Frame, Mask,
    classical::{
        fields::grid::CELL,
        hole::region::{self, Region},
        spatial::exemplar,
        temporal::{
            source::{Source, Window},
            source_search,
        },
        window::frame::Held,
    },
};

/// A pixel's place in the frame and its colour.
type Pixel = (usize, [u8; 3]);

/// Fills the hole of frame `now` of the window.
pub fn fill(
    frames: &mut VecDeque<Held>,
    now: usize,
    hole: &Mask,
    cancel: &Cancel,
) -> Result<(), Error> {
    let mut unseen = vec![0; hole.hole().len()];
    let window = Window { frames, now, hole };
    let pieces = region::split(hole)
        .par_iter()
        .map(|region| seen(&window, region, cancel))
        .collect::<Result<Vec<_>, Error>>()?;
    let mut any = false;
    let frame = &mut frames[now].frame;
    for piece in pieces {
        write(frame, &piece.seen);
        any |= !piece.unseen.is_empty();
        piece.unseen.into_iter().for_each(|at| unseen[at] = 1);
    }
    if any {
        cancel.check()?;
        let mask = Mask::from_luma(hole.width(), hole.height(), unseen);
        let pieces = region::split(&mask)
            .par_iter()
            .map(|region| exemplar::fill(frame, mask.hole(), &region.area(), cancel))
            .collect::<Result<Vec<_>, Error>>()?;
        pieces.iter().for_each(|piece| write(frame, piece));
    }
    Ok(())
}

fn write(frame: &mut Frame, pixels: &[Pixel]) {
    let rgb = frame.rgb_mut();
    for (at, pixel) in pixels {
        rgb[3 * at..3 * at + 3].copy_from_slice(pixel);
    }
}

struct Piece {
    seen: Vec<Pixel>,
    unseen: Vec<usize>,
}

/// The region's pixels that another frame shows, or an earlier fill has.
fn seen(window: &Window, region: &Region, cancel: &Cancel) -> Result<Piece, Error> {
    let sources = source_search::sources(window, region, cancel)?;
    cancel.check()?;
    let (width, hole) = (window.hole.width(), window.hole.hole());
    let place = |cell: u32, p: usize| {
        let (x, y) = region.corner(cell);
        (y + p / CELL) * width + x + p % CELL
    };
    let colour = |source: &Source| {
        if source.cost.is_infinite() {
            return [0.0; 3];
        }
        let there = resample::cubic(&window.frames[source.frame].frame, source.x, source.y);
        std::array::from_fn(|c| there[c] + source.colour[c])
    };
    let values = sources
        .par_iter()
        .with_min_len(64)
        .map(|cell| cell.each_ref().map(colour));
    let mut canvas = Canvas::new(window, region, &sources, values.collect());
    canvas.settle();
    let cells = region.cells.iter().zip(&sources).zip(&canvas.values);
    let seen = cells.flat_map(|((&cell, sources), values)| {
        let known = sources.iter().zip(values).enumerate();
        known
            .filter(|(_, (source, _))| source.cost.is_finite())
            .map(move |(p, (_, value))| (place(cell, p), value.map(byte)))
    });
    let unseen = region
        .cells
        .iter()
        .zip(&sources)
        .flat_map(|(&cell, sources)| {
            let lacking = sources
                .iter()
                .enumerate()
                .filter(|(_, s)| s.cost.is_infinite());
            lacking
                .map(move |(p, _)| place(cell, p))
                .filter(|&at| hole[at] == 1)
        });
    Ok(Piece {
        seen: seen.collect(),
        unseen: unseen.collect(),
    })
}

fn byte(value: f32) -> u8 {
    (value + 0.5).clamp(0.0, 255.0) as u8
}
