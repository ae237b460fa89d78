//! Upsampling ×2 by bilinear interpolation with aligned corners (spec section 0).

use burn::tensor::{Tensor, module, ops};
use rayon::prelude::*;

use super::{
    host::HostView,
    isa::{Isa, Job},
};

/// `[B, C, H, W]` → `[B, C, 2H, 2W]`
pub fn upsample(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    match HostView::of(&x) {
        Some(view) => {
            let out = upsample_slices(view.slice(), [height, width], Isa::best());
            view.tensor(out, [batch, channels, 2 * height, 2 * width])
        }
        None => upsample_plain(x),
    }
}

/// The plain twin of [`upsample`]: the library's operation.
pub fn upsample_plain(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let options = ops::InterpolateOptions::new(ops::InterpolateMode::Bilinear)
        .with_align_corners(true)
        .with_output_size([2 * height, 2 * width]);
    module::interpolate(x, options)
}

/// Planes of `height` × `width` to planes of twice that, with a given instruction set.
pub fn upsample_slices(x: &[f32], [height, width]: [usize; 2], isa: Isa) -> Vec<f32> {
    let mut out = vec![0.0; 4 * x.len()];
    if out.is_empty() {
        return out;
    }
    let shares = (shares(height), shares(width));
    x.par_chunks(height * width)
        .zip(out.par_chunks_mut(4 * height * width))
        .for_each_init(
            || vec![0.0; width],
            |line, (x, out)| {
                isa.run(Plane {
                    x,
                    out,
                    line,
                    shares: (&shares.0, &shares.1),
                });
            },
        );
    out
}

/// Of 2n outputs, aligned at both ends with n inputs, number 2i lies i / (2n − 1) before input
/// i, and number 2i + 1 lies (n − 1 − i) / (2n − 1) behind it: what each takes of its other
/// neighbour.
fn shares(n: usize) -> Vec<[f32; 2]> {
    let steps = (2 * n - 1) as f32;
    (0..n)
        .map(|i| [i as f32 / steps, (n - 1 - i) as f32 / steps])
        .collect()
}

struct Plane<'a> {
    x: &'a [f32],
    out: &'a mut [f32],
    /// Room for one input line, interpolated down the columns.
    line: &'a mut [f32],
    /// Of lines and of columns.
    shares: (&'a [[f32; 2]], &'a [[f32; 2]]),
}

impl Job for Plane<'_> {
    #[inline(always)]
    fn run(self) {
        let (lines, columns) = self.shares;
        let (width, last) = (columns.len(), lines.len() - 1);
        let input = |line: usize| &self.x[line * width..][..width];
        let pairs = self.out.chunks_exact_mut(4 * width);
        for ((i, share), pair) in lines.iter().enumerate().zip(pairs) {
            let neighbours = [i.saturating_sub(1), (i + 1).min(last)];
            for ((out, share), other) in pair.chunks_exact_mut(2 * width).zip(share).zip(neighbours)
            {
                let sources = input(i).iter().zip(input(other));
                for (value, (own, other)) in self.line.iter_mut().zip(sources) {
                    *value = own + share * (other - own);
                }
                stretch(self.line, columns, out);
            }
        }
    }
}

/// One line to twice its length.
#[inline(always)]
fn stretch(line: &[f32], shares: &[[f32; 2]], out: &mut [f32]) {
    let last = line.len() - 1;
    let out = out.as_chunks_mut::<2>().0;
    let between = |own: f32, other: f32, share: f32| own + share * (other - own);
    out[0][0] = line[0];
    out[last][1] = line[last];
    for ((out, pair), share) in out.iter_mut().zip(line.windows(2)).zip(shares) {
        out[1] = between(pair[0], pair[1], share[1]);
    }
    for ((out, pair), share) in out[1..].iter_mut().zip(line.windows(2)).zip(&shares[1..]) {
        out[0] = between(pair[1], pair[0], share[0]);
    }
}
