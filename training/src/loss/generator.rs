//! The losses of the generator and of the discriminator (spec: training, section 6).

use burn::tensor::{Tensor, activation::relu};

use super::{rest, weighted_l1};

/// The weight of the adversarial loss.
const ADVERSARIAL: f32 = 0.01;

/// The losses of the generator, each `[1]`.
#[derive(Clone, Debug)]
pub struct GeneratorLoss {
    /// The L1 loss in holes.
    pub hole: Tensor<1>,
    /// The L1 loss outside of holes.
    pub rest: Tensor<1>,
    /// The adversarial loss with its weight.
    pub adversarial: Tensor<1>,
}

/// The values of [`GeneratorLoss`] on the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneratorValues {
    /// The L1 loss in holes.
    pub hole: f32,
    /// The L1 loss outside of holes.
    pub rest: f32,
    /// The adversarial loss with its weight.
    pub adversarial: f32,
    /// The sum of the three.
    pub total: f32,
}

impl GeneratorLoss {
    /// Computes the losses over local and reference frames.
    ///
    /// - `predicted`, `truth`: `[B, T, 3, H, W]`
    /// - `holes`: `[B, T, 1, H, W]`, 0 or 1
    /// - `judged`: the discriminator's output for the composed frames
    pub fn new(
        predicted: Tensor<5>,
        truth: Tensor<5>,
        holes: Tensor<5>,
        judged: Tensor<5>,
    ) -> Self {
        let rest = rest(&holes);
        Self {
            hole: weighted_l1(predicted.clone(), truth.clone(), holes),
            rest: weighted_l1(predicted, truth, rest),
            adversarial: adversarial(judged) * ADVERSARIAL,
        }
    }

    /// Returns the total `[1]`, from which gradients go back.
    pub fn total(&self) -> Tensor<1> {
        self.hole.clone() + self.rest.clone() + self.adversarial.clone()
    }

    /// Reads the values, waiting once.
    pub fn values(&self) -> GeneratorValues {
        let terms = [&self.hole, &self.rest, &self.adversarial].map(Clone::clone);
        let all = terms.into_iter().chain([self.total()]).map(Tensor::inner);
        let values = crate::parameters::host_values(&Tensor::cat(all.collect(), 0));
        GeneratorValues {
            hole: values[0],
            rest: values[1],
            adversarial: values[2],
            total: values[3],
        }
    }
}

/// The losses of the discriminator, each `[1]`.
#[derive(Clone, Debug)]
pub struct DiscriminatorLoss {
    /// That of true clips, ⟨relu(1 − D)⟩.
    pub truth: Tensor<1>,
    /// That of composed clips, ⟨relu(1 + D)⟩.
    pub composed: Tensor<1>,
}

impl DiscriminatorLoss {
    /// Computes the losses from the discriminator's output for true clips and for composed ones,
    /// through which no gradient goes to the generator.
    pub fn new(truth: Tensor<5>, composed: Tensor<5>) -> Self {
        Self {
            truth: relu(truth.neg() + 1.0).mean(),
            composed: relu(composed + 1.0).mean(),
        }
    }

    /// Returns the total `[1]`, half the sum.
    pub fn total(&self) -> Tensor<1> {
        (self.truth.clone() + self.composed.clone()) / 2.0
    }

    /// Reads the losses of true and of composed clips and the total, waiting once.
    pub fn values(&self) -> [f32; 3] {
        let all = [self.truth.clone(), self.composed.clone(), self.total()].map(Tensor::inner);
        let values = crate::parameters::host_values(&Tensor::cat(all.to_vec(), 0));
        std::array::from_fn(|index| values[index])
    }
}

/// Returns composed frames: the prediction in holes and the truth elsewhere, `[B, T, 3, H, W]`.
pub fn compose(predicted: Tensor<5>, truth: Tensor<5>, holes: Tensor<5>) -> Tensor<5> {
    truth * rest(&holes) + predicted * holes
}

/// Returns the adversarial loss before its weight, −⟨D(c)⟩, `[1]`.
pub fn adversarial(judged: Tensor<5>) -> Tensor<1> {
    judged.mean().neg()
}
