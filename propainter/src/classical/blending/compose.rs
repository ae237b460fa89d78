//! Composes the fill of a frame from other frames, earlier fills and its own surroundings.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::{resample, seam::SeamBlender};
use crate::{
    Cancel, Error, Frame, Mask, Rect,
    classical::{
        fields::grid::CELL,
        hole::region::{self, Region},
        spatial::{exemplar, extension::Extension},
        temporal::{
            source::{FillContext, SourcePixel},
            source_search,
        },
        window::frame::WindowFrame,
    },
    frame::city_block,
};

/// Index of a pixel in the frame, and its colour.
type Pixel = (usize, [u8; 3]);

/// Pixels over which what other frames show of the border fades into the extension of the picture.
const FADE: u32 = 24;

/// Fills the hole of frame `current` of the window. `picture` is the rectangle of the picture if
/// there is a border around it.
///
/// # Errors
///
/// Returns [`Error::Cancelled`] if `cancel` is set meanwhile.
pub fn fill_frame(
    frames: &mut VecDeque<WindowFrame>,
    current: usize,
    hole: &Mask,
    picture: Option<&Rect>,
    cancel: &Cancel,
) -> Result<(), Error> {
    let mut unfilled = vec![0; hole.hole().len()];
    let context = FillContext {
        frames,
        current,
        hole,
        picture,
    };
    let fills = region::split(hole)
        .par_iter()
        .map(|region| fill_from_sources(&context, region, cancel))
        .collect::<Result<Vec<_>, Error>>()?;
    let mut any = false;
    let frame = &mut frames[current].frame;
    for fill in fills {
        write_pixels(frame, &fill.filled);
        any |= !fill.unfilled.is_empty();
        fill.unfilled.into_iter().for_each(|at| unfilled[at] = 1);
    }
    if any {
        cancel.check()?;
        let border = picture.map(|picture| outer_border(&unfilled, picture, hole.width()));
        let all = Mask::from_luma(hole.width(), hole.height(), unfilled);
        let near = border.as_deref().map(|border| without(&all, border));
        let mask = near.as_ref().unwrap_or(&all);
        let fills = region::split(mask)
            .par_iter()
            .map(|region| exemplar::fill(frame, all.hole(), &region.bounds(), cancel))
            .collect::<Result<Vec<_>, Error>>()?;
        fills.iter().for_each(|fill| write_pixels(frame, fill));
        if let Some((picture, border)) = picture.zip(border) {
            cancel.check()?;
            extend(frame, picture, &border);
        }
    }
    Ok(())
}

/// Returns 1 for the unfilled pixels of the border that are connected with the edge of the frame. A
/// gap that has no connection is better filled like any other hole.
fn outer_border(unfilled: &[u8], picture: &Rect, width: usize) -> Vec<u8> {
    let height = unfilled.len() / width;
    let mut border = vec![0; unfilled.len()];
    let mut edge = Vec::new();
    let mut visit = |x: usize, y: usize, edge: &mut Vec<(usize, usize)>| {
        let at = y * width + x;
        if unfilled[at] == 1 && border[at] == 0 && picture.index([y, x]).is_none() {
            border[at] = 1;
            edge.push((x, y));
        }
    };
    for x in 0..width {
        visit(x, 0, &mut edge);
        visit(x, height - 1, &mut edge);
    }
    for y in 0..height {
        visit(0, y, &mut edge);
        visit(width - 1, y, &mut edge);
    }
    while let Some((x, y)) = edge.pop() {
        for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
            let (x, y) = (x.wrapping_add_signed(dx), y.wrapping_add_signed(dy));
            if x < width && y < height {
                visit(x, y, &mut edge);
            }
        }
    }
    border
}

/// Returns a mask without the pixels that are 1 in `other`.
fn without(mask: &Mask, other: &[u8]) -> Mask {
    let pixels = mask.hole().iter().zip(other);
    let left = pixels.map(|(mask, other)| mask & !other);
    Mask::from_luma(mask.width(), mask.height(), left.collect())
}

/// Fills the pixels that are 1 in `border` with the extension of the picture, into which the border
/// around them fades.
fn extend(frame: &mut Frame, picture: &Rect, border: &[u8]) {
    let width = frame.width();
    let depth = border.iter().map(|&border| u32::from(border == 0) * FADE);
    let mut depth: Vec<u32> = depth.collect();
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

fn write_pixels(frame: &mut Frame, pixels: &[Pixel]) {
    let rgb = frame.rgb_mut();
    for (at, pixel) in pixels {
        rgb[3 * at..3 * at + 3].copy_from_slice(pixel);
    }
}

/// The result for one region.
struct RegionFill {
    filled: Vec<Pixel>,
    /// Indices of the pixels without a source.
    unfilled: Vec<usize>,
}

/// Fills the pixels of a region that another frame shows or that an earlier fill covers.
fn fill_from_sources(
    context: &FillContext,
    region: &Region,
    cancel: &Cancel,
) -> Result<RegionFill, Error> {
    let sources = source_search::find_sources(context, region, cancel)?;
    cancel.check()?;
    let (width, hole) = (context.hole.width(), context.hole.hole());
    let pixel_index = |cell: u32, p: usize| {
        let (x, y) = region.cell_origin(cell);
        (y + p / CELL) * width + x + p % CELL
    };
    let colour = |source: &SourcePixel| {
        if source.cost.is_infinite() {
            return [0.0; 3];
        }
        let there = resample::cubic(&context.frames[source.frame].frame, source.x, source.y);
        std::array::from_fn(|c| there[c] + source.colour[c])
    };
    let values = sources
        .par_iter()
        .with_min_len(64)
        .map(|cell| cell.each_ref().map(colour));
    let mut blender = SeamBlender::new(context, region, &sources, values.collect());
    blender.blend();
    let cells = region.cells.iter().zip(&sources).zip(&blender.values);
    let filled = cells.flat_map(|((&cell, sources), values)| {
        let known = sources.iter().zip(values).enumerate();
        known
            .filter(|(_, (source, _))| source.cost.is_finite())
            .map(move |(p, (_, value))| (pixel_index(cell, p), value.map(to_byte)))
    });
    let unfilled = region
        .cells
        .iter()
        .zip(&sources)
        .flat_map(|(&cell, sources)| {
            let missing = sources
                .iter()
                .enumerate()
                .filter(|(_, s)| s.cost.is_infinite());
            missing
                .map(move |(p, _)| pixel_index(cell, p))
                .filter(|&at| hole[at] == 1)
        });
    Ok(RegionFill {
        filled: filled.collect(),
        unfilled: unfilled.collect(),
    })
}

fn to_byte(value: f32) -> u8 {
    (value + 0.5).clamp(0.0, 255.0) as u8
}
