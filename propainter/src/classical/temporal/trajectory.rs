//! The trajectory of a region's surroundings through the frames in one temporal direction.

use super::{alignment::BoundaryPatches, source::FillContext};
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
        self.frame = next;
        true
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

    /// Maps a pixel of the frame being filled to its position in the frame reached.
    pub fn project(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let [u, v] = self.interpolate(&self.displacement, x, y);
        (x + u, y + v)
    }

    /// Returns the offset to add to the colour at a pixel's projected position.
    pub fn colour_offset(&self, (x, y): (f32, f32)) -> [f32; 3] {
        self.interpolate(&self.colour_offset, x, y)
    }

    /// Returns the expected error at a pixel, in levels of 255.
    pub fn expected_error(&self, (x, y): (f32, f32)) -> f32 {
        self.interpolate(&self.expected_error, x, y)[0]
    }

    /// Interpolates a field over the region's nodes bilinearly at a pixel position.
    fn interpolate<const C: usize>(&self, field: &[[f32; C]], x: f32, y: f32) -> [f32; C] {
        let (x, y) = (
            x - (self.region.x * CELL) as f32,
            y - (self.region.y * CELL) as f32,
        );
        let (x0, x1, u) = interpolation_nodes(x, self.region.width);
        let (y0, y1, v) = interpolation_nodes(y, self.region.height);
        let (top, bottom) = (y0 * self.region.width, y1 * self.region.width);
        let (a, b) = (&field[top + x0], &field[top + x1]);
        let (c, d) = (&field[bottom + x0], &field[bottom + x1]);
        std::array::from_fn(|i| {
            let above = a[i] + u * (b[i] - a[i]);
            let below = c[i] + u * (d[i] - c[i]);
            above + v * (below - above)
        })
    }

    /// Returns whether a cell, given by its node and upper left pixel, projects so deep into the
    /// other frame's hole that none of its pixels is a source.
    pub fn is_occluded(&self, node: usize, x: usize, y: usize) -> bool {
        let [u, v] = self.displacement[node];
        self.target()
            .lacks_sources_near(x as f32 + CELL_CENTRE + u, y as f32 + CELL_CENTRE + v)
    }
}
