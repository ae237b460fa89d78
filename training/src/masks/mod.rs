//! Random holes: those of the official training, and some that look like what is removed from
//! broadcasts (spec: training, section 2).

mod broadcast;
mod canvas;
mod glyphs;
mod mixture;
mod motion;
mod official;

pub use mixture::{Mixture, MixtureError, Style};
pub use official::official;

/// The holes of a clip: for each frame a row-major picture of 0 and 1.
pub type Holes = Vec<Vec<u8>>;

/// Returns whether a hole is neither empty nor everything. Others have no losses.
pub fn is_partial(hole: &[u8]) -> bool {
    let first = hole.first();
    hole.iter().any(|pixel| Some(pixel) != first)
}
