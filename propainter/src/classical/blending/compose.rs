//! Composes the fill of a frame from other frames, earlier fills and its own surroundings.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::{border, resample, seam::SeamBlender};
use crate::{
    Cancel, Error, Frame, Mask, Rect,
    classical::{
        fields::grid::CELL,
        hole::region::{self, Region},
        spatial::exemplar::{self, PatchEffort},
        temporal::{
            source::{FillContext, SourcePixel},
            source_search::{self, expected_error},
        },
        window::frame::WindowFrame,
    },
};

/// Index of a pixel in the frame, and its colour.
type Pixel = (usize, [u8; 3]);

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
    let mut doubtful = Vec::new();
    let mut any = false;
    let frame = &mut frames[current].frame;
    for fill in fills {
        write_pixels(frame, &fill.filled);
        any |= !fill.unfilled.is_empty();
        fill.unfilled.into_iter().for_each(|at| unfilled[at] = 1);
        doubtful.extend(fill.doubtful);
    }
    let mut outer = Vec::new();
    if any {
        cancel.check()?;
        if let Some(picture) = picture {
            outer = border::outer(&unfilled, picture, hole.width());
        }
        let all = Mask::from_luma(hole.width(), hole.height(), unfilled);
        let near = (!outer.is_empty()).then(|| without(&all, &outer));
        let mask = near.as_ref().unwrap_or(&all);
        let fills = region::split(mask)
            .par_iter()
            .map(|region| {
                let (unknown, area) = (all.hole(), region.bounds());
                exemplar::fill(frame, unknown, &area, &PatchEffort::FULL, cancel)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        fills.iter().for_each(|fill| write_pixels(frame, fill));
    }
    if let Some(picture) = picture.filter(|_| !outer.is_empty() || !doubtful.is_empty()) {
        cancel.check()?;
        border::extend(frame, picture, &outer, &doubtful);
    }
    Ok(())
}

/// Returns a mask without these pixels.
fn without(mask: &Mask, pixels: &[usize]) -> Mask {
    let mut left = mask.hole().to_vec();
    pixels.iter().for_each(|&at| left[at] = 0);
    Mask::from_luma(mask.width(), mask.height(), left)
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
    /// Pixels of the border whose sources are uncertain, and the depth to which they are shown.
    doubtful: Vec<(usize, u32)>,
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
    let cells = region.cells.iter().zip(&sources);
    let cells = cells.filter(|_| context.picture.is_some());
    let doubtful = cells.flat_map(|(&cell, sources)| {
        let known = sources.iter().enumerate();
        known.filter_map(move |(p, source)| {
            let at = pixel_index(cell, p);
            let depth = border::depth(expected_error(source, context.current)?)?;
            context
                .is_border(at % width, at / width)
                .then_some((at, depth))
        })
    });
    Ok(RegionFill {
        filled: filled.collect(),
        unfilled: unfilled.collect(),
        doubtful: doubtful.collect(),
    })
}

fn to_byte(value: f32) -> u8 {
    (value + 0.5).clamp(0.0, 255.0) as u8
}
