//! Modulated deformable convolution 3×3, stride 1, padding 1 (spec section 0).

use burn::tensor::{Tensor, module, ops::DeformConvOptions};
use rayon::prelude::*;

use super::{
    host::{self, HostView},
    warp::bilinear,
};

/// Pixels whose columns are gathered before they meet the weights: columns of one
/// strip stay in the cache.
const STRIP: usize = 2048;

/// Deformable convolution of `x`.
///
/// - `x`: `[B, C, H, W]`
/// - `offset`: `[B, 2·G·9, H, W]`, ordered (group, tap, (dy, dx)), in pixels
/// - `modulation`: `[B, G·9, H, W]`
/// - `weight`: `[O, C, 3, 3]`, `bias`: `[O]`
///
/// Result `[B, O, H, W]`. Samples outside the picture are zero.
pub fn deform_conv(
    x: Tensor<4>,
    offset: Tensor<4>,
    modulation: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<4> {
    match (
        HostView::of(&x),
        HostView::of(&offset),
        HostView::of(&modulation),
    ) {
        (Some(values), Some(offset), Some(modulation)) => {
            let groups = modulation_groups(x.dims(), offset.slice(), modulation.slice());
            let columns = Columns {
                x: values.slice(),
                offset: offset.slice(),
                modulation: modulation.slice(),
                shape: x.dims(),
                groups,
            };
            convolve(&columns, weight, bias)
        }
        _ => deform_conv_plain(x, offset, modulation, weight, bias),
    }
}

/// The plain twin of [`deform_conv`]: the library's operation.
pub fn deform_conv_plain(
    x: Tensor<4>,
    offset: Tensor<4>,
    modulation: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<4> {
    let groups = modulation.dims()[1] / 9;
    let options = DeformConvOptions::new([1, 1], [1, 1], [1, 1], 1, groups);
    module::deform_conv2d(x, offset, weight, Some(modulation), Some(bias), options)
}

fn modulation_groups([batch, _, height, width]: [usize; 4], offset: &[f32], m: &[f32]) -> usize {
    debug_assert_eq!(offset.len(), 2 * m.len());
    m.len() / (9 * batch * height * width)
}

struct Columns<'a> {
    x: &'a [f32],
    offset: &'a [f32],
    modulation: &'a [f32],
    shape: [usize; 4],
    groups: usize,
}

impl Columns<'_> {
    /// Modulated samples of `count` pixels from `start` on: rows (channel, tap), columns pixels.
    fn gather(&self, batch: usize, start: usize, count: usize) -> Vec<f32> {
        let [_, channels, height, width] = self.shape;
        let plane = height * width;
        let per_group = channels / self.groups;
        let offset = &self.offset[batch * self.groups * 18 * plane..];
        let modulation = &self.modulation[batch * self.groups * 9 * plane..];
        let mut columns = vec![0.0; channels * 9 * count];
        columns
            .par_chunks_mut(per_group * 9 * count)
            .enumerate()
            .for_each(|(group, rows)| {
                let first = (batch * channels + group * per_group) * plane;
                let picture = &self.x[first..first + per_group * plane];
                for tap in 0..9 {
                    let (ky, kx) = (tap / 3, tap % 3);
                    let index = group * 9 + tap;
                    for i in 0..count {
                        let p = start + i;
                        let y = (p / width + ky) as f32 - 1.0 + offset[2 * index * plane + p];
                        let x = (p % width + kx) as f32 - 1.0 + offset[(2 * index + 1) * plane + p];
                        let m = modulation[index * plane + p];
                        for c in 0..per_group {
                            let source = &picture[c * plane..][..plane];
                            rows[(c * 9 + tap) * count + i] =
                                m * bilinear(source, height, width, y, x);
                        }
                    }
                }
            });
        columns
    }
}

fn convolve(columns: &Columns<'_>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    let [batches, channels, height, width] = columns.shape;
    let out = weight.dims()[0];
    let plane = height * width;
    let weight = weight.reshape([out, channels * 9]);
    let bias = bias.reshape([out, 1]);
    let pictures = (0..batches)
        .map(|batch| {
            let strips = (0..plane)
                .step_by(STRIP)
                .map(|start| {
                    let count = STRIP.min(plane - start);
                    let columns = columns.gather(batch, start, count);
                    let columns = host::tensor(columns, [channels * 9, count]);
                    weight.clone().matmul(columns) + bias.clone()
                })
                .collect();
            Tensor::cat(strips, 1).reshape([1, out, height, width])
        })
        .collect();
    Tensor::cat(pictures, 0)
}
