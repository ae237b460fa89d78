//! The flows and masks at a quarter of the resolution, which guide the propagation of features (spec
//! section 5).

use burn::tensor::{Tensor, s};

use crate::Error;

/// The flows and masks of the local frames at a quarter of the resolution.
#[derive(Debug)]
pub struct QuarterScaleInputs {
    /// The flows; `None` for a single local frame.
    pub flows: Option<Flows>,
    /// The mask and the updated mask of each frame, `[L, 2, H/4, W/4]`.
    pub masks: Tensor<4>,
}

/// The flows between consecutive local frames, `[L − 1, 2, H/4, W/4]`, in pixels at a quarter of the
/// resolution.
#[derive(Debug)]
pub struct Flows {
    /// From each frame to the next.
    pub forward: Tensor<4>,
    /// From each frame to the one before it.
    pub backward: Tensor<4>,
}

impl QuarterScaleInputs {
    /// Downscales masks `[L, 1, H, W]` and the forward and backward flows `[L − 1, 2, H, W]`.
    pub fn new(
        masks: Tensor<4>,
        updated_masks: Tensor<4>,
        flows: Option<(Tensor<4>, Tensor<4>)>,
    ) -> Self {
        let masks = [masks, updated_masks].map(|mask| mask.slice(s![.., .., ..;4, ..;4]));
        Self {
            flows: flows.map(|(forward, backward)| Flows {
                forward: downscale_flow(forward),
                backward: downscale_flow(backward),
            }),
            masks: Tensor::cat(masks.to_vec(), 1),
        }
    }

    /// Reads the masks, without the updated ones, to the host: `[L, H/4, W/4]`.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn mask_pixels(&self) -> Result<Vec<f32>, Error> {
        let masks = self.masks.clone().narrow(1, 0, 1);
        masks.try_into_vec_as().map_err(|error| Error::Compute {
            stage: "the generator",
            problem: format!("{error:?}"),
        })
    }
}

/// Downscales a flow to a quarter of the resolution. Bilinear interpolation without aligned corners is
/// the mean of the middle 2×2 pixels of each 4×4.
pub fn downscale_flow(flow: Tensor<4>) -> Tensor<4> {
    let sum = flow.clone().slice(s![.., .., 1..;4, 1..;4])
        + flow.clone().slice(s![.., .., 1..;4, 2..;4])
        + flow.clone().slice(s![.., .., 2..;4, 1..;4])
        + flow.slice(s![.., .., 2..;4, 2..;4]);
    // A quarter for the mean, and a quarter because a pixel is four times as large.
    sum * (1.0 / 16.0)
}
