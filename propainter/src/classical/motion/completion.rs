//! Flow where nothing was measured: a membrane through what was.

use crate::classical::fields::{flow_field::Flow, grid::beside};

/// Weight of a fully trusted measurement against one neighbour.
const HOLD: f32 = 8.0;
const SWEEPS: usize = 12;

/// Over-relaxation: what makes a wide hole settle in so few sweeps.
const OVER: f32 = 1.7;

/// How the membrane treats jumps of the flow.
#[derive(Clone, Copy, PartialEq)]
pub enum Edges {
    /// Smooths them: for the coarse levels, whose job is to start the finer ones.
    Soft,
    /// Lets go where neighbours differ, so that two motions stay two.
    Kept,
}

/// Smooths `flow` on `nodes`, where it holds measurements (trusted by `weight`, per node of
/// the grid) or a first guess (weight 0); nodes not listed stay.
pub fn complete(flow: &mut Flow, weight: &[f32], nodes: &[u32], edges: Edges) {
    let (width, height) = (flow.width, flow.height);
    let data: Vec<[f32; 2]> = nodes.iter().map(|&i| flow.at[i as usize]).collect();
    for sweep in 0..SWEEPS {
        let relax = |n: usize, flow: &mut Flow| {
            let i = nodes[n] as usize;
            let here = flow.at[i];
            let hold = HOLD * weight[i];
            let mut sum = data[n].map(|d| d * hold);
            let mut total = hold;
            beside(i, width, height, |j| {
                let there = flow.at[j];
                let apart = (there[0] - here[0]).powi(2) + (there[1] - here[1]).powi(2);
                let tie = match edges {
                    Edges::Soft => 1.0,
                    Edges::Kept => 1.0 / (1.0 + apart),
                };
                sum[0] += tie * there[0];
                sum[1] += tie * there[1];
                total += tie;
            });
            if total > 0.0 {
                let to = sum.map(|s| s / total);
                flow.at[i] = [0, 1].map(|c| here[c] + OVER * (to[c] - here[c]));
            }
        };
        // To and fro, so that values travel both ways.
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

    /// A field over 24×16 nodes, known but in the middle, and completed there.
    fn completed(at: impl Fn(usize, usize) -> [f32; 2], edges: Edges) -> Flow {
        let mut flow = Flow::zero(24, 16);
        let mut weight = vec![1.0; 24 * 16];
        for y in 0..16 {
            for x in 0..24 {
                let hole = (8..16).contains(&x) && (5..11).contains(&y);
                weight[y * 24 + x] = if hole { 0.0 } else { 1.0 };
                flow.at[y * 24 + x] = if hole { [0.0; 2] } else { at(x, y) };
            }
        }
        let nodes: Vec<u32> = (0..24 * 16).collect();
        // As in the engine, where a coarser level's solution is the start.
        for _ in 0..6 {
            complete(&mut flow, &weight, &nodes, edges);
        }
        flow
    }

    #[test]
    fn one_motion_goes_through_the_hole() {
        for edges in [Edges::Soft, Edges::Kept] {
            let flow = completed(|_, _| [0.7, -0.4], edges);
            let near = |at: &[f32; 2]| (at[0] - 0.7).abs() < 0.05 && (at[1] + 0.4).abs() < 0.05;
            assert!(flow.at.iter().all(near));
        }
    }

    #[test]
    fn measurements_hold() {
        let flow = completed(|x, _| [0.1 * x as f32, 0.0], Edges::Kept);
        for y in 0..16 {
            assert!((flow.at[y * 24 + 3][0] - 0.3).abs() < 0.05);
        }
    }
}
