//! Gradients of a step that is computed in parts.

use crate::parameters::Gradients;

/// Adds the gradients of the micro-batches of one step. The losses of each are normalised by its own
/// hole area and multiplied by [`weight`](Self::weight) before the backward pass.
#[derive(Clone, Debug)]
pub struct Accumulation {
    micro_batches: usize,
    added: usize,
    sum: Gradients,
}

impl Accumulation {
    /// Begins a step of `micro_batches` parts.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(micro_batches: usize) -> Self {
        assert!(micro_batches > 0, "a step has at least one micro-batch");
        Self {
            micro_batches,
            added: 0,
            sum: Gradients::default(),
        }
    }

    /// Returns the factor of a micro-batch's losses.
    pub fn weight(&self) -> f32 {
        1.0 / self.micro_batches as f32
    }

    /// Adds the gradients of the next micro-batch. Returns whether it was the last one.
    pub fn add(&mut self, gradients: Gradients) -> bool {
        self.sum.add(gradients);
        self.added += 1;
        self.added == self.micro_batches
    }

    /// Returns the sum.
    ///
    /// # Panics
    /// Unless exactly the announced number of micro-batches was added.
    pub fn finish(self) -> Gradients {
        assert_eq!(self.added, self.micro_batches, "micro-batches of this step");
        self.sum
    }
}
