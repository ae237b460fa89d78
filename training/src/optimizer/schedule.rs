//! Learning rates (spec: training, section 7).

/// The learning rate falls by a factor at milestones.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiStep {
    /// The rate before the first milestone.
    pub initial: f64,
    /// The numbers of finished steps after which the rate falls. One may be there several times.
    pub milestones: Vec<u64>,
    /// The factor of the rate at a milestone.
    pub gamma: f64,
}

impl MultiStep {
    /// Returns the official schedule of the flow completion network.
    pub fn flow_completion() -> Self {
        Self {
            initial: 5e-5,
            milestones: vec![300_000, 400_000, 500_000, 600_000],
            gamma: 0.2,
        }
    }

    /// Returns the official schedule of the generator and of the discriminator.
    pub fn generator() -> Self {
        Self {
            initial: 1e-4,
            milestones: vec![400_000],
            gamma: 0.1,
        }
    }

    /// Returns the rate of the step after `finished` steps.
    pub fn rate(&self, finished: u64) -> f64 {
        let passed = self.milestones.iter().filter(|&&m| m <= finished).count();
        self.initial * self.gamma.powi(passed as i32)
    }
}
