//! Finds where the pixels of a hole come from: the surroundings' motion is followed into the
//! past and the future, frame by frame, until the pixels come to lie on known picture.

use std::sync::OnceLock;

use super::{
    alignment::Ring,
    source::{NOWHERE, PIXELS, Source, Window},
    trajectory::{Direction, Walk},
};
use crate::{
    Cancel, Error, Mask,
    classical::{fields::grid::CELL, hole::region::Region},
};

/// Sources of more expected error, in levels of 255, are none: a fill from around looks better.
const POOR: f32 = 16.0;
/// The surroundings are compared anew after this share of the distance.
const SPACING: usize = 4;
/// Frames of distance that a level of expected error weighs.
const LEVEL: f32 = 0.6;

/// Sources of a region's cells, 16 per cell, row by row; pixels outside the hole and pixels
/// no frame shows have none.
pub fn sources(
    window: &Window,
    region: &Region,
    cancel: &Cancel,
) -> Result<Vec<[Source; PIXELS]>, Error> {
    let held = window.held();
    let mut out = vec![[NOWHERE; PIXELS]; region.cells.len()];
    let ring = OnceLock::new();
    let ring = || ring.get_or_init(|| Ring::new(region, held));
    let mut open: Vec<Cell> = (0..out.len())
        .map(|slot| Cell::new(region, slot, window.hole))
        .collect();
    let mut past = Walk::new(region, window, Direction::Past);
    let mut future = Walk::new(region, window, Direction::Future);
    let mut anchors = Vec::new();
    let mut distance = 0;
    while !open.is_empty() && (past.alive() || future.alive()) {
        cancel.check()?;
        distance += 1;
        let advance = |walk: &mut Walk| {
            let moved = walk.step();
            let due = distance - walk.aligned() >= (distance / SPACING).max(1);
            if moved && due && open.iter().any(|cell| cell.newly_shown(walk)) {
                walk.align(ring(), distance);
            }
            moved
        };
        let moved = rayon::join(|| advance(&mut past), || advance(&mut future));
        for (walk, moved) in [(&mut past, moved.0), (&mut future, moved.1)] {
            if moved {
                walk.assess();
                let cells = open.iter_mut();
                cells.for_each(|cell| cell.claim(walk, distance, &mut out[cell.slot]));
            }
        }
        if past.alive() && distance.is_power_of_two() {
            anchors.push(past.clone());
        }
        open.retain(|cell| cell.dearest > distance as f32);
    }
    // What no frame shows: from an old fill, or the last one.
    open.retain(|cell| cell.dearest.is_infinite());
    while let (Some(mut anchor), false) = (anchors.pop(), open.is_empty()) {
        cancel.check()?;
        anchor.align(ring(), distance);
        anchor.assess();
        // An old fill spares a resampling every frame, but only where all is calm; the frame
        // before is better than nothing, unless it shows quite another thing.
        let most = if anchors.is_empty() {
            2.0 * POOR
        } else {
            0.3 * POOR
        };
        for cell in &mut open {
            cell.inherit(&anchor, most, &mut out[cell.slot]);
        }
        open.retain(|cell| cell.dearest.is_infinite());
    }
    Ok(out)
}

/// A cell of the hole with pixels that still want a source, or a better one.
struct Cell {
    slot: usize,
    node: usize,
    /// Upper left pixel.
    x: usize,
    y: usize,
    /// Bits of the pixels that are in the hole.
    wanted: u32,
    /// Bits of those without a source.
    lacking: u32,
    /// Highest cost of a wanted pixel.
    dearest: f32,
}

impl Cell {
    fn new(region: &Region, slot: usize, hole: &Mask) -> Self {
        let node = region.cells[slot];
        let (x, y) = region.corner(node);
        let wanted = (0..PIXELS).fold(0, |bits, p| {
            let at = (y + p / CELL) * hole.width() + x + p % CELL;
            bits | u32::from(hole.hole()[at]) << p
        });
        Self {
            slot,
            node: node as usize,
            x,
            y,
            wanted,
            lacking: wanted,
            dearest: f32::INFINITY,
        }
    }

    fn pixel(&self, p: usize) -> (f32, f32) {
        ((self.x + p % CELL) as f32, (self.y + p / CELL) as f32)
    }

    /// Whether any pixel without a source comes to lie on known picture.
    fn newly_shown(&self, walk: &Walk) -> bool {
        self.lacking != 0
            && !walk.buried(self.node, self.x, self.y)
            && (0..PIXELS).any(|p| {
                let (x, y) = walk.place(self.pixel(p));
                self.lacking >> p & 1 == 1 && walk.there().shows(x, y)
            })
    }

    /// Takes the pixels that show where the walk is and were dearer so far.
    fn claim(&mut self, walk: &Walk, distance: usize, out: &mut [Source; PIXELS]) {
        if walk.buried(self.node, self.x, self.y) {
            return;
        }
        for (p, source) in out.iter_mut().enumerate() {
            if self.wanted >> p & 1 == 0 || source.cost <= distance as f32 {
                continue;
            }
            let (x, y) = walk.place(self.pixel(p));
            if walk.there().shows(x, y) {
                let risk = walk.risk(self.pixel(p));
                let cost = distance as f32 + LEVEL * risk;
                if risk < POOR && cost < source.cost {
                    *source = self.source(walk, p, cost);
                }
            }
        }
        self.count(out);
    }

    /// Takes what the final frame reached shows, fill or not, up to an expected error.
    fn inherit(&mut self, walk: &Walk, most: f32, out: &mut [Source; PIXELS]) {
        for (p, source) in out.iter_mut().enumerate() {
            if self.lacking >> p & 1 == 0 {
                continue;
            }
            let (x, y) = walk.place(self.pixel(p));
            if walk.risk(self.pixel(p)) < most && walk.there().covers(x, y) {
                *source = self.source(walk, p, f32::MAX);
            }
        }
        self.count(out);
    }

    fn source(&self, walk: &Walk, p: usize, cost: f32) -> Source {
        let (x, y) = walk.place(self.pixel(p));
        Source {
            frame: walk.frame(),
            x,
            y,
            colour: walk.colour(self.pixel(p)),
            cost,
        }
    }

    fn count(&mut self, out: &[Source; PIXELS]) {
        self.dearest = 0.0;
        self.lacking = 0;
        for (p, source) in out.iter().enumerate() {
            if self.wanted >> p & 1 == 1 {
                self.dearest = self.dearest.max(source.cost);
                self.lacking |= u32::from(source.cost.is_infinite()) << p;
            }
        }
    }
}
