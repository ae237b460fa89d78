//! Finds the sources of a hole's pixels. Trajectories follow the motion into the past and the
//! future, frame by frame, until each pixel reaches one that is known.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::{
    alignment::BoundaryPatches,
    source::{CELL_PIXELS, FillContext, SourcePixel},
    trajectory::{CellNodes, TemporalDirection, Trajectory},
};
use crate::{
    Cancel, Error,
    classical::{
        fields::grid::CELL,
        hole::region::Region,
        profile::{Stage, timed},
    },
};

/// Largest expected error of a source, in levels of 255. Beyond it, a fill within the frame looks
/// better.
const MAX_ERROR: f32 = 16.0;
/// Divisor of the distance that gives the interval between alignments.
const REALIGNMENT: usize = 4;
/// Number of cells above which they are distributed over threads.
const PARALLEL: usize = 256;
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
    let boundary = OnceLock::new();
    let boundary = || boundary.get_or_init(|| BoundaryPatches::new(region, current));
    let mut cells: Vec<HoleCell> = region
        .cells
        .iter()
        .map(|&node| HoleCell::new(region, node, context))
        .collect();
    let mut pending = cells.len();
    let mut past = Trajectory::new(region, context, TemporalDirection::Past);
    let mut future = Trajectory::new(region, context, TemporalDirection::Future);
    let mut anchors = Vec::new();
    let mut distance = 0;
    let effort = context.effort;
    while distance < effort.reach
        && pending > 0
        && (past.is_active() || future.is_active())
        && (distance == 0 || !effort.search_is_over())
    {
        cancel.check()?;
        distance += 1;
        // Returns whether other pixels than before are seen.
        let advance = |trajectory: &mut Trajectory| {
            if !trajectory.advance() {
                return false;
            }
            trajectory.may_reveal |= trajectory.is_changed();
            let due = distance - trajectory.last_alignment() >= (distance / REALIGNMENT).max(1)
                && trajectory.alignments() < effort.alignments;
            if due && trajectory.may_reveal {
                let mut pending = cells.iter().filter(|cell| cell.pending);
                trajectory.may_reveal = pending.any(|cell| cell.reveals_missing(trajectory));
                if trajectory.may_reveal {
                    timed(Stage::Alignment, || trajectory.align(boundary(), distance));
                }
            }
            if trajectory.is_changed() {
                trajectory.update_expected_error();
            }
            trajectory.is_changed()
        };
        let changed = rayon::join(|| advance(&mut past), || advance(&mut future));
        let update = |cell: &mut HoleCell| {
            if !cell.pending {
                return;
            }
            for (trajectory, changed) in [(&past, changed.0), (&future, changed.1)] {
                if changed {
                    cell.update(trajectory, distance);
                }
            }
            cell.pending = cell.max_cost > distance as f32;
        };
        // Where little is left, other threads would only be woken.
        match pending < PARALLEL {
            true => cells.iter_mut().for_each(update),
            false => cells
                .par_iter_mut()
                .with_min_len(PARALLEL / 4)
                .for_each(update),
        }
        pending = cells.iter().filter(|cell| cell.pending).count();
        if past.is_active() && distance.is_power_of_two() {
            anchors.push(past.clone());
        }
    }
    // Pixels that no frame shows are inherited from an earlier fill.
    let mut heirs: Vec<&mut HoleCell> = cells
        .iter_mut()
        .filter(|cell| cell.pending && cell.may_inherit())
        .collect();
    while let (Some(mut anchor), false) = (anchors.pop(), heirs.is_empty()) {
        cancel.check()?;
        if !anchors.is_empty() && effort.search_is_over() {
            continue;
        }
        timed(Stage::Alignment, || anchor.align(boundary(), distance));
        anchor.update_expected_error();
        // An old fill avoids repeated resampling, but only if the match is very good. The previous
        // frame is better than nothing unless it shows something quite different.
        let max_error = if anchors.is_empty() {
            2.0 * MAX_ERROR
        } else {
            0.3 * MAX_ERROR
        };
        for cell in &mut heirs {
            cell.inherit(&anchor, max_error);
        }
        heirs.retain(|cell| cell.may_inherit());
    }
    Ok(cells.into_iter().map(|cell| cell.sources).collect())
}

