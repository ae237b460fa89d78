//! Computes steps by a plan, and by a smaller one where memory runs out.

use propainter::{
    Error,
    internals::memory::{Notice, Stage, budget::Guard},
};

use super::Plan;
use crate::run::trainer::TrainError;

/// The plans of a training: one for all steps, or those of a guard, which keeps to a budget.
#[derive(Debug)]
pub struct Keeper(Plans);

#[derive(Debug)]
enum Plans {
    Fixed(Plan),
    Guarded(Box<Guard<Plan>>),
}

impl Default for Keeper {
    fn default() -> Self {
        Self::fixed(Plan::default())
    }
}

impl Keeper {
    /// Creates a keeper that knows one plan. An error ends the step.
    pub fn fixed(plan: Plan) -> Self {
        Self(Plans::Fixed(plan))
    }

    /// Creates a keeper that goes from plan to plan where memory runs out.
    pub fn guarded(guard: Guard<Plan>) -> Self {
        Self(Plans::Guarded(Box::new(guard)))
    }

    /// Returns the plan in force.
    pub fn plan(&self) -> Plan {
        match &self.0 {
            Plans::Fixed(plan) => *plan,
            Plans::Guarded(guard) => guard.plan(),
        }
    }

    /// Computes by the plan in force. If memory runs out, it is computed again by the next plan that
    /// takes less; so `compute` must not change anything before it succeeds. If it takes more than the
    /// budget, the result counts, and the next call has the smaller plan.
    ///
    /// # Errors
    /// That of `compute`; [`Error::OutOfMemory`] if memory also runs out with the smallest plan.
    pub fn keep<T>(
        &mut self,
        stage: Stage,
        mut compute: impl FnMut(Plan) -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        let guard = match &mut self.0 {
            Plans::Fixed(plan) => return compute(*plan),
            Plans::Guarded(guard) => guard,
        };
        loop {
            let plan = guard.plan();
            let result = guard.watch(stage, || match compute(plan) {
                Ok(value) => Ok(Ok(value)),
                Err(error) => error.downcast::<Error>().map_or_else(
                    |other| Ok(Err(other)),
                    // The guard knows those that mean that memory ran out.
                    |error| Err(*error),
                ),
            });
            match result {
                Err(Error::OutOfMemory { stage, problem }) => guard.shrink(stage, problem)?,
                result => return result?,
            }
        }
    }

    /// Takes the remarks on plans that were changed.
    pub fn notices(&mut self) -> Vec<String> {
        let Plans::Guarded(guard) = &mut self.0 else {
            return Vec::new();
        };
        let text = |notice| match notice {
            Notice::Shrunk { problem, plan, .. } => {
                Some(format!("memory: {problem}; steps go on with {plan}"))
            }
            _ => None,
        };
        guard.notices().into_iter().filter_map(text).collect()
    }
}
