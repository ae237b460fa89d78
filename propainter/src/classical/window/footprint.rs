//! The footprint of a hole: how much of a frame is stored and processed because of it.

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

/// The sizes that the memory model needs of a hole; all zero without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoleFootprint {
    /// Bytes of the source map.
    pub source_map_bytes: u64,
    /// Flow nodes that are measured, in one direction.
    pub measured_nodes: u64,
    /// Flow nodes that are stored, in one direction.
    pub stored_nodes: u64,
    /// Pixels of the cells that the hole touches.
    pub cell_pixels: u64,
    /// Pixels of the regions' rectangles.
    pub region_pixels: u64,
    /// Pixels of the areas that the fill within a single frame works on.
    pub surrounding_pixels: u64,
}

impl HoleFootprint {
    /// Returns a size to which the time that the hole takes is about proportional: its nodes.
    pub fn nodes(&self) -> u32 {
        let nodes = self.measured_nodes + self.cell_pixels / (CELL * CELL) as u64;
        u32::try_from(nodes).unwrap_or(u32::MAX)
    }

    /// Returns the larger of both, field by field.
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

/// A hole with its source map and footprint, computed once while the hole stays the same.
pub struct AnalysedHole {
    hole: Mask,
    source_map: Option<Arc<SourceMap>>,
    footprint: HoleFootprint,
}

impl AnalysedHole {
    /// Analyses a hole.
    pub fn new(hole: Mask) -> Self {
        let source_map = SourceMap::new(&hole);
        let footprint = source_map.as_ref().map(|source_map| {
            let size = (hole.width(), hole.height());
            // Between a frame that shows nothing and any other, no flow is searched or stored.
            let (measured_nodes, stored_nodes) = match hole.hole().contains(&0) {
                true => flow::node_counts(source_map, size),
                false => (0, 0),
            };
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

    /// Returns whether this is the analysis of `hole`.
    pub fn matches(&self, hole: &Mask) -> bool {
        self.hole == *hole
    }

    /// Returns the source map, or `None` if the hole is empty.
    pub fn source_map(&self) -> Option<Arc<SourceMap>> {
        self.source_map.clone()
    }

    /// Returns the footprint.
    pub fn footprint(&self) -> &HoleFootprint {
        &self.footprint
    }
}
