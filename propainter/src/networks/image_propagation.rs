//! Image propagation: copies known pixels into the mask along the completed flows (spec section 4).
//! It has no weights.

use burn::tensor::Tensor;

use super::stored::{Placement, StoredTensor};
use crate::{
    Cancel, Error,
    kernels::warp::{Sampling, consistency, warp},
};

/// A frame `[1, 3, H, W]` and its mask `[1, 1, H, W]`, 1 inside the mask.
pub type FrameAndMask = (Tensor<4>, Tensor<4>);

/// Propagates pixels into the masks of `count` frames, backward in time, then forward.
///
/// - `frame`: returns a frame, with any content inside the mask, and its mask
/// - `flows`: returns the completed flows `[1, 2, H, W]` from a frame to the next and back
/// - `output`: receives each frame, in order: the updated frame (the source outside the mask,
///   propagated pixels inside, 0 where no pixel was found) and the mask of the missing pixels
/// - `placement`: where frames are stored between the passes
///
/// # Errors
/// [`Error::Cancelled`] between frames; [`Error::Compute`] if the device fails; any error that
/// `output` returns.
pub fn propagate(
    count: usize,
    placement: Placement,
    cancel: &Cancel,
    frame: &dyn Fn(usize) -> FrameAndMask,
    flows: &dyn Fn(usize) -> (Tensor<4>, Tensor<4>),
    output: &mut dyn FnMut(usize, Tensor<4>, Tensor<4>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut states = Vec::with_capacity(count); // last frame first
    let mut last: Option<FrameAndMask> = None;
    for t in (0..count).rev() {
        cancel.check()?;
        let (source, mask) = frame(t);
        let known = source * (-mask.clone() + 1.0);
        let state = match last {
            Some(last) => step(&(known, mask), &last, flows(t)),
            None => (known, mask),
        };
        let put = |x: &Tensor<4>| StoredTensor::put(x.clone(), placement);
        states.push((put(&state.0)?, put(&state.1)?));
        last = Some(state);
    }
    let mut last: Option<FrameAndMask> = None;
    for t in 0..count {
        cancel.check()?;
        let Some((image, missing)) = states.pop() else {
            break;
        };
        let (mut state, (source, mask)) = ((image.get(), missing.get()), frame(t));
        drop((image, missing));
        if let Some(last) = last {
            let (forward, backward) = flows(t - 1);
            state = step(&state, &last, (backward, forward));
        }
        let known = source * (-mask.clone() + 1.0);
        output(t, known + state.0.clone() * mask, state.1.clone())?;
        last = Some(state);
    }
    Ok(())
}

/// Updates one frame from its neighbour in the order of the pass. `flow` leads from the frame to the
/// neighbour, `check` back.
fn step(
    (image, mask): &FrameAndMask,
    (source, source_mask): &FrameAndMask,
    (flow, check): (Tensor<4>, Tensor<4>),
) -> FrameAndMask {
    let valid = consistency(flow.clone(), check);
    let carried = warp(source.clone(), flow.clone(), Sampling::Nearest);
    let carried_mask = binarise(warp(source_mask.clone(), flow, Sampling::Bilinear));
    let reached = valid * (-carried_mask + 1.0);
    let take = binarise(mask.clone() * reached.clone());
    let image = take.clone() * carried + (-take + 1.0) * image.clone();
    (image, binarise(mask.clone() * (-reached + 1.0)))
}

/// Returns 1 where a mask is above 0.1, else 0.
fn binarise(mask: Tensor<4>) -> Tensor<4> {
    mask.greater_elem(0.1).float()
}
