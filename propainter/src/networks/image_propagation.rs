//! Image propagation: known pixels carried into the hole along completed flows
//! (spec section 4). No weights.

use burn::tensor::Tensor;

use super::kept::{Kept, Place};
use crate::{
    Cancel, Error,
    kernels::warp::{Sampling, consistency, warp},
};

/// A picture `[1, 3, H, W]` and a mask `[1, 1, H, W]`, 1 is the hole.
pub type Pair = (Tensor<4>, Tensor<4>);

/// Carries pixels into the holes of `count` frames, backward in time, then forward.
///
/// - `frame`: picture of a frame, any content in the hole, and its mask
/// - `flows`: the completed flows `[1, 2, H, W]` from a frame to the next and back
/// - `output`: takes of each frame, in order, the updated picture (the source outside the hole,
///   what was carried inside, 0 where nothing reached) and the mask of what is still missing
///
/// Between the passes, pictures wait at `place`.
///
/// # Errors
/// [`Error::Cancelled`], between frames; [`Error::Compute`] when the device fails; what `output`
/// returns.
pub fn propagate(
    count: usize,
    place: Place,
    cancel: &Cancel,
    frame: &dyn Fn(usize) -> Pair,
    flows: &dyn Fn(usize) -> (Tensor<4>, Tensor<4>),
    output: &mut dyn FnMut(usize, Tensor<4>, Tensor<4>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut states = Vec::with_capacity(count); // last frame first
    let mut last: Option<Pair> = None;
    for t in (0..count).rev() {
        cancel.check()?;
        let (picture, mask) = frame(t);
        let known = picture * (-mask.clone() + 1.0);
        let state = match last {
            Some(last) => step(&(known, mask), &last, flows(t)),
            None => (known, mask),
        };
        let put = |x: &Tensor<4>| Kept::put(x.clone(), place);
        states.push((put(&state.0)?, put(&state.1)?));
        last = Some(state);
    }
    let mut last: Option<Pair> = None;
    for t in 0..count {
        cancel.check()?;
        let Some((image, missing)) = states.pop() else {
            break;
        };
        let (mut state, (picture, mask)) = ((image.get(), missing.get()), frame(t));
        drop((image, missing));
        if let Some(last) = last {
            let (forward, backward) = flows(t - 1);
            state = step(&state, &last, (backward, forward));
        }
        let known = picture * (-mask.clone() + 1.0);
        output(t, known + state.0.clone() * mask, state.1.clone())?;
        last = Some(state);
    }
    Ok(())
}

/// One frame from its neighbour in pass order. `flow` leads from the frame to the neighbour,
/// `check` back.
fn step(
    (image, mask): &Pair,
    (source, source_mask): &Pair,
    (flow, check): (Tensor<4>, Tensor<4>),
) -> Pair {
    let valid = consistency(flow.clone(), check);
    let carried = warp(source.clone(), flow.clone(), Sampling::Nearest);
    let carried_mask = binarise(warp(source_mask.clone(), flow, Sampling::Bilinear));
    let reached = valid * (-carried_mask + 1.0);
    let take = binarise(mask.clone() * reached.clone());
    let image = take.clone() * carried + (-take + 1.0) * image.clone();
    (image, binarise(mask.clone() * (-reached + 1.0)))
}

fn binarise(mask: Tensor<4>) -> Tensor<4> {
    mask.greater_elem(0.1).float()
}
