//! How far a hole reaches: what of a frame is looked at and kept for its sake.

use std::sync::Arc;

use crate::{
    Mask,
    classical::{
        fields::grid::CELL,
        hole::{region, source_map::Usable},
        motion::flow,
        spatial::exemplar,
    },
};

/// What the engine keeps and does for a hole, in numbers; nothing without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Bytes of what is kept of the picture's places near it.
    pub near: u64,
    /// Nodes of the flow that are measured, and those that are kept, in one direction.
    pub measured: u64,
    pub nodes: u64,
    /// Pixels of the cells that it touches.
    pub cells: u64,
    /// Pixels of its pieces' rectangles.
    pub pieces: u64,
    /// Pixels of them and of what they are filled from where no frame shows what they hide.
    pub around: u64,
}

impl Reach {
    /// The larger of both in each.
    pub fn union(&self, other: &Self) -> Self {
        Self {
            near: self.near.max(other.near),
            measured: self.measured.max(other.measured),
            nodes: self.nodes.max(other.nodes),
            cells: self.cells.max(other.cells),
            pieces: self.pieces.max(other.pieces),
            around: self.around.max(other.around),
        }
    }
}

/// A hole, and what is known of it; the same one need not be looked at again.
pub struct Seen {
    hole: Mask,
    usable: Option<Arc<Usable>>,
    reach: Reach,
}

impl Seen {
    pub fn new(hole: Mask) -> Self {
        let usable = Usable::new(&hole);
        let reach = usable.as_ref().map(|usable| {
            let size = (hole.width(), hole.height());
            let (measured, nodes) = flow::nodes(usable, size);
            let mut reach = Reach {
                near: usable.bytes(),
                measured,
                nodes,
                ..Reach::default()
            };
            for region in region::split(&hole) {
                let (width, height) = (region.width * CELL, region.height * CELL);
                reach.cells += (region.cells.len() * CELL * CELL) as u64;
                reach.pieces += (width * height) as u64;
                reach.around += exemplar::pixels(&region.area(), size) as u64;
            }
            reach
        });
        Self {
            usable: usable.map(Arc::new),
            hole,
            reach: reach.unwrap_or_default(),
        }
    }

    pub fn is_of(&self, hole: &Mask) -> bool {
        self.hole == *hole
    }

    pub fn usable(&self) -> Option<Arc<Usable>> {
        self.usable.clone()
    }

    pub fn reach(&self) -> &Reach {
        &self.reach
    }
}
