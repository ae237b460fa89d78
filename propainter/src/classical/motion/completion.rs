//! Completes a flow field by diffusion: unreliable vectors are interpolated from reliable ones.

use crate::classical::fields::flow_field::FlowField;

/// Weight of a fully reliable measurement, relative to one neighbour.
const DATA_WEIGHT: f32 = 8.0;
/// Number of relaxation sweeps.
const SWEEPS: usize = 12;

/// Factor of successive over-relaxation, which lets a wide hole converge in few sweeps.
const OVER_RELAXATION: f32 = 1.7;

/// The treatment of motion discontinuities.
#[derive(Clone, Copy, PartialEq)]
pub enum Discontinuities {
    /// Smooths across discontinuities. Suits coarse levels, which only initialise finer ones.
    Smoothed,
    /// Weakens the coupling where neighbours differ, so that two motions stay separate.
    Preserved,
}

/// Smooths `flow` on the listed `nodes`; all others stay unchanged.
///
/// `weight`, one per node of the grid, is the confidence in each vector. A vector of weight 0
/// serves only as the initial value.
pub fn complete(flow: &mut FlowField, weight: &[f32], nodes: &[u32], edges: Discontinuities) {
    let (width, height) = (flow.width, flow.height);
    // The neighbours that a node has: left, right, above, below.
    let sides: Vec<[bool; 4]> = nodes
        .iter()
        .map(|&i| {
            let (x, y) = (i as usize % width, i as usize / width);
            [x > 0, x + 1 < width, y > 0, y + 1 < height]
        })
        .collect();
    let steps = [1, 1, width, width];
    let data: Vec<[f32; 2]> = nodes.iter().map(|&i| flow.vectors[i as usize]).collect();
    for sweep in 0..SWEEPS {
        let relax = |n: usize, flow: &mut FlowField| {
            let i = nodes[n] as usize;
            let here = flow.vectors[i];
            let data_weight = DATA_WEIGHT * weight[i];
            let mut sum = data[n].map(|d| d * data_weight);
            let mut total = data_weight;
            for side in 0..4 {
                if !sides[n][side] {
                    continue;
                }
                let j = if side % 2 == 0 {
                    i - steps[side]
                } else {
                    i + steps[side]
                };
                let there = flow.vectors[j];
                let difference = (there[0] - here[0]).powi(2) + (there[1] - here[1]).powi(2);
                let smoothness = match edges {
                    Discontinuities::Smoothed => 1.0,
                    Discontinuities::Preserved => 1.0 / (1.0 + difference),
                };
                sum[0] += smoothness * there[0];
                sum[1] += smoothness * there[1];
                total += smoothness;
            }
            if total > 0.0 {
                let to = sum.map(|s| s / total);
                flow.vectors[i] = [0, 1].map(|c| here[c] + OVER_RELAXATION * (to[c] - here[c]));
            }
        };
        // Alternating directions let values travel both ways.
        if sweep % 2 == 0 {
            (0..nodes.len()).for_each(|n| relax(n, flow));
        } else {
            (0..nodes.len()).rev().for_each(|n| relax(n, flow));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Completes a field of 24×16 nodes whose middle is unknown.
    fn completed(at: impl Fn(usize, usize) -> [f32; 2], edges: Discontinuities) -> FlowField {
        let mut flow = FlowField::zero(24, 16);
        let mut weight = vec![1.0; 24 * 16];
        for y in 0..16 {
            for x in 0..24 {
                let hole = (8..16).contains(&x) && (5..11).contains(&y);
                weight[y * 24 + x] = if hole { 0.0 } else { 1.0 };
                flow.vectors[y * 24 + x] = if hole { [0.0; 2] } else { at(x, y) };
            }
        }
        let nodes: Vec<u32> = (0..24 * 16).collect();
        // In the engine, the solution of the coarser level is the initial value.
        for _ in 0..6 {
            complete(&mut flow, &weight, &nodes, edges);
        }
        flow
    }

    #[test]
    fn a_uniform_motion_continues_through_the_hole() {
        for edges in [Discontinuities::Smoothed, Discontinuities::Preserved] {
            let flow = completed(|_, _| [0.7, -0.4], edges);
            let near = |at: &[f32; 2]| (at[0] - 0.7).abs() < 0.05 && (at[1] + 0.4).abs() < 0.05;
            assert!(flow.vectors.iter().all(near));
        }
    }

    #[test]
    fn reliable_measurements_are_kept() {
        let flow = completed(|x, _| [0.1 * x as f32, 0.0], Discontinuities::Preserved);
        for y in 0..16 {
            assert!((flow.vectors[y * 24 + 3][0] - 0.3).abs() < 0.05);
        }
    }
}
