//! The weights-free engine: flow-guided propagation (design section 7).
//!
//! A frame is final once half a sub-video of later frames is known, or the look-ahead where that
//! is bounded. Its hole is then filled,
//! piece by piece, from the nearest frames that show what it hides; what none shows comes from
//! earlier fills, and where there are none from the picture around. Work is limited to the
//! surroundings of the hole, memory to one sub-video of frames.

mod blending;
mod engine;
mod fields;
mod hole;
mod motion;
mod spatial;
mod temporal;
mod window;

pub use self::{engine::ClassicalEngine, window::footprint::HoleFootprint};
pub(crate) use self::{spatial::diffusion::diffusion_fill, window::budget::WindowBudget};
use crate::memory::bytes::propagation::Window;

/// Most frames looked ahead, and kept behind, however long a sub-video is.
const AHEAD: usize = 40;
const PAST: usize = 80;

/// A window over sub-videos of so many frames, 2 and up, half of them ahead; `lookahead` bounds
/// those: more frames have to be filled from the past then.
pub(crate) fn window(subvideo_length: usize, lookahead: Option<usize>) -> Window {
    let half = (subvideo_length / 2).min(AHEAD);
    let ahead = lookahead.map_or(half, |lookahead| lookahead.min(half).max(1));
    Window {
        ahead,
        past: subvideo_length.saturating_sub(ahead).min(PAST),
    }
}
