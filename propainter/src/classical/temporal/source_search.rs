//! Finds the sources of a hole's pixels. Trajectories follow the motion into the past and the
//! future, frame by frame, until each pixel reaches one that is known.

use std::sync::OnceLock;

use super::{
    alignment::BoundaryPatches,
    source::{CELL_PIXELS, FillContext, SourcePixel},
    trajectory::{TemporalDirection, Trajectory},
};
use crate::{
    Cancel, Error,
    classical::{fields::grid::CELL, hole::region::Region},
};

/// Largest expected error of a source, in levels of 255. Beyond it, a fill within the frame looks
/// better.
const MAX_ERROR: f32 = 16.0;
/// Divisor of the distance that gives the interval between alignments.
const REALIGNMENT: usize = 4;
/// Cost of one level of expected error, in frames of distance.
const ERROR_WEIGHT: f32 = 0.6;

/// Finds the sources of a region's cells: 16 per cell, row by row.
///
/// Pixels outside the hole and pixels that no frame shows get [`SourcePixel::NONE`].
///
/// # Errors
///
/// Returns [`Error::Cancelled`] if `cancel` is set meanwhile.
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
        .map(|slot| HoleCell::new(region, slot, context))
        .collect();
    let mut past = Trajectory::new(region, context, TemporalDirection::Past);
    let mut future = Trajectory::new(region, context, TemporalDirection::Future);
    let mut anchors = Vec::new();
    let mut distance = 0;
    let effort = context.effort;
    while distance < effort.reach
        && !pending.is_empty()
        && (past.is_active() || future.is_active())
        && (distance == 0 || !effort.search_is_over())
    {
        cancel.check()?;
        distance += 1;
        let advance = |trajectory: &mut Trajectory| {
            let moved = trajectory.advance();
            let due = distance - trajectory.last_alignment() >= (distance / REALIGNMENT).max(1)
                && trajectory.alignments() < effort.alignments;
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
    // Pixels that no frame shows are inherited from an earlier fill.
    pending.retain(HoleCell::may_inherit);
    while let (Some(mut anchor), false) = (anchors.pop(), pending.is_empty()) {
        cancel.check()?;
        if !anchors.is_empty() && effort.search_is_over() {
            continue;
        }
        anchor.align(boundary(), distance);
        anchor.update_expected_error();
        // An old fill avoids repeated resampling, but only if the match is very good. The previous
        // frame is better than nothing unless it shows something quite different.
        let max_error = if anchors.is_empty() {
            2.0 * MAX_ERROR
        } else {
            0.3 * MAX_ERROR
        };
        for cell in &mut pending {
            cell.inherit(&anchor, max_error, &mut out[cell.slot]);
        }
        pending.retain(HoleCell::may_inherit);
    }
    Ok(out)
}

/// Returns the expected error of a source of frame `current`, in levels of 255; `None` if it is no
/// pixel that a frame shows.
pub fn expected_error(source: &SourcePixel, current: usize) -> Option<f32> {
    let distance = source.frame.abs_diff(current) as f32;
    (source.cost < f32::MAX).then(|| (source.cost - distance) / ERROR_WEIGHT)
}

/// A cell with pixels that still need a source or may find a better one.
struct HoleCell {
    /// Index among the cells of the region.
    slot: usize,
    /// Node in the rectangle of the region.
    node: usize,
    /// Column of the upper left pixel.
    x: usize,
    /// Row of the upper left pixel.
    y: usize,
    /// Bit set of the pixels inside the hole.
    hole_pixels: u32,
    /// Bit set of the pixels without a source.
    missing: u32,
    /// Bit set of the pixels that may be inherited. In the border they are extended from the
    /// picture instead, which moves as the picture does.
    heirs: u32,
    /// Largest cost of a pixel inside the hole.
    max_cost: f32,
}

impl HoleCell {
    fn new(region: &Region, slot: usize, context: &FillContext) -> Self {
        let (node, hole) = (region.cells[slot], context.hole);
        let (x, y) = region.cell_origin(node);
        let bits = |holds: &dyn Fn(usize, usize) -> bool| {
            (0..CELL_PIXELS).fold(0, |bits, p| {
                bits | u32::from(holds(x + p % CELL, y + p / CELL)) << p
            })
        };
        let hole_pixels = bits(&|x, y| hole.hole()[y * hole.width() + x] == 1);
        Self {
            slot,
            node: node as usize,
            x,
            y,
            hole_pixels,
            missing: hole_pixels,
            heirs: bits(&|x, y| !context.is_border(x, y)),
            max_cost: f32::INFINITY,
        }
    }

    /// Returns the position of pixel `p` of the cell.
    fn pixel(&self, p: usize) -> (f32, f32) {
        ((self.x + p % CELL) as f32, (self.y + p / CELL) as f32)
    }

    /// Returns whether a pixel without a source reaches a known one.
    fn reveals_missing(&self, trajectory: &Trajectory) -> bool {
        self.missing != 0
            && !trajectory.is_occluded(self.node, self.x, self.y)
            && (0..CELL_PIXELS).any(|p| {
                let (x, y) = trajectory.project(self.pixel(p));
                self.missing >> p & 1 == 1 && trajectory.target().is_source(x, y)
            })
    }

    /// Replaces the sources of pixels that the trajectory reaches at a lower cost.
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

    /// Returns whether a pixel without a source may be inherited.
    fn may_inherit(&self) -> bool {
        self.missing & self.heirs != 0
    }

    /// Inherits missing pixels from the reached frame, whether filled or shown, up to an expected
    /// error.
    fn inherit(
        &mut self,
        trajectory: &Trajectory,
        max_error: f32,
        out: &mut [SourcePixel; CELL_PIXELS],
    ) {
        for (p, source) in out.iter_mut().enumerate() {
            if (self.missing & self.heirs) >> p & 1 == 0 {
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

    /// Returns the source that the trajectory gives pixel `p`.
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

    /// Recomputes the missing pixels and the largest cost.
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
