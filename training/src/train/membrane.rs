//! Filling a flow by a membrane: the simplest completion, which a trained network has to beat.

/// Sweeps over the hole. The error that is left then is far below that of the fill.
const SWEEPS: usize = 400;
/// Over-relaxation, near the best one for holes of this size.
const RELAXATION: f32 = 1.9;

/// Fills the pixels of `flow`, row by row, where `hole` is not zero: each becomes the mean of its
/// neighbours (Laplace's equation), from the pixels around the hole. Every hole needs one such pixel.
pub(super) fn fill(flow: &mut [f32], hole: &[f32], width: usize) {
    let height = hole.len() / width;
    let known = flow.iter().zip(hole).filter(|(_, hole)| **hole == 0.0);
    let (sum, count) = known.fold((0.0, 0), |(sum, count), (value, _)| {
        (sum + f64::from(*value), count + 1)
    });
    let mean = (sum / f64::from(count.max(1))) as f32;
    let inside: Vec<usize> = (0..hole.len()).filter(|&at| hole[at] != 0.0).collect();
    for &at in &inside {
        flow[at] = mean;
    }
    for _ in 0..SWEEPS {
        for &at in &inside {
            let (x, y) = (at % width, at / width);
            let beside = [
                (x > 0).then(|| at - 1),
                (x + 1 < width).then_some(at + 1),
                (y > 0).then(|| at - width),
                (y + 1 < height).then_some(at + width),
            ];
            let (sum, count) = beside
                .into_iter()
                .flatten()
                .fold((0.0, 0.0), |(sum, count), at| (sum + flow[at], count + 1.0));
            flow[at] += RELAXATION * (sum / count - flow[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_goes_on_through_the_hole() {
        const WIDTH: usize = 40;
        let slope = |at: usize| 0.25 * (at % WIDTH) as f32 - 0.5 * (at / WIDTH) as f32;
        let truth: Vec<f32> = (0..WIDTH * 30).map(slope).collect();
        let inside = |at: usize| (8..32).contains(&(at % WIDTH)) && (6..24).contains(&(at / WIDTH));
        let hole: Vec<f32> = (0..truth.len())
            .map(|at| f32::from(u8::from(inside(at))))
            .collect();
        let mut flow = truth.clone();
        flow.iter_mut()
            .zip(&hole)
            .for_each(|(flow, hole)| *flow += 99.0 * hole);
        fill(&mut flow, &hole, WIDTH);
        for (flow, truth) in flow.iter().zip(&truth) {
            assert!((flow - truth).abs() < 1e-3, "{flow} {truth}");
        }
    }
}
