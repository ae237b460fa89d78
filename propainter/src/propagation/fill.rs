//! Fills one region of one frame from its neighbours in time: the surroundings' motion is
//! followed frame by frame until the hole's pixels come to lie on known picture.

use std::{cell::OnceCell, collections::VecDeque};

use super::{
    align::Ring,
    flow::position,
    grid::{CELL, Flow, span},
    held::Held,
    region::Region,
};
use crate::{Cancel, Error};

/// What full doubt about a source and a pixel of stray on the way add to the error to be
/// expected, in levels of 255; measured on films whose hole was known.
const DOUBT: f32 = 40.0;
const STRAY: f32 = 0.6;
/// Sources of more expected error are none: a fill from around looks better.
const POOR: f32 = 16.0;
/// Frames of distance that a level of expected error weighs.
const LEVEL: f32 = 0.6;
const PIXELS: usize = CELL * CELL;

/// Where a pixel of the hole comes from.
#[derive(Clone, Copy)]
pub struct Source {
    /// Index in the window.
    pub frame: usize,
    pub x: f32,
    pub y: f32,
    /// What to add to the colour found there.
    pub colour: [f32; 3],
    /// Distance in frames and doubt; infinite where there is no source.
    pub cost: f32,
}

const NOWHERE: Source = Source {
    frame: 0,
    x: 0.0,
    y: 0.0,
    colour: [0.0; 3],
    cost: f32::INFINITY,
};

impl Source {
    /// Whether this is an earlier fill rather than a frame that shows the place.
    pub fn inherited(&self) -> bool {
        self.cost == f32::MAX
    }
}

/// The window around the frame being filled.
pub struct Window<'a> {
    pub frames: &'a VecDeque<Held>,
    /// The frame being filled.
    pub now: usize,
}

/// Sources of a region's cells, 16 per cell, row by row; pixels outside the hole and pixels
/// no frame shows have none.
pub fn sources(
    window: &Window,
    region: &Region,
    cancel: &Cancel,
) -> Result<Vec<[Source; PIXELS]>, Error> {
    let held = &window.frames[window.now];
    let ring = OnceCell::new();
    let ring = || -> &Ring {
        ring.get_or_init(|| {
            let level = held
                .pyramid
                .as_ref()
                .expect("a hole's frame has been looked at")
                .finest();
            Ring::new(region, &held.frame, level)
        })
    };
    let mut out = vec![[NOWHERE; PIXELS]; region.cells.len()];
    let mut open: Vec<usize> = (0..region.cells.len()).collect();
    let mut walks = [
        Walk::new(region, window, true),
        Walk::new(region, window, false),
    ];
    let mut anchors = Vec::new();
    let mut distance = 0;
    while !open.is_empty() && walks.iter().any(|walk| walk.alive) {
        cancel.check()?;
        distance += 1;
        for walk in &mut walks {
            if !walk.step() {
                continue;
            }
            if walk.reaches(&open, &out) {
                if distance - walk.aligned >= (distance / 5).max(1) {
                    walk.align(ring());
                    walk.aligned = distance;
                }
                walk.assess();
                for &cell in &open {
                    walk.claim(cell, distance, &mut out[cell]);
                }
            }
            if walk.past && distance.is_power_of_two() {
                anchors.push(Anchor {
                    frame: walk.frame,
                    map: walk.map.clone(),
                    stray: walk.stray.clone(),
                });
            }
        }
        open.retain(|&cell| {
            let wanted = walks[0].wanted(cell);
            (0..PIXELS).any(|p| wanted >> p & 1 == 1 && out[cell][p].cost > distance as f32)
        });
    }
    for anchor in anchors.iter().rev() {
        if open.is_empty() {
            break;
        }
        let mut walk = Walk::new(region, window, true);
        walk.frame = anchor.frame;
        walk.map.clone_from(&anchor.map);
        walk.stray.clone_from(&anchor.stray);
        walk.align(ring());
        walk.assess();
        open.retain(|&cell| walk.inherit(cell, &mut out[cell]));
    }
    Ok(out)
}

/// A chain of flows to an earlier final frame.
struct Anchor {
    frame: usize,
    map: Vec<[f32; 2]>,
    stray: Vec<f32>,
}

