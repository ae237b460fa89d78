//! What guides the features at 1/4: flows and masks, scaled down (spec section 5).

use burn::tensor::{Tensor, s};

use crate::Error;

/// Flows and masks of the local frames at 1/4.
#[derive(Debug)]
pub struct Guides {
    /// `None` for a single local frame.
    pub flows: Option<Flows>,
    /// Mask and updated mask, `[L, 2, H/4, W/4]`.
    pub masks: Tensor<4>,
}

/// Flows between consecutive local frames, `[L − 1, 2, H/4, W/4]`, in pixels at 1/4.
#[derive(Debug)]
pub struct Flows {
    pub forward: Tensor<4>,
    pub backward: Tensor<4>,
}

impl Guides {
    /// Masks `[L, 1, H, W]`, forward and backward flows `[L − 1, 2, H, W]`.
    pub fn new(
        masks: Tensor<4>,
        updated_masks: Tensor<4>,
        flows: Option<(Tensor<4>, Tensor<4>)>,
    ) -> Self {
        let masks = [masks, updated_masks].map(|mask| mask.slice(s![.., .., ..;4, ..;4]));
        Self {
            flows: flows.map(|(forward, backward)| Flows {
                forward: quarter(forward),
                backward: quarter(backward),
            }),
            masks: Tensor::cat(masks.to_vec(), 1),
        }
    }

    /// The masks alone, `[L, H/4, W/4]`, on the host.
    ///
    /// # Errors
    /// [`Error::Compute`] when the device fails.
    pub fn holes(&self) -> Result<Vec<f32>, Error> {
        let masks = self.masks.clone().narrow(1, 0, 1);
        masks.try_into_vec_as().map_err(|error| Error::Compute {
            stage: "the generator",
            problem: format!("{error:?}"),
        })
    }
}

/// A flow at 1/4: bilinear without aligned corners is the mean of the middle 2×2 of each 4×4.
pub fn quarter(flow: Tensor<4>) -> Tensor<4> {
    let sum = flow.clone().slice(s![.., .., 1..;4, 1..;4])
        + flow.clone().slice(s![.., .., 1..;4, 2..;4])
        + flow.clone().slice(s![.., .., 2..;4, 1..;4])
        + flow.slice(s![.., .., 2..;4, 2..;4]);
    // A fourth for the mean, a fourth for the size of a pixel.
    sum * (1.0 / 16.0)
}
