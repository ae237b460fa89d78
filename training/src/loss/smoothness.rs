//! Smoothness of flows in holes.

use burn::tensor::Tensor;

use super::neighbours::Neighbours;

/// The lines along which second differences are taken, by the rows and columns to one neighbour; the
/// other one is opposite.
const LINES: [(i32, i32); 4] = [(0, 1), (1, 0), (1, 1), (1, -1)];

/// Returns the first-order smoothness: differences to the right and lower neighbours.
///
/// - `flow`: `[N, 2, H, W]`
/// - `holes`: `[N, 1, H, W]`
///
/// Returns `[1]`: the sum over holes divided by the number of *all* differences, u's and v's added.
pub fn first_order(flow: &Tensor<4>, holes: &Tensor<4>) -> Tensor<1> {
    let around = Neighbours::new(flow);
    let differences = LINES[..2].iter();
    in_holes(
        differences.map(|&(down, right)| flow.clone() - around.at(down, right)),
        holes,
    )
}

/// Returns the second-order smoothness: second differences along rows, columns and both diagonals.
/// Shapes and normalisation are those of [`first_order`].
pub fn second_order(flow: &Tensor<4>, holes: &Tensor<4>) -> Tensor<1> {
    let around = Neighbours::new(flow);
    let double = flow.clone() * 2.0;
    let differences = LINES
        .iter()
        .map(|&(down, right)| around.at(-down, -right) - double.clone() + around.at(down, right));
    in_holes(differences, holes)
}

/// Returns Σ m·ψ(difference) over the number of differences of one flow channel.
fn in_holes(differences: impl ExactSizeIterator<Item = Tensor<4>>, holes: &Tensor<4>) -> Tensor<1> {
    let elements = holes.shape().num_elements() * differences.len();
    let penalties = differences.map(|difference| (penalty(difference) * holes.clone()).sum());
    let sum = penalties.reduce(|sum, term| sum + term);
    sum.expect("at least one difference") / elements as f32
}

/// ψ(x) = (x² + 0.001²)^0.45.
fn penalty(x: Tensor<4>) -> Tensor<4> {
    (x.clone() * x + 1e-6).powf_scalar(0.45)
}
