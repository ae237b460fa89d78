//! What parts of pictures are computed from, and how they are cut out.

use std::ops::Range;

use burn::tensor::Tensor;

use super::toom_cook::OUTPUTS;
use crate::Area;

impl Area {
    /// What has to be known of a picture of `size` for this area of what `layers` convolutions
    /// with three rows and columns make of it, one after the other. The CPU's convolutions compute
    /// tiles of [`OUTPUTS`] and round all of a tile by all that it reads: where tiles begin as in
    /// the whole picture and read what they read there, the last bit is the same. Next to a cut
    /// they meet zeros in place of neighbours; those outputs are wrong, and nobody reads them.
    /// Ends are even, for [`upsample_area`](super::upsample::upsample_area).
    pub fn read_by(&self, layers: usize, size: [usize; 2]) -> Self {
        self.map(|lines, axis| {
            let (mut start, mut end) = (lines.start, lines.end);
            for _ in 0..layers {
                start = (start / OUTPUTS * OUTPUTS).saturating_sub(1);
                end = (end.next_multiple_of(OUTPUTS) + 1).min(size[axis]);
            }
            start / OUTPUTS * OUTPUTS..end.next_multiple_of(2).min(size[axis])
        })
    }

    /// The area of `x`, whose axes `axis` and the next are the picture's area `held`.
    pub fn cut(&self, x: Tensor<4>, axis: usize, held: &Self) -> Tensor<4> {
        let narrow = |x: Tensor<4>, axis, own: &Range<usize>, held: &Range<usize>| {
            if own == held {
                x
            } else {
                x.narrow(axis, own.start - held.start, own.len())
            }
        };
        let x = narrow(x, axis, &self.rows, &held.rows);
        narrow(x, axis + 1, &self.columns, &held.columns)
    }
}
