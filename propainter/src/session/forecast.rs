//! What a session will process and hold, told before it is opened.

use super::{
    canvas::Canvas,
    config::{Config, CropMode},
    crops::{MAX_CROPS, bounding_boxes, lay_out},
};
use crate::{
    Mask,
    classical::{AnalysedHole, Frames},
};

/// A part of a frame that is seen: its size, and the size at which it is processed, (width, height).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Pixels of the frame.
    pub size: (usize, usize),
    /// Pixels that the engine processes.
    pub processing: (usize, usize),
}

/// Returns the parts in which a session of this configuration sees a frame with this mask.
pub fn views(config: &Config, mask: &Mask) -> Vec<Seen> {
    match config.crop_mode {
        CropMode::Whole => vec![Seen {
            size: (config.width, config.height),
            processing: config.processing_size(),
        }],
        CropMode::Crops => lay_out(config, &bounding_boxes(mask), MAX_CROPS)
            .into_iter()
            .map(|placed| Seen {
                size: (placed.crop.rect.columns.len(), placed.crop.rect.rows.len()),
                processing: placed.crop.processing,
            })
            .collect(),
    }
}

/// Returns the most bytes of host memory that the classical engine takes for whole frames with this
/// mask, whatever the budget.
pub fn classical_bytes(config: &Config, mask: &Mask) -> u64 {
    let (width, height) = config.processing_size();
    let canvas = Canvas::of(config);
    let size = canvas.size();
    let source = (size.0 * size.1) as u64;
    let scaled = (width, height) != size;
    let hole = canvas.hole(mask, config.hole_growth(), (width, height));
    let frames = Frames {
        width: width as u64,
        height: height as u64,
        source,
        scaled,
        kept: if scaled { 3 * source } else { 0 },
        fades: false,
        border: !config.border.is_empty(),
        outside: config.limits.outside,
    };
    frames.needs(
        config.classical_window(),
        AnalysedHole::new(hole).footprint(),
    )
}
