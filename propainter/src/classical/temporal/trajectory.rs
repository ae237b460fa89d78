//! The trajectory of a region's surroundings through the frames in one temporal direction.

use super::{
    alignment::BoundaryPatches,
    source::{CELL_PIXELS, FillContext},
};
use crate::classical::{
    fields::{
        flow_field::StoredFlow,
        grid::{CELL, CELL_CENTRE, interpolation_nodes, node_position},
    },
    hole::region::Region,
    window::frame::WindowFrame,
};

/// Expected error, in levels of 255, that a complete mismatch adds. Measured on films with a known
/// hole.
const MISMATCH_ERROR: f32 = 40.0;
/// Expected error, in levels of 255, that each pixel of round-trip error adds. Measured likewise.
const ROUND_TRIP_ERROR: f32 = 0.6;

/// A direction in time.
#[derive(Clone, Copy, PartialEq)]
pub enum TemporalDirection {
    /// Towards earlier frames.
    Past,
    /// Towards later frames.
    Future,
}

/// The trajectory of a region's nodes, up to the frame that it has reached.
#[derive(Clone)]
pub struct Trajectory<'a> {
    region: &'a Region,
    context: &'a FillContext<'a>,
    direction: TemporalDirection,
    frame: usize,
    active: bool,
    /// Whether the last step led anywhere but to the same place of a frame with the same hole.
    changed: bool,
    /// Whether pixels without a source may be seen in the frame reached.
    pub may_reveal: bool,
    /// Distance in frames at the last alignment.
    last_alignment: usize,
    /// Number of alignments so far.
    alignments: usize,
    /// Displacement of each node, from the frame being filled to the frame reached, in pixels.
    displacement: Vec<[f32; 2]>,
    colour_offset: Vec<[f32; 3]>,
    mismatch: Vec<[f32; 1]>,
    /// Accumulated round-trip error of the flow at each node, in pixels.
    round_trip_error: Vec<f32>,
    /// Expected error of colours taken from the frame reached, in levels of 255.
    expected_error: Vec<[f32; 1]>,
}

impl<'a> Trajectory<'a> {
    /// Starts a trajectory at the frame being filled.
    pub fn new(
        region: &'a Region,
        context: &'a FillContext<'a>,
        direction: TemporalDirection,
    ) -> Self {
        let nodes = region.width * region.height;
        Self {
            region,
            context,
            direction,
            frame: context.current,
            active: true,
            changed: false,
            may_reveal: false,
            last_alignment: 0,
            alignments: 0,
            displacement: vec![[0.0; 2]; nodes],
            colour_offset: vec![[0.0; 3]; nodes],
            mismatch: vec![[0.0]; nodes],
            round_trip_error: vec![0.0; nodes],
            expected_error: vec![[0.0]; nodes],
        }
    }

    /// Returns whether the last step succeeded.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Returns the distance in frames at the last alignment.
    pub fn last_alignment(&self) -> usize {
        self.last_alignment
    }

    /// Returns the number of alignments so far.
    pub fn alignments(&self) -> usize {
        self.alignments
    }

    /// Returns the index in the window of the frame reached.
    pub fn frame(&self) -> usize {
        self.frame
    }

