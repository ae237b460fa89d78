//! All that changes the parameters of one network.

use super::{Adam, LossScale, MultiStep, TooManySkips};
use crate::parameters::{Gradients, Parameters};

/// Adam with its schedule and its loss scale.
#[derive(Clone, Debug)]
pub struct Optimizer {
    /// The optimiser proper.
    pub adam: Adam,
    /// The learning rates.
    pub schedule: MultiStep,
    /// The steps that the schedule counts: those that were not skipped.
    pub finished: u64,
    /// The scale of the losses.
    pub scale: LossScale,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The parameters changed, but for this number of elements, if they are counted.
    Changed {
        /// The elements that had a gradient and stayed as they were.
        still: u64,
    },
    /// The gradients were not finite, so that nothing changed but the loss scale.
    Skipped,
}

impl Optimizer {
    /// Begins with no step finished.
    pub fn new(adam: Adam, schedule: MultiStep, scale: LossScale) -> Self {
        Self {
            adam,
            schedule,
            finished: 0,
            scale,
        }
    }

    /// Takes a step along the gradients of the scaled loss.
    ///
    /// # Errors
    /// Too many steps skipped in a row.
    pub fn step(
        &mut self,
        parameters: &mut Parameters,
        gradients: Gradients,
    ) -> Result<Outcome, TooManySkips> {
        let Some(gradients) = self.scale.unscale(gradients)? else {
            return Ok(Outcome::Skipped);
        };
        let rate = self.schedule.rate(self.finished);
        let still = self.adam.step(parameters, &gradients, rate);
        self.finished += 1;
        Ok(Outcome::Changed { still })
    }
}
