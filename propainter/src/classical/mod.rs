//! The engine without networks: flow-guided propagation with classical methods.
//!
//! A frame is final once its lookahead is known: half a sub-video of later frames, or fewer where
//! the latency is bounded. These are the steps from an incoming frame to its fill:
//!
//! 1. `hole`: the hole is split into connected regions. A source map marks the pixels near it
//!    that are safe to copy.
//! 2. `motion`: dense inverse search (DIS optical flow, Kroeger et al. 2016) estimates flow in
//!    both directions between neighbouring frames, coarse to fine over a luma pyramid and only near
//!    the hole. Edge-preserving diffusion completes the flow inside the hole. Two frames that cannot
//!    be matched are a scene cut. Between two that differ by noise alone nothing is searched.
//! 3. `temporal`: trajectories follow the flow into the past and the future. At intervals,
//!    patches around the hole are aligned with the frame reached, which corrects drift and exposure.
//!    Each pixel of the hole is copied from the nearest frame that shows it. Pixels that no frame
//!    shows are inherited from an earlier fill.
//! 4. `blending`: a screened Poisson equation removes the seams between sources. A membrane
//!    (harmonic interpolation of the colour differences at the border) shifts inherited fills to match
//!    their surroundings.
//! 5. `spatial`: pixels without any source are filled from the same frame by PatchMatch (Barnes
//!    et al. 2009), coarse to fine, joined with a smooth fill as far as a trial distrusts the patches.
//!    The folder also holds the diffusion fill, for a frame that cannot
//!    wait for any of this.
//!
//! `fields` holds the coarse grid and the interpolation that these steps share. `effort` limits what
//! they may cost. `window` holds the frames and keeps their memory within a budget. `engine` drives
//! the steps, and `profile` measures them for a benchmark.
//!
//! Computation is limited to the surroundings of the hole, memory to one sub-video of frames.
//! Results are bit-exact across machines: each vector kernel adds in the same order as its
//! reference form.

mod blending;
mod effort;
mod engine;
mod fields;
mod hole;
mod motion;
pub mod profile;
mod spatial;
mod temporal;
mod window;

pub use self::{
    effort::control::{Allowance, EffortControl, StepTimes},
    engine::ClassicalEngine,
    window::footprint::HoleFootprint,
};
pub(crate) use self::{
    spatial::{diffusion::diffusion_fill, extension::extend},
    window::{
        budget::WindowBudget,
        bytes::{Frames, WindowLengths},
        footprint::AnalysedHole,
    },
};

/// Largest lookahead in frames, whatever the length of a sub-video.
const AHEAD: usize = 40;
/// Largest number of past frames kept, whatever the length of a sub-video.
const PAST: usize = 80;

/// Returns the window for sub-videos of `subvideo_length` frames (2 or more), half of them ahead.
///
/// `lookahead` bounds the number of future frames; more of the sub-video then lies in the past.
pub(crate) fn window(subvideo_length: usize, lookahead: Option<usize>) -> WindowLengths {
    let half = (subvideo_length / 2).min(AHEAD);
    let ahead = lookahead.map_or(half, |lookahead| lookahead.min(half));
    WindowLengths {
        ahead,
        past: subvideo_length.saturating_sub(ahead).min(PAST),
    }
}
