//! What a session will process and hold, told before it is opened.

use super::{
    config::{Config, CropMode},
    crops::{MAX_CROPS, bounding_boxes, lay_out},
};
use crate::{
    Mask,
    classical::{AnalysedHole, Frames},
    resize,
};

/// Returns the processing size, (width, height), of each view in which a session of this
/// configuration sees a frame with this mask.
pub fn view_sizes(config: &Config, mask: &Mask) -> Vec<(usize, usize)> {
    let size = (config.width, config.height);
    let wanted = (config.processing_width, config.processing_height);
    match config.crop_mode {
        CropMode::Whole => vec![resize::processing_size(size, wanted, config.resize_ratio)],
        CropMode::Crops => lay_out(config, &bounding_boxes(mask), MAX_CROPS)
            .into_iter()
            .map(|placed| placed.crop.processing)
            .collect(),
    }
}

/// Returns the most bytes of host memory that the classical engine takes for whole frames with this
/// mask, whatever the budget.
pub fn classical_bytes(config: &Config, mask: &Mask) -> u64 {
    let size = (config.width, config.height);
    let wanted = (config.processing_width, config.processing_height);
    let (width, height) = resize::processing_size(size, wanted, config.resize_ratio);
    let source = (config.width * config.height) as u64;
    let scaled = (width, height) != size;
    let hole = mask.resized(width, height).dilated(config.hole_growth());
    let frames = Frames {
        width: width as u64,
        height: height as u64,
        source,
        scaled,
        kept: if scaled { 3 * source } else { 0 },
        fades: false,
        outside: config.limits.outside,
    };
    frames.needs(
        config.classical_window(),
        AnalysedHole::new(hole).footprint(),
    )
}
