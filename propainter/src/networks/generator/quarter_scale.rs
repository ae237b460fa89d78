//! The flows and masks at a quarter of the resolution, which guide the propagation of features (spec
//! section 5).

use burn::tensor::{Tensor, s};

use crate::{Error, kernels::quarter_flow::quarter_flow};

/// The flows and masks of the local frames at a quarter of the resolution.
#[derive(Debug)]
pub struct QuarterScaleInputs {
    /// The flows between consecutive local frames.
    pub flows: Vec<Flows>,
    /// The mask and the updated mask of each frame, `[1, 2, H/4, W/4]`.
    pub masks: Vec<Tensor<4>>,
    /// The masks, without the updated ones, on the host: `[L, H/4, W/4]`.
    pub mask_pixels: Vec<f32>,
}

/// The flows between a frame and the next, `[1, 2, H/4, W/4]`, in pixels at a quarter of the
/// resolution.
#[derive(Debug)]
pub struct Flows {
    /// From the frame to the next.
    pub forward: Tensor<4>,
    /// From the next frame to this one.
    pub backward: Tensor<4>,
}

impl QuarterScaleInputs {
    /// Downscales masks `[L, 1, H, W]` and the forward and backward flows `[L − 1, 2, H, W]`.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails before the masks are read from it.
    pub fn new(
        masks: Tensor<4>,
        updated_masks: Tensor<4>,
        flows: Option<(Tensor<4>, Tensor<4>)>,
    ) -> Result<Self, Error> {
        let masks = [masks, updated_masks].map(|mask| mask.slice(s![.., .., ..;4, ..;4]));
        let mask_pixels = masks[0].clone().try_into_vec_as();
        let mask_pixels = mask_pixels.map_err(|error| Error::Compute {
            stage: "the generator",
            problem: format!("{error:?}"),
        })?;
        let single = |all: Tensor<4>| all.split(1, 0);
        let flows = flows.map(|(forward, backward)| {
            let forward = single(quarter_flow(forward)).into_iter();
            let pairs = forward.zip(single(quarter_flow(backward)));
            pairs.map(|(forward, backward)| Flows { forward, backward })
        });
        Ok(Self {
            flows: flows.into_iter().flatten().collect(),
            masks: single(Tensor::cat(masks.to_vec(), 1)),
            mask_pixels,
        })
    }
}
