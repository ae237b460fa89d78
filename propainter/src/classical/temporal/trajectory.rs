//! A region's surroundings on their way through the frames of one direction.

use super::{alignment::Ring, source::Window};
use crate::classical::{
    fields::{
        flow_field::KeptFlow,
        grid::{CELL, MIDDLE, position, span},
    },
    hole::region::Region,
    window::frame::Held,
};

/// What full doubt about a source and a pixel of stray on the way add to the error to be
/// expected, in levels of 255; measured on films whose hole was known.
const DOUBT: f32 = 40.0;
const STRAY: f32 = 0.6;

#[derive(Clone, Copy, PartialEq)]
pub enum Direction {
    Past,
    Future,
}

/// Where a region's nodes are in the frame reached, and how well it fits there.
#[derive(Clone)]
pub struct Walk<'a> {
    region: &'a Region,
    window: &'a Window<'a>,
    direction: Direction,
    frame: usize,
    alive: bool,
    /// Distance at which the surroundings were last compared.
    aligned: usize,
    /// Displacement of each node from the frame being filled to the frame reached.
    map: Vec<[f32; 2]>,
    colour: Vec<[f32; 3]>,
    doubt: Vec<[f32; 1]>,
    /// By how many pixels, over all steps, the way back did not lead home.
    stray: Vec<f32>,
    /// Error to be expected of what is taken from here, in levels of 255.
    risk: Vec<[f32; 1]>,
}

impl<'a> Walk<'a> {
    pub fn new(region: &'a Region, window: &'a Window<'a>, direction: Direction) -> Self {
        let nodes = region.width * region.height;
        Self {
            region,
            window,
            direction,
            frame: window.now,
            alive: true,
            aligned: 0,
            map: vec![[0.0; 2]; nodes],
            colour: vec![[0.0; 3]; nodes],
            doubt: vec![[0.0]; nodes],
            stray: vec![0.0; nodes],
            risk: vec![[0.0]; nodes],
        }
    }

    /// Whether the last step led somewhere.
    pub fn alive(&self) -> bool {
        self.alive
    }

    pub fn aligned(&self) -> usize {
        self.aligned
    }

    /// Index in the window of the frame reached.
    pub fn frame(&self) -> usize {
        self.frame
    }

    pub fn there(&self) -> &'a Held {
        &self.window.frames[self.frame]
    }

    /// One frame further; false at the end of the window or scene, or where flow ends because
    /// there was no hole any more.
    pub fn step(&mut self) -> bool {
        let Some((next, flow)) = self.ahead().filter(|_| self.alive) else {
            self.alive = false;
            return false;
        };
        for (i, (map, stray)) in self.map.iter_mut().zip(&mut self.stray).enumerate() {
            let (x, y) = position(i, self.region.width);
            let (x, y) = (
                x + (self.region.x * CELL) as f32,
                y + (self.region.y * CELL) as f32,
            );
            let [u, v, miss] = flow.sample_with_miss(x + map[0], y + map[1]);
            map[0] += u;
            map[1] += v;
            *stray += miss;
        }
        self.frame = next;
        true
    }

    /// The next frame and the flow to it.
    fn ahead(&self) -> Option<(usize, &'a KeptFlow)> {
        let frames = self.window.frames;
        let here = &frames[self.frame];
        match self.direction {
            Direction::Past if here.cut => None,
            Direction::Past => Some((self.frame.checked_sub(1)?, here.backward.as_ref()?)),
            Direction::Future => {
                let next = self.frame + 1;
                frames.get(next).filter(|there| !there.cut)?;
                Some((next, here.forward.as_ref()?))
            }
        }
    }

    /// Compares the surroundings with the frame reached, at `distance` steps.
    pub fn align(&mut self, ring: &Ring, distance: usize) {
        self.aligned = distance;
        if ring.is_empty() {
            return;
        }
        let Some(found) = ring.align(&self.map, self.there()) else {
            self.doubt.fill([1.0]);
            return;
        };
        for (map, shift) in self.map.iter_mut().zip(&found.shift) {
            map[0] += shift[0];
            map[1] += shift[1];
        }
        self.colour = found.colour;
        self.doubt = found.doubt;
    }

    /// Brings the risk up to date with the way so far.
    pub fn assess(&mut self) {
        for ((risk, doubt), stray) in self.risk.iter_mut().zip(&self.doubt).zip(&self.stray) {
            *risk = [DOUBT * doubt[0] + STRAY * stray];
        }
    }

    /// Where a pixel of the frame being filled comes to lie.
    pub fn place(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let [u, v] = self.blend(&self.map, x, y);
        (x + u, y + v)
    }

    /// What to add to the colour found at a pixel's place.
    pub fn colour(&self, (x, y): (f32, f32)) -> [f32; 3] {
        self.blend(&self.colour, x, y)
    }

    pub fn risk(&self, (x, y): (f32, f32)) -> f32 {
        self.blend(&self.risk, x, y)[0]
    }

    fn blend<const C: usize>(&self, field: &[[f32; C]], x: f32, y: f32) -> [f32; C] {
        let (x, y) = (
            x - (self.region.x * CELL) as f32,
            y - (self.region.y * CELL) as f32,
        );
        let (x0, x1, u) = span(x, self.region.width);
        let (y0, y1, v) = span(y, self.region.height);
        let (top, bottom) = (y0 * self.region.width, y1 * self.region.width);
        let (a, b) = (&field[top + x0], &field[top + x1]);
        let (c, d) = (&field[bottom + x0], &field[bottom + x1]);
        std::array::from_fn(|i| {
            let above = a[i] + u * (b[i] - a[i]);
            let below = c[i] + u * (d[i] - c[i]);
            above + v * (below - above)
        })
    }

    /// Whether a node, with its cell's corner at (x, y), is so deep in the other frame's hole
    /// that none of the cell's pixels shows.
    pub fn buried(&self, node: usize, x: usize, y: usize) -> bool {
        let [u, v] = self.map[node];
        self.there()
            .buries(x as f32 + MIDDLE + u, y as f32 + MIDDLE + v)
    }
}
