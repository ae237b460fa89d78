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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use burn::tensor::Device;
    use propainter::{
        DeviceChoice,
        internals::memory::{
            Faults, Usage,
            budget::{DeviceAccess, Needs, reservations::Reservations},
            meter::Meter,
        },
    };

    use super::*;
    use crate::{networks::Computing, recompute::Segments};

    /// Returns a keeper with two plans, and the second one.
    fn keeper(faults: &Faults) -> (Keeper, Plan) {
        let needs = |bytes| Needs {
            stages: [bytes; Stage::ALL.len()],
            ..Needs::default()
        };
        let computing = Computing {
            segments: Segments::ALL,
            ..Computing::default()
        };
        let small = Plan {
            at_once: 1,
            computing,
        };
        let access = DeviceAccess {
            device: Device::flex(),
            meter: Meter::open(DeviceChoice::Cpu),
            reservation: Arc::new(Reservations::default().reserve(|_| 1)),
            process_limit: Some(u64::MAX),
        };
        let plans = vec![(Plan::default(), needs(2)), (small, needs(1))];
        let guard = Guard::new(access, faults.clone(), plans, false, Usage::default());
        (Keeper::guarded(guard), small)
    }

    #[test]
    fn where_memory_runs_out_the_step_is_repeated_by_a_smaller_plan() {
        let faults = Faults::default();
        faults.out_of_memory(Stage::Generator, 0);
        let (mut keeper, small) = keeper(&faults);
        let plan = keeper.keep(Stage::Generator, Ok).unwrap();
        assert_eq!((plan, keeper.plan()), (small, small));
        let notices = keeper.notices();
        assert_eq!(notices.len(), 1);
        assert!(notices[0].contains("steps go on with at-once=1 precision=fp32 recompute=all"));
    }

    #[test]
    fn a_device_that_panics_for_want_of_memory_is_caught_until_no_plan_is_left() {
        let (mut keeper, small) = keeper(&Faults::default());
        let mut tried = Vec::new();
        let result = keeper.keep(Stage::Completion, |plan| -> Result<(), TrainError> {
            tried.push(plan);
            panic!("out of device memory allocating 9 bytes")
        });
        // The smallest one is tried twice: other programs may have held the memory.
        assert_eq!(tried, [Plan::default(), small, small]);
        let error = result.unwrap_err().downcast::<Error>().unwrap();
        assert!(matches!(*error, Error::OutOfMemory { .. }), "{error}");
    }

    #[test]
    fn other_errors_end_the_step() {
        let (mut keeper, _) = keeper(&Faults::default());
        let mut calls = 0;
        let result = keeper.keep(Stage::Completion, |_| -> Result<(), TrainError> {
            calls += 1;
            Err("a broken file".into())
        });
        assert_eq!(
            (result.unwrap_err().to_string().as_str(), calls),
            ("a broken file", 1)
        );
    }
}
