//! PSNR and SSIM of filled frames.

use propainter::{Frame, Mask};

/// Side of the window of SSIM in pixels, and the standard deviation of its weights.
const WINDOW: usize = 11;
const DEVIATION: f64 = 1.5;

/// Returns the PSNR in dB of frames against the true ones; of the holes alone if they are given. Equal
/// frames have 100 dB.
pub fn psnr(frames: &[Frame], truth: &[Frame], holes: Option<&[Mask]>) -> f64 {
    let (mut sum, mut count) = (0.0, 0_u64);
    for (number, (frame, truth)) in frames.iter().zip(truth).enumerate() {
        let pixels = frame.rgb().chunks_exact(3).zip(truth.rgb().chunks_exact(3));
        for (at, (a, b)) in pixels.enumerate() {
            if holes.is_none_or(|holes| holes[number].hole()[at] == 1) {
                let squares = a
                    .iter()
                    .zip(b)
                    .map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2));
                sum += squares.sum::<f64>();
                count += 3;
            }
        }
    }
    let mean = sum / count.max(1) as f64;
    (10.0 * (255.0 * 255.0 / mean).log10()).min(100.0)
}

/// Returns the mean structural similarity of the luma of frames to that of the true ones, with Gaussian
/// windows of 11 pixels (Wang et al., 2004). Frames smaller than a window have none.
pub fn ssim(frames: &[Frame], truth: &[Frame]) -> Option<f64> {
    let means: Option<Vec<f64>> = frames
        .iter()
        .zip(truth)
        .map(|(a, b)| similarity(a, b))
        .collect();
    let means = means.filter(|means| !means.is_empty())?;
    Some(means.iter().sum::<f64>() / means.len() as f64)
}

fn similarity(a: &Frame, b: &Frame) -> Option<f64> {
    let (width, height) = (a.width(), a.height());
    if width < WINDOW || height < WINDOW {
        return None;
    }
    let (a, b) = (luma(a), luma(b));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<_>>();
    let blur = |plane: &[f64]| blurred(plane, width);
    let (mean_a, mean_b) = (blur(&a), blur(&b));
    let (aa, bb, ab) = (
        blur(&product(&a, &a)),
        blur(&product(&b, &b)),
        blur(&product(&a, &b)),
    );
    let (c1, c2) = ((0.01_f64 * 255.0).powi(2), (0.03_f64 * 255.0).powi(2));
    let value = |i: usize| {
        let (x, y) = (mean_a[i], mean_b[i]);
        let (vx, vy, covariance) = (aa[i] - x * x, bb[i] - y * y, ab[i] - x * y);
        (2.0 * x * y + c1) * (2.0 * covariance + c2) / ((x * x + y * y + c1) * (vx + vy + c2))
    };
    let count = mean_a.len();
    Some((0..count).map(value).sum::<f64>() / count as f64)
}

fn luma(frame: &Frame) -> Vec<f64> {
    let pixels = frame.rgb().chunks_exact(3);
    let luma =
        |p: &[u8]| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]);
    pixels.map(luma).collect()
}

/// Returns the weighted means of all windows that lie within a plane.
fn blurred(plane: &[f64], width: usize) -> Vec<f64> {
    let middle = (WINDOW / 2) as f64;
    let weight = |i: usize| (-(i as f64 - middle).powi(2) / (2.0 * DEVIATION * DEVIATION)).exp();
    let weights: Vec<f64> = (0..WINDOW).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        values
            .zip(&weights)
            .map(|(value, weight)| value * weight)
            .sum::<f64>()
            / sum
    };
    let columns = width - WINDOW + 1;
    let rows = plane.chunks_exact(width);
    let across: Vec<f64> = rows
        .flat_map(|row| {
            row.windows(WINDOW)
                .map(|window| mean(&mut window.iter().copied()))
        })
        .collect();
    let height = plane.len() / width - WINDOW + 1;
    let place = |i: usize| (i / columns, i % columns);
    (0..columns * height)
        .map(|i| {
            let (row, column) = place(i);
            mean(&mut (row..row + WINDOW).map(|y| across[y * columns + column]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(value: impl Fn(usize) -> u8) -> Frame {
        Frame::new(16, 12, (0..16 * 12 * 3).map(value).collect())
    }

    #[test]
    fn psnr_counts_the_holes_alone_if_asked() {
        let (truth, other) = (frame(|_| 100), frame(|i| if i < 3 { 110 } else { 100 }));
        let mut hole = Mask::empty(16, 12);
        hole.add_rectangle(0, 0, 2, 1);
        let one = std::slice::from_ref;
        let all = psnr(one(&other), one(&truth), None);
        let holes = psnr(one(&other), one(&truth), Some(&[hole]));
        // Squares of 100 in one of 192 pixels, and in one of 2.
        assert!((all - 10.0 * (65025.0_f64 / (100.0 / 192.0)).log10()).abs() < 1e-9);
        assert!((holes - 10.0 * (65025.0_f64 / 50.0).log10()).abs() < 1e-9);
        assert_eq!(psnr(one(&truth), one(&truth), None), 100.0);
    }

    #[test]
    fn ssim_is_one_for_equal_frames_and_tells_structure() {
        let one = std::slice::from_ref;
        let truth = frame(|i| (i * 37 % 251) as u8);
        let same = ssim(one(&truth), one(&truth)).unwrap();
        assert!((same - 1.0).abs() < 1e-12);
        // Constant frames differ by the term of the means alone.
        let flat = ssim(&[frame(|_| 100)], &[frame(|_| 150)]).unwrap();
        let c1 = (0.01_f64 * 255.0).powi(2);
        let expected = (2.0 * 100.0 * 150.0 + c1) / (100.0 * 100.0 + 150.0 * 150.0 + c1);
        assert!((flat - expected).abs() < 1e-6, "{flat} {expected}");
        assert_eq!(
            ssim(
                &[Frame::new(8, 8, vec![0; 192])],
                &[Frame::new(8, 8, vec![0; 192])]
            ),
            None
        );
    }
}
