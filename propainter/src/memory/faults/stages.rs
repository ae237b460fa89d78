//! Faults of the networks' stages, and plans that tests force.

use super::Faults;
use crate::{
    Error,
    memory::{Stage, plan::Plan},
};

/// What is planted for the stages.
#[derive(Debug, Default)]
pub(super) struct Stages {
    faults: Vec<Fault>,
    /// The plan that is forced.
    plan: Option<Plan>,
}

#[derive(Debug)]
struct Fault {
    stage: Stage,
    /// Number of runs of the stage that succeed before.
    after: usize,
}

impl Faults {
    /// Plants an out-of-memory error at the stage's run number `after`, counted from 0 from now on.
    pub fn out_of_memory(&self, stage: Stage, after: usize) {
        self.planted().stages.faults.push(Fault { stage, after });
    }

    /// Returns faults that only force the plan: sessions use `plan`, whatever the planner would
    /// choose.
    pub fn force_plan(plan: Plan) -> Self {
        let faults = Self::default();
        faults.planted().stages.plan = Some(plan);
        faults
    }

    /// Returns the plan that is forced, if there is one.
    pub(crate) fn plan(&self) -> Option<Plan> {
        self.planted().stages.plan
    }

    /// Returns the number of faults that have not occurred yet.
    pub fn pending(&self) -> usize {
        self.planted().stages.faults.len()
    }

    /// Counts a run of `stage`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where a fault is due.
    pub(crate) fn check(&self, stage: Stage) -> Result<(), Error> {
        let mut planted = self.planted();
        let mut due = false;
        planted.stages.faults.retain_mut(|fault| {
            if fault.stage != stage {
                return true;
            }
            due |= fault.after == 0;
            fault.after > 0 && {
                fault.after -= 1;
                true
            }
        });
        if due {
            Err(Error::OutOfMemory {
                stage,
                problem: "injected by a test".to_owned(),
            })
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_comes_once_at_its_run() {
        let faults = Faults::default();
        faults.out_of_memory(Stage::Generator, 2);
        let runs = [
            Stage::Generator,
            Stage::Flow,
            Stage::Generator,
            Stage::Generator,
            Stage::Generator,
        ];
        let failed: Vec<_> = runs.map(|stage| faults.check(stage).is_err()).into();
        assert_eq!(failed, [false, false, false, true, false]);
        assert_eq!(faults.pending(), 0);
    }
}
