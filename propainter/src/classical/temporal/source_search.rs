//! Finds where the pixels of a hole come from: the surroundings' motion is followed into the
//! past and the future, frame by frame, until the pixels come to lie on known picture.

use std::sync::OnceLock;

use super::{
    alignment::BoundaryPatches,
    source::{CELL_PIXELS, FillContext, SourcePixel},
    trajectory::{TemporalDirection, Trajectory},
};
use crate::{
    Cancel, Error, Mask,
    classical::{fields::grid::CELL, hole::region::Region},
};

/// Sources of more expected error, in levels of 255, are none: a fill from around looks better.
const MAX_ERROR: f32 = 16.0;
/// The surroundings are compared anew after this share of the distance.
const REALIGNMENT: usize = 4;
/// Frames of distance that a level of expected error weighs.
const ERROR_WEIGHT: f32 = 0.6;

/// Sources of a region's cells, 16 per cell, row by row; pixels outside the hole and pixels
/// no frame shows have none.
pub fn find_sources(
    context: &FillContext,
    region: &Region,
    cancel: &Cancel,
) -> Result<Vec<[SourcePixel; CELL_PIXELS]>, Error> {
    let current = context.current_frame();
    let mut out = vec![[SourcePixel::NONE; CELL_PIXELS]; region.cells.len()];
    let boundary = OnceLock::new();
    let boundary = || boundary.get_or_init(|| BoundaryPatches::new(region, current));
    let mut pending: Vec<HoleCell> = (0..out.len())
        .map(|slot| HoleCell::new(region, slot, context.hole))
        .collect();
    let mut past = Trajectory::new(region, context, TemporalDirection::Past);
    let mut future = Trajectory::new(region, context, TemporalDirection::Future);
    let mut anchors = Vec::new();
    let mut distance = 0;
    while !pending.is_empty() && (past.is_active() || future.is_active()) {
        cancel.check()?;
        distance += 1;
        let advance = |trajectory: &mut Trajectory| {
            let moved = trajectory.advance();
            let due = distance - trajectory.last_alignment() >= (distance / REALIGNMENT).max(1);
            if moved && due && pending.iter().any(|cell| cell.reveals_missing(trajectory)) {
                trajectory.align(boundary(), distance);
            }
            moved
        };
        let moved = rayon::join(|| advance(&mut past), || advance(&mut future));
        for (trajectory, moved) in [(&mut past, moved.0), (&mut future, moved.1)] {
            if moved {
                trajectory.update_expected_error();
                let cells = pending.iter_mut();
                cells.for_each(|cell| cell.update(trajectory, distance, &mut out[cell.slot]));
            }
        }
        if past.is_active() && distance.is_power_of_two() {
            anchors.push(past.clone());
        }
        pending.retain(|cell| cell.max_cost > distance as f32);
    }
    // What no frame shows: from an old fill, or the last one.
    pending.retain(|cell| cell.max_cost.is_infinite());
    while let (Some(mut anchor), false) = (anchors.pop(), pending.is_empty()) {
        cancel.check()?;
        anchor.align(boundary(), distance);
        anchor.update_expected_error();
        // An old fill spares a resampling every frame, but only where all is calm; the frame
        // before is better than nothing, unless it shows quite another thing.
        let max_error = if anchors.is_empty() {
            2.0 * MAX_ERROR
        } else {
            0.3 * MAX_ERROR
        };
        for cell in &mut pending {
            cell.inherit(&anchor, max_error, &mut out[cell.slot]);
        }
        pending.retain(|cell| cell.max_cost.is_infinite());
    }
    Ok(out)
}

/// A cell of the hole with pixels that still want a source, or a better one.
struct HoleCell {
    slot: usize,
    node: usize,
    /// Upper left pixel.
    x: usize,
    y: usize,
    /// Bits of the pixels that are in the hole.
    hole_pixels: u32,
    /// Bits of those without a source.
    missing: u32,
    /// Highest cost of a wanted pixel.
    max_cost: f32,
}

impl HoleCell {
    fn new(region: &Region, slot: usize, hole: &Mask) -> Self {
        let node = region.cells[slot];
        let (x, y) = region.cell_origin(node);
        let hole_pixels = (0..CELL_PIXELS).fold(0, |bits, p| {
            let at = (y + p / CELL) * hole.width() + x + p % CELL;
            bits | u32::from(hole.hole()[at]) << p
        });
        Self {
            slot,
            node: node as usize,
            x,
            y,
            hole_pixels,
            missing: hole_pixels,
            max_cost: f32::INFINITY,
        }
    }

    fn pixel(&self, p: usize) -> (f32, f32) {
        ((self.x + p % CELL) as f32, (self.y + p / CELL) as f32)
    }

    /// Whether any pixel without a source comes to lie on known picture.
    fn reveals_missing(&self, trajectory: &Trajectory) -> bool {
        self.missing != 0
            && !trajectory.is_occluded(self.node, self.x, self.y)
            && (0..CELL_PIXELS).any(|p| {
                let (x, y) = trajectory.project(self.pixel(p));
                self.missing >> p & 1 == 1 && trajectory.target().is_source(x, y)
            })
    }

    /// Takes the pixels that show where the walk is and were dearer so far.
    fn update(
        &mut self,
        trajectory: &Trajectory,
        distance: usize,
        out: &mut [SourcePixel; CELL_PIXELS],
    ) {
        if trajectory.is_occluded(self.node, self.x, self.y) {
            return;
        }
        for (p, source) in out.iter_mut().enumerate() {
            if self.hole_pixels >> p & 1 == 0 || source.cost <= distance as f32 {
                continue;
            }
            let (x, y) = trajectory.project(self.pixel(p));
            if trajectory.target().is_source(x, y) {
                let expected_error = trajectory.expected_error(self.pixel(p));
                let cost = distance as f32 + ERROR_WEIGHT * expected_error;
                if expected_error < MAX_ERROR && cost < source.cost {
                    *source = self.source(trajectory, p, cost);
                }
            }
        }
        self.update_cost(out);
    }

    /// Takes what the final frame reached shows, fill or not, up to an expected error.
    fn inherit(
        &mut self,
        trajectory: &Trajectory,
        max_error: f32,
        out: &mut [SourcePixel; CELL_PIXELS],
    ) {
        for (p, source) in out.iter_mut().enumerate() {
            if self.missing >> p & 1 == 0 {
                continue;
            }
            let (x, y) = trajectory.project(self.pixel(p));
            if trajectory.expected_error(self.pixel(p)) < max_error
                && trajectory.target().contains(x, y)
            {
                *source = self.source(trajectory, p, f32::MAX);
            }
        }
        self.update_cost(out);
    }

    fn source(&self, trajectory: &Trajectory, p: usize, cost: f32) -> SourcePixel {
        let (x, y) = trajectory.project(self.pixel(p));
        SourcePixel {
            frame: trajectory.frame(),
            x,
            y,
            colour: trajectory.colour_offset(self.pixel(p)),
            cost,
        }
    }

    fn update_cost(&mut self, out: &[SourcePixel; CELL_PIXELS]) {
        self.max_cost = 0.0;
        self.missing = 0;
        for (p, source) in out.iter().enumerate() {
            if self.hole_pixels >> p & 1 == 1 {
                self.max_cost = self.max_cost.max(source.cost);
                self.missing |= u32::from(source.cost.is_infinite()) << p;
            }
        }
    }
}
