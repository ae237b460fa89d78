//! The scale of losses for half precision (spec: training, section 8, mixed precision).

use burn::tensor::Tensor;
use thiserror::Error;

use crate::parameters::Gradients;

/// The first scale of fp16.
const FIRST: f32 = 65536.0;
/// The clean steps after which the scale is doubled.
const CLEAN_STEPS: u32 = 2000;
/// The steps that may be skipped in a row: more than halvings from the largest useful scale.
const MOST_SKIPS: u32 = 40;

/// Gradients were not finite for too many steps in a row.
#[derive(Clone, Debug, Error, PartialEq)]
#[error(
    "the gradients of {skipped} steps in a row were not finite, the last time first in `{key}`: \
     lower the learning rate, or train in bf16 or fp32"
)]
pub struct TooManySkips {
    /// The first parameter, by key, whose gradient is not finite.
    pub key: String,
    /// The steps skipped in a row.
    pub skipped: u32,
}

/// What a loss scale remembers; it is a part of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScaleState {
    /// The factor of losses.
    pub factor: f32,
    /// The steps without a skipped one since the factor changed.
    pub clean_steps: u32,
    /// The steps skipped since the last clean one.
    pub skipped_in_a_row: u32,
    /// All steps skipped.
    pub skipped: u64,
}

/// The factor of the losses of one optimiser, so that gradients in half precision are neither lost to
/// zero nor infinite. A step whose gradients are not finite is skipped.
#[derive(Clone, Debug, PartialEq)]
pub struct LossScale {
    dynamic: bool,
    state: LossScaleState,
}

impl LossScale {
    /// A scale for fp16, which follows the gradients: it starts at 2¹⁶, doubles after 2,000 clean
    /// steps, and halves after a skipped one, down to 1.
    pub fn dynamic() -> Self {
        Self::with(true, FIRST)
    }

    /// The scale of 1, for fp32 and bf16. Steps whose gradients are not finite are skipped all the
    /// same.
    pub fn off() -> Self {
        Self::with(false, 1.0)
    }

    fn with(dynamic: bool, factor: f32) -> Self {
        let state = LossScaleState {
            factor,
            clean_steps: 0,
            skipped_in_a_row: 0,
            skipped: 0,
        };
        Self { dynamic, state }
    }

    /// Goes on from a checkpoint. A scale that is off keeps the factor 1.
    pub fn resume(self, state: LossScaleState) -> Self {
        let factor = if self.dynamic { state.factor } else { 1.0 };
        let state = LossScaleState { factor, ..state };
        Self { state, ..self }
    }

    /// Returns what a checkpoint keeps.
    pub fn state(&self) -> LossScaleState {
        self.state
    }

    /// Returns the factor of the losses.
    pub fn factor(&self) -> f32 {
        self.state.factor
    }

    /// Takes the gradients of the scaled loss of a whole step, and returns those of the loss; `None`
    /// if they are not finite, and then the step is skipped: weights, optimiser and schedule stay.
    ///
    /// # Errors
    /// Too many steps skipped in a row.
    pub fn unscale(&mut self, gradients: Gradients) -> Result<Option<Gradients>, TooManySkips> {
        let state = &mut self.state;
        if finite(&gradients) {
            let factor = state.factor;
            state.skipped_in_a_row = 0;
            state.clean_steps += 1;
            if self.dynamic && state.clean_steps == CLEAN_STEPS {
                state.clean_steps = 0;
                state.factor *= 2.0;
            }
            return Ok(Some(match factor {
                1.0 => gradients,
                factor => gradients.scaled(1.0 / factor),
            }));
        }
        state.skipped += 1;
        state.skipped_in_a_row += 1;
        state.clean_steps = 0;
        if self.dynamic {
            state.factor = (state.factor / 2.0).max(1.0);
        }
        if state.skipped_in_a_row > MOST_SKIPS {
            let bad = gradients.iter().find(|(_, gradient)| !is_finite(gradient));
            return Err(TooManySkips {
                key: bad.map_or_else(String::new, |(key, _)| key.to_owned()),
                skipped: state.skipped_in_a_row,
            });
        }
        Ok(None)
    }
}

/// Returns 0, or NaN if an element is not finite.
fn zero(gradient: &Tensor<1>) -> Tensor<1> {
    (gradient.clone() * 0.0).sum()
}

fn is_finite(gradient: &Tensor<1>) -> bool {
    zero(gradient).into_scalar::<f32>() == 0.0
}

/// Waits once for all gradients.
fn finite(gradients: &Gradients) -> bool {
    let zeros = gradients.iter().map(|(_, gradient)| zero(gradient));
    let sum = zeros.reduce(|sum, zero| sum + zero);
    sum.is_none_or(|sum| sum.into_scalar::<f32>() == 0.0)
}
