//! From a budget to plans.

use propainter::{
    DType,
    internals::memory::{
        Stage,
        budget::{Needs, planner::worthwhile},
    },
};
use thiserror::Error;

use super::{
    Plan,
    bytes::{Bytes, Sizes},
};
use crate::{networks::Computing, recompute::Segments};

/// What a planner may choose. What a user has set is not a choice.
#[derive(Clone, Debug)]
pub struct Planner {
    /// The sizes of the training.
    pub sizes: Sizes,
    /// Whether the device is a GPU.
    pub on_gpu: bool,
    /// Number of clips at once, if it is set.
    pub at_once: Option<usize>,
    /// The number types, the preferred one first.
    pub numbers: Vec<DType>,
    /// The segments that are computed again, if they are set.
    pub segments: Option<Segments>,
}

/// A budget is too small for one clip.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "--vram-budget is {budget} bytes, but a step with clips of {local} + {references} frames of \
     {width}x{height} needs {needed} with the smallest plan ({plan}); raise --vram-budget, or lower \
     --size, --local, --references or --batch"
)]
pub struct TooSmall {
    budget: u64,
    needed: u64,
    plan: Plan,
    local: usize,
    references: usize,
    width: usize,
    height: usize,
}

impl Planner {
    /// Returns the plans that are worth a try, the fastest first: none takes as much as a faster one.
    pub fn plans(&self) -> Vec<(Plan, Needs)> {
        let batch = self.sizes.batch;
        let divisors = (1..=batch).filter(|count| batch.is_multiple_of(*count));
        let at_once: Vec<_> = match self.at_once {
            Some(count) => vec![count],
            None => divisors.collect(),
        };
        let segments: Vec<_> = match self.segments {
            Some(segments) => vec![segments],
            None => Segments::choices().collect(),
        };
        let mut plans = Vec::new();
        for &numbers in &self.numbers {
            for &segments in &segments {
                let computing = Computing { numbers, segments };
                plans.extend(at_once.iter().map(|&at_once| Plan { at_once, computing }));
            }
        }
        plans.sort_by_key(|plan| {
            let bytes = self.bytes(plan).device(self.on_gpu);
            (plan.slowness(batch, self.on_gpu), bytes)
        });
        worthwhile(plans.into_iter().map(|plan| (plan, self.needs(&plan))))
    }

    /// Returns the bytes of a plan.
    pub fn bytes(&self, plan: &Plan) -> Bytes {
        self.sizes.bytes(plan)
    }

    /// Returns the plans within a budget, the fastest first: one at least.
    ///
    /// # Errors
    /// The budget is too small for the smallest plan.
    pub fn choose(&self, budget: u64) -> Result<Vec<(Plan, Needs)>, TooSmall> {
        let plans = self.plans();
        let least = plans.iter().min_by_key(|(_, needs)| needs.device());
        let least = *least.expect("a plan for every type of numbers");
        let fits = |(_, needs): &(Plan, Needs)| needs.device() <= budget;
        let fitting: Vec<_> = plans.iter().copied().filter(fits).collect();
        if !fitting.is_empty() {
            return Ok(fitting);
        }
        Err(TooSmall {
            budget,
            needed: least.1.device(),
            plan: least.0,
            local: self.sizes.local,
            references: self.sizes.references,
            width: self.sizes.size.0,
            height: self.sizes.size.1,
        })
    }

    fn needs(&self, plan: &Plan) -> Needs {
        let bytes = self.bytes(plan);
        Needs {
            // A step is one stage, whatever its name.
            stages: [bytes.device(self.on_gpu); Stage::ALL.len()],
            host: bytes.samples,
            ..Needs::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use propainter::weights::Network;

    use super::*;

    fn planner(on_gpu: bool) -> Planner {
        Planner {
            sizes: Sizes {
                network: Network::Generator,
                size: (432, 240),
                local: 10,
                references: 6,
                batch: 8,
            },
            on_gpu,
            at_once: None,
            numbers: vec![DType::F32, DType::Bf16],
            segments: None,
        }
    }

    #[test]
    fn smaller_budgets_get_slower_plans_until_one_clip_does_not_fit() {
        for on_gpu in [false, true] {
            let planner = planner(on_gpu);
            let mut before = u32::MAX;
            let largest = planner.plans()[0].1.device();
            let least = planner.choose(u64::MAX).unwrap();
            let least = least.iter().map(|(_, needs)| needs.device()).min().unwrap();
            for budget in [least, (least + largest) / 2, largest] {
                let (plan, needs) = planner.choose(budget).unwrap()[0];
                assert!(needs.device() <= budget);
                let slowness = plan.slowness(8, on_gpu);
                assert!(slowness <= before, "{plan}");
                before = slowness;
            }
            assert_eq!(before, 0);
            let error = planner.choose(least - 1).unwrap_err().to_string();
            assert!(error.contains("--vram-budget is"), "{error}");
            assert!(error.contains(&format!("needs {least}")), "{error}");
        }
    }

    #[test]
    fn what_is_set_is_not_planned() {
        let planner = Planner {
            at_once: Some(2),
            segments: Some(Segments::NONE),
            numbers: vec![DType::F16],
            ..planner(true)
        };
        let plans = planner.plans();
        assert_eq!(plans.len(), 1);
        assert_eq!(
            plans[0].0.to_string(),
            "at-once=2 precision=fp16 recompute=none"
        );
    }
}
