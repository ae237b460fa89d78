//! Spectral norm: weights are divided by an estimate of their largest singular value.

use burn::tensor::Tensor;

use super::layout::{LAYERS, Layer};
use crate::parameters::{Parameters, Recorded};

/// The least length that a vector is divided by.
const EPSILON: f32 = 1e-12;

/// The vectors u and v of one forward pass: approximations of the singular vectors of each weight,
/// taken as a matrix of output channels × the rest. Gradients take them as constants.
#[derive(Clone, Debug)]
pub struct Pass {
    vectors: Vec<(Layer, [Tensor<1>; 2])>,
}

impl Pass {
    /// Takes the vectors from the buffers of a state dict.
    pub(super) fn new(buffers: &Parameters) -> Self {
        let layers = LAYERS.into_iter().filter(|layer| layer.normalised);
        let vectors = layers.map(|layer| {
            let names = ["weight_u", "weight_v"];
            (layer, names.map(|name| buffers.get(&layer.key(name))))
        });
        let vectors = vectors.collect();
        Self { vectors }
    }

    /// Returns the vectors after one more power iteration with the present weights.
    pub(super) fn next(&self, parameters: &Parameters) -> Self {
        let vectors = self.vectors.iter().map(|(layer, [u, _])| {
            let matrix = matrix(parameters.get(&layer.key("weight_orig")));
            let v = unit(
                u.clone()
                    .unsqueeze_dim(0)
                    .matmul(matrix.clone())
                    .flatten(0, 1),
            );
            let u = unit(matrix.matmul(v.clone().unsqueeze_dim(1)).flatten(0, 1));
            (*layer, [u, v])
        });
        let vectors = vectors.collect();
        Self { vectors }
    }

    /// Returns u or v by its key.
    ///
    /// # Panics
    /// If there is no such vector.
    pub(super) fn buffer(&self, key: &str) -> &Tensor<1> {
        let all = self.vectors.iter().flat_map(|(layer, vectors)| {
            let keys = ["weight_u", "weight_v"].map(|name| layer.key(name));
            keys.into_iter().zip(vectors)
        });
        match { all }.find(|(known, _)| known == key) {
            Some((_, vector)) => vector,
            None => panic!("the discriminator has no tensor `{key}`"),
        }
    }

    fn of(&self, layer: &Layer) -> &[Tensor<1>; 2] {
        match self.vectors.iter().find(|(known, _)| known == layer) {
            Some((_, vectors)) => vectors,
            None => panic!("layer {} has no spectral norm", layer.number),
        }
    }

    /// Returns the estimates σ of the layers that have a norm, in order, for weights as they are.
    pub fn norms(&self, parameters: &Parameters) -> Vec<f32> {
        let norm = |(layer, vectors): &(Layer, _)| {
            let matrix = matrix(parameters.get(&layer.key("weight_orig")));
            sigma(matrix, vectors).into_scalar()
        };
        self.vectors.iter().map(norm).collect()
    }
}

/// Returns the weight of a layer divided by σ = uᵀWv. The gradient also goes through σ.
pub fn normalised(weights: &Recorded, pass: &Pass, layer: &Layer) -> Tensor<5> {
    let weight = weights.get::<5>(&layer.key("weight_orig"));
    let sigma = sigma(matrix(weight.clone()), pass.of(layer));
    weight / sigma.reshape([1; 5])
}

/// `[O, I, 3, 5, 5]` → `[O, I·75]`.
fn matrix(weight: Tensor<5>) -> Tensor<2> {
    weight.flatten(1, 4)
}

/// Returns `[1, 1]`.
fn sigma(matrix: Tensor<2>, [u, v]: &[Tensor<1>; 2]) -> Tensor<2> {
    let product = matrix.matmul(v.clone().unsqueeze_dim(1));
    u.clone().unsqueeze_dim(0).matmul(product)
}

fn unit(vector: Tensor<1>) -> Tensor<1> {
    let length = (vector.clone() * vector.clone()).sum().sqrt();
    vector / length.clamp_min(EPSILON)
}
