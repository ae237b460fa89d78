//! The gradients of bilinear samples with zeros outside the image.

use rayon::prelude::*;

/// The places that the channels of an image are sampled at, which all have a plane of the image.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// The row of each place.
    pub rows: &'a [f32],
    /// The column of each place.
    pub columns: &'a [f32],
    /// What the sample at each place is multiplied by; empty for 1.
    pub gains: &'a [f32],
    /// Rows and columns of the image.
    pub size: [usize; 2],
}

/// The gradients that belong to some channels of an image.
pub struct SampleGradients {
    /// Of the image: channel by channel, row by row.
    pub image: Vec<f32>,
    /// Of the row of each place.
    pub rows: Vec<f32>,
    /// Of the column of each place.
    pub columns: Vec<f32>,
    /// Of the gain of each place.
    pub gains: Vec<f32>,
    /// The samples themselves, if they are wanted: channel by channel.
    pub samples: Vec<f32>,
}

/// Computes the gradients of samples of several parts at once: each is some channels of an image, where
/// they are sampled, and the gradient of the samples, channel by channel.
pub fn sample_gradients(
    parts: Vec<(&[f32], Places<'_>, &[f32])>,
    samples: bool,
) -> Vec<SampleGradients> {
    let parts = parts.into_par_iter();
    let found = parts.map(|(image, places, gradient)| of_part(image, places, gradient, samples));
    found.collect()
}

fn of_part(image: &[f32], places: Places<'_>, gradient: &[f32], samples: bool) -> SampleGradients {
    let (count, plane) = (places.rows.len(), places.size[0] * places.size[1]);
    let corners: Vec<_> = (0..count).map(|n| places.corners(n)).collect();
    let mut found = SampleGradients {
        image: vec![0.0; image.len()],
        rows: vec![0.0; count],
        columns: vec![0.0; count],
        gains: vec![0.0; count],
        samples: vec![0.0; if samples { gradient.len() } else { 0 }],
    };
    let channels = image.chunks_exact(plane).zip(gradient.chunks_exact(count));
    for (channel, (image, gradient)) in channels.enumerate() {
        let target = &mut found.image[channel * plane..][..plane];
        for (n, (corner, &gradient)) in corners.iter().zip(gradient).enumerate() {
            let Some(Corners {
                at,
                inside,
                down,
                right,
            }) = corner
            else {
                continue;
            };
            let mut values = [0.0; 4];
            for i in 0..4 {
                values[i] = image[at[i]] * inside[i];
            }
            let (up, left) = (1.0 - down, 1.0 - right);
            let weights = [up * left, up * right, down * left, down * right];
            let sample: f32 = (0..4).map(|i| weights[i] * values[i]).sum();
            let gain = places.gains.get(n).copied().unwrap_or(1.0);
            let [a, b, c, d] = values;
            found.gains[n] += gradient * sample;
            found.columns[n] += gradient * gain * (up * (b - a) + down * (d - c));
            found.rows[n] += gradient * gain * (left * (c - a) + right * (d - b));
            for i in 0..4 {
                target[at[i]] += gradient * gain * weights[i] * inside[i];
            }
            if samples {
                found.samples[channel * count + n] = gain * sample;
            }
        }
    }
    found
}

/// The four pixels around a place: upper left, upper right, lower left, lower right.
struct Corners {
    /// Their positions in a plane; any where they are outside.
    at: [usize; 4],
    /// 1 inside the image, 0 outside.
    inside: [f32; 4],
    /// How far the place is below the upper and right of the left pixels.
    down: f32,
    right: f32,
}

impl Places<'_> {
    /// Returns the pixels around a place; `None` if all are outside.
    fn corners(&self, n: usize) -> Option<Corners> {
        let [height, width] = self.size;
        let (row, column) = (self.rows[n], self.columns[n]);
        let (top, left) = (row.floor(), column.floor());
        let near = top >= -1.0 && left >= -1.0 && top < height as f32 && left < width as f32;
        if !near {
            return None;
        }
        let (mut at, mut inside) = ([0; 4], [0.0; 4]);
        for i in 0..4 {
            let (y, x) = (
                top as isize + i as isize / 2,
                left as isize + i as isize % 2,
            );
            let known = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
            if known {
                (at[i], inside[i]) = (y as usize * width + x as usize, 1.0);
            }
        }
        Some(Corners {
            at,
            inside,
            down: row - top,
            right: column - left,
        })
    }
}
