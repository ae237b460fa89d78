//! How far a hole reaches: what of a frame is looked at and kept for its sake.

use std::sync::Arc;

use crate::{
    Mask,
    classical::{
        fields::grid::CELL,
        hole::{region, source_map::SourceMap},
        motion::flow,
        spatial::exemplar,
    },
};

/// What the engine keeps and does for a hole, in numbers; nothing without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoleFootprint {
    /// Bytes of what is kept of the picture's places near it.
    pub source_map_bytes: u64,
    /// Nodes of the flow that are measured, and those that are kept, in one direction.
    pub measured_nodes: u64,
    pub stored_nodes: u64,
    /// Pixels of the cells that it touches.
    pub cell_pixels: u64,
    /// Pixels of its pieces' rectangles.
    pub region_pixels: u64,
    /// Pixels of them and of what they are filled from where no frame shows what they hide.
    pub surrounding_pixels: u64,
}

impl HoleFootprint {
    /// The larger of both in each.
    pub fn union(&self, other: &Self) -> Self {
        Self {
            source_map_bytes: self.source_map_bytes.max(other.source_map_bytes),
            measured_nodes: self.measured_nodes.max(other.measured_nodes),
            stored_nodes: self.stored_nodes.max(other.stored_nodes),
            cell_pixels: self.cell_pixels.max(other.cell_pixels),
            region_pixels: self.region_pixels.max(other.region_pixels),
            surrounding_pixels: self.surrounding_pixels.max(other.surrounding_pixels),
        }
    }
}

/// A hole, and what is known of it; the same one need not be looked at again.
pub struct AnalysedHole {
    hole: Mask,
    source_map: Option<Arc<SourceMap>>,
    footprint: HoleFootprint,
}

impl AnalysedHole {
    pub fn new(hole: Mask) -> Self {
        let source_map = SourceMap::new(&hole);
        let footprint = source_map.as_ref().map(|source_map| {
            let size = (hole.width(), hole.height());
            let (measured_nodes, stored_nodes) = flow::node_counts(source_map, size);
            let mut footprint = HoleFootprint {
                source_map_bytes: source_map.bytes(),
                measured_nodes,
                stored_nodes,
                ..HoleFootprint::default()
            };
            for region in region::split(&hole) {
                let (width, height) = (region.width * CELL, region.height * CELL);
                footprint.cell_pixels += (region.cells.len() * CELL * CELL) as u64;
                footprint.region_pixels += (width * height) as u64;
                footprint.surrounding_pixels +=
                    exemplar::working_pixels(&region.bounds(), size) as u64;
            }
            footprint
        });
        Self {
            source_map: source_map.map(Arc::new),
            hole,
            footprint: footprint.unwrap_or_default(),
        }
    }

    pub fn matches(&self, hole: &Mask) -> bool {
        self.hole == *hole
    }

    pub fn source_map(&self) -> Option<Arc<SourceMap>> {
        self.source_map.clone()
    }

    pub fn footprint(&self) -> &HoleFootprint {
        &self.footprint
    }
}
