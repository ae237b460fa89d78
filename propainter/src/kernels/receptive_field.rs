//! The part of an image that a part of a network's output depends on, and cropping tensors to it.

use burn::tensor::Tensor;

use super::conv::winograd::transform::OUTPUTS;
use crate::Rect;

impl Rect {
    /// Returns the part of an image of `size` that this part of the output of `layers` successive
    /// convolutions with kernels of three rows and columns depends on.
    ///
    /// The part is larger than the receptive field so that the result keeps its last bit. The CPU
    /// convolutions compute tiles of [`OUTPUTS`] outputs, and every input of a tile affects the
    /// rounding of all its outputs; tiles must begin and read as in the whole image. At a cut a
    /// convolution meets zeros in place of neighbours; the outputs there are wrong and are never
    /// read. Ends are even, as [`upsample2x`](super::upsample::upsample2x) needs them.
    pub fn receptive_field(&self, layers: usize, size: [usize; 2]) -> Self {
        self.map(|lines, axis| {
            let (mut start, mut end) = (lines.start, lines.end);
            for _ in 0..layers {
                start = (start / OUTPUTS * OUTPUTS).saturating_sub(1);
                end = (end.next_multiple_of(OUTPUTS) + 1).min(size[axis]);
            }
            start / OUTPUTS * OUTPUTS..end.next_multiple_of(2).min(size[axis])
        })
    }

    /// Crops `x` to this rectangle. The axes `axis` (rows) and `axis + 1` (columns) of `x` cover
    /// the rectangle `held` of the same image, which contains this one.
    pub fn crop(&self, x: Tensor<4>, axis: usize, held: &Self) -> Tensor<4> {
        let mut parts = x.dims().map(|length| 0..length);
        let own = [&self.rows, &self.columns].into_iter();
        for (part, (own, held)) in parts[axis..]
            .iter_mut()
            .zip(own.zip([&held.rows, &held.columns]))
        {
            *part = own.start - held.start..own.end - held.start;
        }
        if self == held { x } else { x.slice(parts) }
    }
}
