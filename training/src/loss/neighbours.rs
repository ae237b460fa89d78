//! Neighbours of pixels, zero outside the picture.

use burn::tensor::{Tensor, ops::PadMode};

/// Pictures with a border of zeros, from which the eight neighbours of all pixels are cut.
pub(super) struct Neighbours {
    padded: Tensor<4>,
}

impl Neighbours {
    /// - `x`: `[B, C, H, W]`
    pub fn new(x: &Tensor<4>) -> Self {
        let padded = x.clone().pad((1, 1, 1, 1), PadMode::Constant(0.0));
        Self { padded }
    }

    /// Returns each pixel's neighbour `down` rows below and `right` columns to the right; each is
    /// −1, 0 or 1.
    pub fn at(&self, down: i32, right: i32) -> Tensor<4> {
        let [_, _, height, width] = self.padded.dims();
        let (row, column) = ((1 + down) as usize, (1 + right) as usize);
        self.padded
            .clone()
            .narrow(2, row, height - 2)
            .narrow(3, column, width - 2)
    }
}
