//! Image propagation: copies known pixels into the mask along the completed flows (spec section 4).
//! It has no weights.

use burn::tensor::Tensor;

use super::stored::{Placement, StoredTensor};
pub use crate::kernels::propagation::FrameAndMask;
use crate::{Cancel, Error, kernels::propagation::propagation_step};

/// Propagates pixels into the masks of `count` frames, backward in time, then forward.
///
/// - `frame`: returns a frame, 0 inside the mask, and its mask
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
        let state = match last {
            Some(last) => {
                let (forward, backward) = flows(t);
                propagation_step(&frame(t), &last, [&forward, &backward])
            }
            None => frame(t),
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
        let mut state = (image.get(), missing.get());
        drop((image, missing));
        if let Some(last) = last {
            let (forward, backward) = flows(t - 1);
            state = propagation_step(&state, &last, [&backward, &forward]);
        }
        // Outside the mask both passes keep the source.
        output(t, state.0.clone(), state.1.clone())?;
        last = Some(state);
    }
    Ok(())
}
