//! The loss of the edge head.

use burn::tensor::Tensor;

/// Returns the weighted binary cross-entropy of `predicted` edges, which the official training takes
/// as logits although they are probabilities already. In each frame positives have the share of
/// negatives as weight, and the other way round.
///
/// - `predicted`: `[N, 1, H, W]`, in [0, 1]
/// - `edges`: `[N, 1, H, W]`, 0 or 1
///
/// Returns `[1]`, the mean over all elements.
pub fn edge(predicted: Tensor<4>, edges: Tensor<4>) -> Tensor<1> {
    let positive = edges.clone().greater_elem(0.5).float();
    let share = positive.clone().mean_dim(3).mean_dim(2);
    let weight = positive.clone() * (share.clone().neg() + 1.0) + (positive.neg() + 1.0) * share;
    // As predictions are not negative, this form does not overflow.
    let entropy = predicted.clone() * (edges.neg() + 1.0) + predicted.neg().exp().log1p();
    (entropy * weight).mean()
}