/// Returns the expected error of a source of frame `current`, in levels of 255; `None` if it is no
/// pixel that a frame shows.
pub fn expected_error(source: &SourcePixel, current: usize) -> Option<f32> {
    let distance = source.frame.abs_diff(current) as f32;
    (source.cost < f32::MAX).then(|| (source.cost - distance) / ERROR_WEIGHT)
}

/// A cell of the hole. It is pending while its pixels need a source or may find a better one.
struct HoleCell {
    /// Node in the rectangle of the region.
    node: usize,
    /// Column of the upper left pixel.
    x: usize,
    /// Row of the upper left pixel.
    y: usize,
    pending: bool,
    /// Bit set of the pixels inside the hole.
    hole_pixels: u32,
    /// Bit set of the pixels without a source.
    missing: u32,
    /// Bit set of the pixels that may be inherited. In the border they are extended from the
    /// picture instead, which moves as the picture does.
    heirs: u32,
    /// Largest cost of a pixel inside the hole.
    max_cost: f32,
    /// The sources found so far.
    sources: [SourcePixel; CELL_PIXELS],
}

impl HoleCell {
    fn new(region: &Region, node: u32, context: &FillContext) -> Self {
        let hole = context.hole;
        let (x, y) = region.cell_origin(node);
        let bits = |holds: &dyn Fn(usize, usize) -> bool| {
            (0..CELL_PIXELS).fold(0, |bits, p| {
                bits | u32::from(holds(x + p % CELL, y + p / CELL)) << p
            })
        };
        let hole_pixels = bits(&|x, y| hole.hole()[y * hole.width() + x] == 1);
        Self {
            node: node as usize,
            x,
            y,
            pending: true,
            hole_pixels,
            missing: hole_pixels,
            heirs: bits(&|x, y| !context.is_border(x, y)),
            max_cost: f32::INFINITY,
            sources: [SourcePixel::NONE; CELL_PIXELS],
        }
    }

    /// Returns where each pixel lies in the frame reached.
    fn positions(&self, trajectory: &Trajectory, nodes: &CellNodes) -> [(f32, f32); CELL_PIXELS] {
        let displacements = trajectory.displacements(nodes);
        std::array::from_fn(|p| {
            let [u, v] = displacements[p];
            (
                (self.x + p % CELL) as f32 + u,
                (self.y + p / CELL) as f32 + v,
            )
        })
    }

    /// Returns whether a pixel without a source reaches a known one.
    fn reveals_missing(&self, trajectory: &Trajectory) -> bool {
        if self.missing == 0 || trajectory.is_occluded(self.node, self.x, self.y) {
            return false;
        }
        let positions = self.positions(trajectory, &trajectory.around(self.node));
        positions
            .into_iter()
            .enumerate()
            .any(|(p, (x, y))| self.missing >> p & 1 == 1 && trajectory.target().is_source(x, y))
    }

    /// Replaces the sources of pixels that the trajectory reaches at a lower cost.
    fn update(&mut self, trajectory: &Trajectory, distance: usize) {
        if trajectory.is_occluded(self.node, self.x, self.y) {
            return;
        }
        let nodes = trajectory.around(self.node);
        let distance = distance as f32;
        let least = trajectory.least_expected_error(&nodes);
        if least >= MAX_ERROR || distance + ERROR_WEIGHT * least >= self.max_cost {
            return;
        }
        let expected_errors = trajectory.expected_errors(&nodes);
        let positions = self.positions(trajectory, &nodes);
        let mut offsets = None;
        for (p, source) in self.sources.iter_mut().enumerate() {
            let [expected_error] = expected_errors[p];
            let cost = distance + ERROR_WEIGHT * expected_error;
            let better = expected_error < MAX_ERROR && cost < source.cost;
            let (x, y) = positions[p];
            if self.hole_pixels >> p & 1 == 1 && better && trajectory.target().is_source(x, y) {
                let offsets = offsets.get_or_insert_with(|| trajectory.colour_offsets(&nodes));
                *source = SourcePixel {
                    frame: trajectory.frame(),
                    x,
                    y,
                    colour: offsets[p],
                    cost,
                };
            }
        }
        if offsets.is_some() {
            self.update_cost();
        }
    }

    /// Returns whether a pixel without a source may be inherited.
    fn may_inherit(&self) -> bool {
        self.missing & self.heirs != 0
    }