/// The region's nodes on their way through the frames of one direction.
struct Walk<'a> {
    region: &'a Region,
    window: &'a Window<'a>,
    past: bool,
    /// The frame reached.
    frame: usize,
    /// Displacement of each node from the frame being filled to the frame reached.
    map: Vec<[f32; 2]>,
    colour: Vec<[f32; 3]>,
    doubt: Vec<[f32; 1]>,
    /// By how many pixels, over all steps, the way back did not lead home.
    stray: Vec<f32>,
    /// Error to be expected of what is taken from here, in levels of 255.
    risk: Vec<[f32; 1]>,
    alive: bool,
    /// Distance at which the surroundings were last compared.
    aligned: usize,
}

impl<'a> Walk<'a> {
    fn new(region: &'a Region, window: &'a Window<'a>, past: bool) -> Self {
        let nodes = region.width * region.height;
        Self {
            region,
            window,
            past,
            frame: window.now,
            map: vec![[0.0; 2]; nodes],
            colour: vec![[0.0; 3]; nodes],
            doubt: vec![[0.0]; nodes],
            stray: vec![0.0; nodes],
            risk: vec![[0.0]; nodes],
            alive: true,
            aligned: 0,
        }
    }

    /// One frame further; false at the end of the window or scene, or where flow ends because
    /// there was no hole any more.
    fn step(&mut self) -> bool {
        let frames = self.window.frames;
        let here = &frames[self.frame];
        let (flow, next): (Option<&Flow>, _) = if self.past {
            (
                here.backward.as_ref().filter(|_| !here.cut),
                self.frame.checked_sub(1),
            )
        } else {
            let next = self.frame + 1;
            let open = frames.get(next).is_some_and(|next| !next.cut);
            (here.forward.as_ref().filter(|_| open), Some(next))
        };
        let (Some(flow), Some(next), true) = (flow, next, self.alive) else {
            self.alive = false;
            return false;
        };
        let back = if self.past {
            frames[next].forward.as_ref()
        } else {
            frames[next].backward.as_ref()
        };
        let (left, top) = ((self.region.x * CELL) as f32, (self.region.y * CELL) as f32);
        for (i, (map, stray)) in self.map.iter_mut().zip(&mut self.stray).enumerate() {
            let (x, y) = position(i, self.region.width);
            let (x, y) = (x + left, y + top);
            let [u, v] = flow.sample(x + map[0], y + map[1]);
            map[0] += u;
            map[1] += v;
            if let Some(back) = back {
                let [bu, bv] = back.sample(x + map[0], y + map[1]);
                *stray += (u + bu).abs() + (v + bv).abs();
            }
        }
        self.frame = next;
        true
    }

