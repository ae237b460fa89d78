//! The census loss: what a completed flow leads to should look like where it starts.

use burn::tensor::Tensor;
use propainter::internals::kernels::warp::{self, Sampling};

use super::neighbours::Neighbours;

/// The weights of red, green and blue in a grey value. They do not sum to 1; that is official.
const GREY: [f32; 3] = [0.299, 0.587, 0.110];

/// Returns the census loss of one direction.
///
/// - `current`, `other`: the frames `[N, 3, H, W]` where flows start and lead to, in [−1, 1]
/// - `truth`: the true flow `[N, 2, H, W]`. Where it leads to another colour, the loss counts less.
/// - `combined`: the completed flow in holes and the true one elsewhere `[N, 2, H, W]`. The gradient
///   goes through the positions at which `other` is sampled.
/// - `holes`: `[N, 1, H, W]`
///
/// Returns `[1]`.
pub fn census(
    [current, other]: [Tensor<4>; 2],
    truth: Tensor<4>,
    combined: Tensor<4>,
    holes: Tensor<4>,
) -> Tensor<1> {
    let warp = |flow: Tensor<4>| warp::warp(other.clone(), flow, Sampling::Bilinear);
    let error = (current.clone() - warp(truth)).abs().sum_dim(1);
    let confidence = (error.clone() * error * -50.0).exp();
    let distance = distance(&grey(current), &grey(warp(combined)));
    (distance * confidence * holes.clone()).mean() / holes.mean()
}

/// `[N, 3, H, W]` in [−1, 1] → `[N, 1, H, W]`, 255 times as large.
fn grey(frames: Tensor<4>) -> Tensor<4> {
    let channel = |index: usize| frames.clone().narrow(1, index, 1) * GREY[index];
    (channel(0) + channel(1) + channel(2)) * 255.0
}

/// Returns the sum over the eight neighbours of a penalty of the difference of both censuses.
fn distance(a: &Tensor<4>, b: &Tensor<4>) -> Tensor<4> {
    let (around_a, around_b) = (Neighbours::new(a), Neighbours::new(b));
    let places = (0..9).filter(|&place| place != 4);
    let penalties = places.map(|place| {
        let (down, right) = (place / 3 - 1, place % 3 - 1);
        let difference = soft_sign(around_a.at(down, right) - a.clone())
            - soft_sign(around_b.at(down, right) - b.clone());
        let square = difference.clone() * difference;
        square.clone() / (square + 0.1)
    });
    let sum = penalties.reduce(|sum, penalty| sum + penalty);
    sum.expect("eight neighbours")
}

/// d/√(0.81 + d²).
fn soft_sign(d: Tensor<4>) -> Tensor<4> {
    d.clone() / (d.clone() * d + 0.81).sqrt()
}