    /// Inherits missing pixels from the reached frame, whether filled or shown, up to an expected
    /// error.
    fn inherit(&mut self, trajectory: &Trajectory, max_error: f32) {
        let nodes = trajectory.around(self.node);
        if trajectory.least_expected_error(&nodes) >= max_error {
            return;
        }
        let expected_errors = trajectory.expected_errors(&nodes);
        let positions = self.positions(trajectory, &nodes);
        let offsets = trajectory.colour_offsets(&nodes);
        for (p, source) in self.sources.iter_mut().enumerate() {
            let (x, y) = positions[p];
            if (self.missing & self.heirs) >> p & 1 == 1
                && expected_errors[p][0] < max_error
                && trajectory.target().contains(x, y)
            {
                *source = SourcePixel {
                    frame: trajectory.frame(),
                    x,
                    y,
                    colour: offsets[p],
                    cost: f32::MAX,
                };
            }
        }
        self.update_cost();
    }

    /// Recomputes the missing pixels and the largest cost.
    fn update_cost(&mut self) {
        self.max_cost = 0.0;
        self.missing = 0;
        for (p, source) in self.sources.iter().enumerate() {
            if self.hole_pixels >> p & 1 == 1 {
                self.max_cost = self.max_cost.max(source.cost);
                self.missing |= u32::from(source.cost.is_infinite()) << p;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use super::*;
    use crate::{
        Mask,
        classical::{
            effort::Effort,
            fields::flow_field::{FlowField, StoredFlow},
            hole::{region, source_map::SourceMap},
            window::frame::WindowFrame,
        },
        effort::Tier,
        synthetic::Scene,
    };

    /// Returns a window over a still picture with such a flow between its frames. The last frames
    /// have another hole.
    fn window(flow: impl Fn() -> StoredFlow) -> (VecDeque<WindowFrame>, Mask) {
        let (width, height) = (96, 64);
        let hole = |x: i64| {
            let mut hole = Mask::empty(width, height);
            hole.add_rectangle(x, 20, 30, 20);
            hole
        };
        let [own, other] = [36, 46].map(|x| SourceMap::new(&hole(x)).map(Arc::new));
        let truth = Scene::new(width, height, 3).truth(0);
        let frames = (0..12).map(|i| {
            let source_map = if i < 9 { &own } else { &other };
            let mut frame = WindowFrame::new(truth.clone(), source_map.clone());
            (frame.forward, frame.backward) = (Some(flow()), Some(flow()));
            frame
        });
        (frames.collect(), hole(36))
    }

    #[test]
    fn where_nothing_moves_only_frames_with_another_hole_are_searched() {
        let (width, height) = (96 / CELL, 64 / CELL);
        let searched = || {
            let all: Vec<u32> = (0..(width * height) as u32).collect();
            StoredFlow::new(
                &FlowField::zero(width, height),
                &all,
                &vec![0.0; all.len()],
                None,
            )
        };
        let still = || StoredFlow::still(96, 64);
        let found = [window(searched), window(still)].map(|(frames, hole)| {
            let context = FillContext {
                frames: &frames,
                current: 5,
                hole: &hole,
                picture: None,
                effort: &Effort::new(Tier::Full, None),
            };
            let region = &region::split(&hole)[0];
            let mut future = Trajectory::new(region, &context, TemporalDirection::Future);
            let steps: Vec<_> = (0..6)
                .map(|_| (future.advance(), future.is_changed()))
                .collect();
            let sources = find_sources(&context, region, &Cancel::default());
            let sources = sources.expect("not cancelled").concat();
            let parts = sources.into_iter().map(|source| {
                let SourcePixel {
                    frame,
                    x,
                    y,
                    colour,
                    cost,
                } = source;
                (
                    frame,
                    [x, y, colour[0], colour[1], colour[2], cost].map(f32::to_bits),
                )
            });
            (steps, parts.collect::<Vec<_>>())
        });
        let [(searched, slow), (still, quick)] = found;
        assert!(searched.iter().all(|&step| step == (true, true)));
        let changed: Vec<bool> = still.iter().map(|&(_, changed)| changed).collect();
        assert_eq!(changed, [false, false, false, true, false, false]);
        assert_eq!(slow, quick);
        // Some is shown by frame 9, the rest is inherited.
        assert!(slow.iter().any(|(frame, _)| *frame == 9));
        assert!(slow.iter().any(|(frame, _)| *frame < 5));
    }
}