    /// Returns the frame reached.
    pub fn target(&self) -> &'a WindowFrame {
        &self.context.frames[self.frame]
    }

    /// Advances by one frame. Returns false at the end of the window or scene, or where a frame
    /// without a hole ends the flow.
    pub fn advance(&mut self) -> bool {
        let Some((next, flow)) = self.next_flow().filter(|_| self.active) else {
            self.active = false;
            return false;
        };
        self.changed = !flow.is_still() || !self.target().shares_hole(&self.context.frames[next]);
        self.frame = next;
        if flow.is_still() {
            return true;
        }
        for (i, (displacement, round_trip_error)) in self
            .displacement
            .iter_mut()
            .zip(&mut self.round_trip_error)
            .enumerate()
        {
            let (x, y) = node_position(i, self.region.width);
            let (x, y) = (
                x + (self.region.x * CELL) as f32,
                y + (self.region.y * CELL) as f32,
            );
            let [u, v, error] = flow.sample_with_error(x + displacement[0], y + displacement[1]);
            displacement[0] += u;
            displacement[1] += v;
            *round_trip_error += error;
        }
        true
    }

    /// Returns whether the frame reached may show other pixels than the one before.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Returns the next frame and the flow to it.
    fn next_flow(&self) -> Option<(usize, &'a StoredFlow)> {
        let frames = self.context.frames;
        let here = &frames[self.frame];
        match self.direction {
            TemporalDirection::Past if here.scene_cut => None,
            TemporalDirection::Past => Some((self.frame.checked_sub(1)?, here.backward.as_ref()?)),
            TemporalDirection::Future => {
                let next = self.frame + 1;
                frames.get(next).filter(|target| !target.scene_cut)?;
                Some((next, here.forward.as_ref()?))
            }
        }
    }

    /// Aligns the surroundings with the frame reached, at `distance` frames.
    pub fn align(&mut self, boundary: &BoundaryPatches, distance: usize) {
        self.last_alignment = distance;
        self.changed = true;
        self.alignments += 1;
        if boundary.is_empty() {
            return;
        }
        let Some(found) = boundary.align(&self.displacement, self.target()) else {
            self.mismatch.fill([1.0]);
            return;
        };
        for (displacement, shift) in self.displacement.iter_mut().zip(&found.shift) {
            displacement[0] += shift[0];
            displacement[1] += shift[1];
        }
        self.colour_offset = found.colour_offset;
        self.mismatch = found.mismatch;
    }

    /// Recomputes the expected error from mismatch and round-trip error.
    pub fn update_expected_error(&mut self) {
        for ((expected_error, mismatch), round_trip_error) in self
            .expected_error
            .iter_mut()
            .zip(&self.mismatch)
            .zip(&self.round_trip_error)
        {
            *expected_error = [MISMATCH_ERROR * mismatch[0] + ROUND_TRIP_ERROR * round_trip_error];
        }
    }

    /// Returns the nodes around the pixels of a node's cell.
    pub fn around(&self, node: usize) -> CellNodes {
        let (width, height) = (self.region.width, self.region.height);
        let along = |node: usize, nodes: usize| {
            std::array::from_fn(|p| interpolation_nodes((node * CELL + p) as f32, nodes))
        };
        CellNodes {
            columns: along(node % width, width),
            rows: along(node / width, height),
        }
    }

    /// Returns the displacement of each pixel of a cell.
    pub fn displacements(&self, nodes: &CellNodes) -> [[f32; 2]; CELL_PIXELS] {
        nodes.interpolate(&self.displacement, self.region.width)
    }

    /// Returns the offset to add to the colour at each pixel's projected position.
    pub fn colour_offsets(&self, nodes: &CellNodes) -> [[f32; 3]; CELL_PIXELS] {
        nodes.interpolate(&self.colour_offset, self.region.width)
    }

    /// Returns the expected error at each pixel, in levels of 255.
    pub fn expected_errors(&self, nodes: &CellNodes) -> [[f32; 1]; CELL_PIXELS] {
        nodes.interpolate(&self.expected_error, self.region.width)
    }

    /// Returns a lower bound of the expected errors of a cell.
    pub fn least_expected_error(&self, nodes: &CellNodes) -> f32 {
        let ends = |axis: &[Interpolation; CELL]| [axis[0].0, axis[0].1, axis[CELL - 1].1];
        let columns = ends(&nodes.columns);
        let rows = ends(&nodes.rows).map(|row| row * self.region.width);
        let all = rows
            .into_iter()
            .flat_map(|row| columns.map(|column| self.expected_error[row + column][0]));
        // Interpolation rounds; errors are never negative.
        all.fold(f32::MAX, f32::min) * (1.0 - 1e-5)
    }

    /// Returns whether a cell, given by its node and upper left pixel, projects so deep into the
    /// other frame's hole that none of its pixels is a source.
    pub fn is_occluded(&self, node: usize, x: usize, y: usize) -> bool {
        let [u, v] = self.displacement[node];
        self.target()
            .lacks_sources_near(x as f32 + CELL_CENTRE + u, y as f32 + CELL_CENTRE + v)
    }
}

