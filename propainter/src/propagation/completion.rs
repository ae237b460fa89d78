//! Flow where nothing was measured: a membrane through what was.

use super::grid::Flow;

/// Weight of a fully trusted measurement against one neighbour.
const HOLD: f32 = 8.0;
const SWEEPS: usize = 12;

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
            let (x, y) = (i % width, i / width);
            let here = flow.at[i];
            let hold = HOLD * weight[i];
            let mut sum = data[n].map(|d| d * hold);
            let mut total = hold;
            let mut join = |j: usize| {
                let there = flow.at[j];
                let apart = (there[0] - here[0]).powi(2) + (there[1] - here[1]).powi(2);
                let tie = match edges {
                    Edges::Soft => 1.0,
                    Edges::Kept => 1.0 / (1.0 + apart),
                };
                sum[0] += tie * there[0];
                sum[1] += tie * there[1];
                total += tie;
            };
            if x > 0 {
                join(i - 1);
            }
            if x + 1 < width {
                join(i + 1);
            }
            if y > 0 {
                join(i - width);
            }
            if y + 1 < height {
                join(i + width);
            }
            if total > 0.0 {
                flow.at[i] = sum.map(|s| s / total);
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
