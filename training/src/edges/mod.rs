//! Edges of true flows (spec: training, section 5). Nothing here is recorded.

mod gradient;
mod thinning;

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

pub use gradient::gradient;

/// The edges of flows: 0 or 1 for each pixel. The largest length of *all* flows decides the scale, so
/// those of one batch belong together; if it is below one pixel, there are no edges.
///
/// - `flows`: `[B, N, 2, H, W]`
///
/// Returns `[B, N, 1, H, W]`.
///
/// # Panics
/// If the device fails.
pub fn edges(flows: Tensor<5>) -> Tensor<5> {
    let device = flows.device();
    let [clips, pairs, _, height, width] = flows.dims();
    let flows = crate::parameters::host_values(&flows.inner().flatten(0, 4));
    let pictures = magnitudes(&flows, width * height);
    let edges: Vec<f32> = pictures
        .par_chunks_exact(width * height)
        .flat_map_iter(|picture| {
            let (lengths, angles) = gradient(picture, width, height);
            thinning::edges(&lengths, &angles, width)
        })
        .collect();
    let edges = TensorData::new(edges, [clips, pairs, 1, height, width]);
    Tensor::from_data(edges, &device)
}

/// Returns the lengths of flows relative to the largest one, or zeros if that is below 1.
///
/// - `flows`: one after the other, all x before all y of each
/// - `area`: the number of pixels of each
pub fn magnitudes(flows: &[f32], area: usize) -> Vec<f32> {
    let length = |(u, v): (&f32, &f32)| (u * u + v * v).sqrt();
    let lengths = flows.chunks_exact(2 * area).flat_map(|flow| {
        let (u, v) = flow.split_at(area);
        u.iter().zip(v).map(length)
    });
    let mut lengths: Vec<f32> = lengths.collect();
    let largest = lengths.iter().copied().fold(0.0, f32::max);
    for length in &mut lengths {
        *length = if largest < 1.0 {
            0.0
        } else {
            *length / largest
        };
    }
    lengths
}