/// Two nodes around a pixel on one axis, and the weight of the second.
type Interpolation = (usize, usize, f32);

/// The nodes of a region around the pixels of one of its cells.
pub struct CellNodes {
    columns: [Interpolation; CELL],
    rows: [Interpolation; CELL],
}

impl CellNodes {
    /// Interpolates a field over the region's nodes bilinearly at each pixel, first along rows.
    fn interpolate<const C: usize>(
        &self,
        field: &[[f32; C]],
        width: usize,
    ) -> [[f32; C]; CELL_PIXELS] {
        let line = |row: usize| -> [[f32; C]; CELL] {
            let row = &field[row * width..][..width];
            self.columns.map(|(x0, x1, u)| {
                let (a, b) = (&row[x0], &row[x1]);
                std::array::from_fn(|i| a[i] + u * (b[i] - a[i]))
            })
        };
        let mut out = [[0.0; C]; CELL_PIXELS];
        // The pixels above the node have the same two rows around them, and so have those below.
        for half in 0..2 {
            let (y0, y1, _) = self.rows[half * CELL / 2];
            let (above, below) = (line(y0), line(y1));
            for row in half * CELL / 2..(half + 1) * CELL / 2 {
                let v = self.rows[row].2;
                for ((out, a), b) in out[row * CELL..].iter_mut().zip(&above).zip(&below) {
                    *out = std::array::from_fn(|i| a[i] + v * (b[i] - a[i]));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use super::*;
    use crate::{
        Frame, Mask,
        classical::{
            effort::Effort,
            fields::grid::bilinear,
            hole::{region, source_map::SourceMap},
        },
        effort::Tier,
    };

    #[test]
    fn the_pixels_of_a_cell_are_interpolated_as_each_on_its_own() {
        for (width, height) in [(1, 1), (5, 1), (6, 4)] {
            let field: Vec<[f32; 2]> = (0..width * height)
                .map(|i| [(i * i % 11) as f32 * 0.37, i as f32 * 1.3 - 2.0])
                .collect();
            for node in 0..width * height {
                let (column, row) = (node % width, node / width);
                let axis = |node: usize, nodes: usize| {
                    std::array::from_fn(|p| interpolation_nodes((node * CELL + p) as f32, nodes))
                };
                let nodes = CellNodes {
                    columns: axis(column, width),
                    rows: axis(row, height),
                };
                let all = nodes.interpolate(&field, width);
                for (p, value) in all.into_iter().enumerate() {
                    let x = (column * CELL + p % CELL) as f32;
                    let y = (row * CELL + p / CELL) as f32;
                    let at = |x: usize, y: usize| field[y * width + x];
                    assert_eq!(value, bilinear((width, height), x, y, at));
                }
            }
        }
    }

    #[test]
    fn no_expected_error_is_below_the_bound_of_its_cell() {
        let (width, height) = (48, 40);
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(12, 12, 20, 16);
        let source_map = SourceMap::new(&hole).map(Arc::new);
        let frame = Frame::new(width, height, vec![0; 3 * width * height]);
        let frames = VecDeque::from([WindowFrame::new(frame, source_map)]);
        let context = FillContext {
            frames: &frames,
            current: 0,
            hole: &hole,
            picture: None,
            effort: &Effort::new(Tier::Full, None),
        };
        let region = &region::split(&hole)[0];
        let mut trajectory = Trajectory::new(region, &context, TemporalDirection::Past);
        for (i, error) in trajectory.expected_error.iter_mut().enumerate() {
            *error = [(i.wrapping_mul(2_654_435_761) >> 9) as f32 % 977.0 / 31.0];
        }
        for &node in &region.cells {
            let nodes = trajectory.around(node as usize);
            let least = trajectory.least_expected_error(&nodes);
            let errors = trajectory.expected_errors(&nodes);
            assert!(errors.iter().all(|[error]| *error >= least), "{node}");
        }
    }
}