    fn align(&mut self, ring: &Ring) {
        let there = self.there();
        let Some(pyramid) = &there.pyramid else {
            return;
        };
        let Some(found) = ring.align(&self.map, &there.frame, pyramid.finest()) else {
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

    /// Bits of the cell's pixels that are in the hole.
    fn wanted(&self, cell: usize) -> u32 {
        let hole = &self.window.frames[self.window.now].hole;
        let (x, y) = self.region.corner(self.region.cells[cell]);
        (0..PIXELS).fold(0, |bits, p| {
            let at = (y + p / CELL) * hole.width() + x + p % CELL;
            bits | u32::from(hole.hole()[at]) << p
        })
    }

    /// Where a pixel of a cell comes to lie.
    fn place(&self, cell: usize, pixel: usize) -> (f32, f32) {
        let (x, y) = self.region.corner(self.region.cells[cell]);
        let (x, y) = ((x + pixel % CELL) as f32, (y + pixel / CELL) as f32);
        let [u, v] = self.blend(&self.map, x, y);
        (x + u, y + v)
    }

    fn blend<const C: usize>(&self, field: &[[f32; C]], x: f32, y: f32) -> [f32; C] {
        let (x, y) = (
            x - (self.region.x * CELL) as f32,
            y - (self.region.y * CELL) as f32,
        );
        let (x0, x1, u) = span(x, self.region.width);
        let (y0, y1, v) = span(y, self.region.height);
        let (top, bottom) = (y0 * self.region.width, y1 * self.region.width);
        std::array::from_fn(|c| {
            let a = field[top + x0][c] + u * (field[top + x1][c] - field[top + x0][c]);
            let b = field[bottom + x0][c] + u * (field[bottom + x1][c] - field[bottom + x0][c]);
            a + v * (b - a)
        })
    }

    fn there(&self) -> &Held {
        &self.window.frames[self.frame]
    }

    /// Whether the middle of a cell is so deep in the other frame's hole that no pixel shows.
    fn buried(&self, cell: usize) -> bool {
        let there = self.there();
        let Some(usable) = &there.usable else {
            return false;
        };
        let node = self.region.cells[cell] as usize;
        let (x, y) = self.region.corner(node as u32);
        let at = |t: f32, side: usize| ((t.max(0.0) as usize) / CELL).min(side / CELL - 1);
        let column = at(x as f32 + 1.5 + self.map[node][0], there.frame.width());
        let row = at(y as f32 + 1.5 + self.map[node][1], there.frame.height());
        usable.blocked[row * (there.frame.width() / CELL) + column]
    }

    fn assess(&mut self) {
        for ((risk, doubt), stray) in self.risk.iter_mut().zip(&self.doubt).zip(&self.stray) {
            *risk = [DOUBT * doubt[0] + STRAY * stray];
        }
    }

    fn risk(&self, cell: usize, pixel: usize) -> f32 {
        let (x, y) = self.region.corner(self.region.cells[cell]);
        let (x, y) = ((x + pixel % CELL) as f32, (y + pixel / CELL) as f32);
        self.blend(&self.risk, x, y)[0]
    }

    /// Whether any open pixel comes to lie on known picture.
    fn reaches(&self, open: &[usize], out: &[[Source; PIXELS]]) -> bool {
        open.iter().any(|&cell| {
            if self.buried(cell) {
                return false;
            }
            let wanted = self.wanted(cell);
            (0..PIXELS).any(|p| {
                let (x, y) = self.place(cell, p);
                wanted >> p & 1 == 1 && out[cell][p].cost.is_infinite() && self.there().shows(x, y)
            })
        })
    }

    /// Takes the cell's pixels that show here and were dearer so far.
    fn claim(&self, cell: usize, distance: usize, out: &mut [Source; PIXELS]) {
        if self.buried(cell) {
            return;
        }
        let wanted = self.wanted(cell);
        for (p, source) in out.iter_mut().enumerate() {
            if wanted >> p & 1 == 0 || source.cost <= distance as f32 {
                continue;
            }
            let (x, y) = self.place(cell, p);
            let risk = self.risk(cell, p);
            let cost = distance as f32 + LEVEL * risk;
            if risk < POOR && cost < source.cost && self.there().shows(x, y) {
                *source = self.source(cell, p, x, y, cost);
            }
        }
    }

    /// Takes what an earlier fill put there; true while the cell still lacks pixels.
    fn inherit(&self, cell: usize, out: &mut [Source; PIXELS]) -> bool {
        // An old fill spares a resampling every frame, but only where all is calm; the frame
        // before is better than nothing, unless it shows quite another thing.
        let near = self.window.now - self.frame == 1;
        let most = if near { 2.0 * POOR } else { 0.3 * POOR };
        let wanted = self.wanted(cell);
        let mut lacking = false;
        for (p, source) in out.iter_mut().enumerate() {
            if wanted >> p & 1 == 0 || source.cost.is_finite() {
                continue;
            }
            let (x, y) = self.place(cell, p);
            if self.risk(cell, p) < most && self.there().pixel(x, y).is_some() {
                *source = self.source(cell, p, x, y, f32::MAX);
            } else {
                lacking = true;
            }
        }
        lacking
    }

    fn source(&self, cell: usize, p: usize, x: f32, y: f32, cost: f32) -> Source {
        let (px, py) = self.region.corner(self.region.cells[cell]);
        let at = ((px + p % CELL) as f32, (py + p / CELL) as f32);
        Source {
            frame: self.frame,
            x,
            y,
            colour: self.blend(&self.colour, at.0, at.1),
            cost,
        }
    }
}
