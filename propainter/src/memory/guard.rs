//! Keeps a session to its budget while it works.

use std::{
    mem,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Instant,
};

use burn::tensor::Device;

use super::{Faults, Meter, Needs, Notice, Plan, Reservation, Stage, Usage};
use crate::{Error, kernels::flops::counted};

/// Windows without trouble before a larger plan is tried again, the first time.
const PATIENCE: u32 = 8;

/// What a session has of its device, and how it looks there.
#[derive(Debug)]
pub struct Share {
    pub device: Device,
    pub meter: Meter,
    pub reservation: Arc<Reservation>,
    /// What the process may take, if that is not the budget and what others reserve.
    pub fixed: Option<u64>,
}

/// The plan at work, and what leads from it to another.
#[derive(Debug)]
pub struct Guard {
    share: Share,
    faults: Faults,
    /// Those that fit, the fastest first, with what each needs.
    plans: Vec<(Plan, Needs)>,
    at: usize,
    /// Plans left for smaller ones, the last one last.
    left: Vec<usize>,
    /// A stage is done again with the same plan, there being no smaller one.
    again: bool,
    /// The last stage was above the budget, with no smaller plan.
    above: bool,
    /// Whether there is another engine, with something given up.
    more_to_give_up: bool,
    /// Windows since the plan was changed, since the last trouble, and how many a larger plan
    /// waits for.
    calm: u32,
    quiet: u32,
    patience: u32,
    usage: Usage,
    notices: Vec<Notice>,
}

impl Guard {
    /// `plans`: those that fit what is reserved, the fastest first, with what each needs; at
    /// least one. `more_to_give_up`: whether another engine could follow. `usage` goes on from an
    /// earlier guard's, and holds the budget.
    pub fn new(
        share: Share,
        faults: Faults,
        plans: Vec<(Plan, Needs)>,
        more_to_give_up: bool,
        usage: Usage,
    ) -> Self {
        Self {
            share,
            faults,
            plans,
            at: 0,
            left: Vec::new(),
            again: false,
            above: false,
            more_to_give_up,
            calm: 0,
            quiet: 0,
            patience: PATIENCE,
            usage,
            notices: Vec::new(),
        }
    }

    pub fn plan(&self) -> Plan {
        self.plans[self.at].0
    }

    /// Runs a stage, and looks at what it took. Above the budget, what was computed stays and the
    /// next stage has a smaller plan.
    ///
    /// # Errors
    /// As [`Self::caught`]; [`Error::OutOfMemory`], too, where the smallest plan is above the
    /// budget again and again and more may be given up.
    pub fn watch<T>(
        &mut self,
        stage: Stage,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.share.meter.start();
        let faults = self.faults.clone();
        let start = Instant::now();
        let (result, operations) = counted(|| {
            self.caught(stage, || {
                faults.check(stage)?;
                work()
            })
        });
        self.usage.operations[stage as usize] += operations;
        self.usage.runs += 1;
        self.usage.computing += start.elapsed();
        let over = self.measure(stage);
        let value = result?;
        self.again = false;
        let Some(problem) = over else {
            self.above = false;
            return Ok(value);
        };
        (self.calm, self.quiet) = (0, 0);
        match self.smaller(stage) {
            Some(next) => {
                self.left.push(self.at);
                self.go_to(next, stage, problem);
            }
            None if !self.above => {
                self.above = true;
                self.go_to(self.at, stage, problem);
            }
            None if self.more_to_give_up => {
                // The same again would take as much.
                self.again = true;
                return Err(Error::OutOfMemory { stage, problem });
            }
            None => {}
        }
        Ok(value)
    }

    /// Runs work of a stage.
    ///
    /// # Errors
    /// What `work` returns, [`Error::OutOfMemory`] where that is what the device meant. The
    /// tensor library panics where a device fails; that ends here as an error.
    pub fn caught<T>(
        &self,
        stage: Stage,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        let result = result.unwrap_or_else(|panic| Err(Error::from_panic(&*panic)));
        result.map_err(|error| match error {
            Error::Compute { problem, .. } => match lack_of_memory(&problem) {
                Some(line) => Error::OutOfMemory {
                    stage,
                    problem: line.to_owned(),
                },
                None => Error::Compute {
                    stage: "the engine",
                    problem,
                },
            },
            other => other,
        })
    }

    /// Memory ran out: goes on to the next plan that is smaller in this stage. Where there is
    /// none, the stage may be tried once more as it is, with the pools trimmed: others may have
    /// had the memory for a moment.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where that failed, too.
    pub fn shrink(&mut self, stage: Stage, problem: String) -> Result<(), Error> {
        self.trim();
        self.usage.out_of_memory += 1;
        match self.smaller(stage) {
            Some(next) => {
                self.left.push(self.at);
                self.go_to(next, stage, problem);
            }
            None if !self.again => {
                self.again = true;
                self.go_to(self.at, stage, problem);
            }
            None => return Err(Error::OutOfMemory { stage, problem }),
        }
        Ok(())
    }

    /// Looks at what the stage took; says so where it is above the budget.
    fn measure(&mut self, stage: Stage) -> Option<String> {
        // The meter counts the whole process.
        let allowed = match self.share.fixed {
            Some(allowed) => allowed,
            None => self
                .usage
                .budget
                .saturating_add(self.share.reservation.others()),
        };
        let mut most = self.share.meter.most();
        // Near the budget, what the library's pools keep for later is given back.
        if most > allowed - allowed / 10 {
            self.trim();
            most = self.share.meter.most();
        }
        let usage = &mut self.usage;
        usage.device = most;
        usage.device_peak = usage.device_peak.max(most);
        let peak = &mut usage.stages[stage as usize];
        *peak = most.max(*peak);
        (most > allowed).then(|| format!("{most} bytes in use, {allowed} allowed"))
    }

    /// Gives back what the library's pools keep for later; it waits for the device, and a failure
    /// of that is told by the next stage.
    fn trim(&self) {
        let device = &self.share.device;
        let _ = panic::catch_unwind(AssertUnwindSafe(|| device.memory_cleanup()));
    }

    /// The next plan that takes less in a stage than the present one, if possible no more in any
    /// other.
    fn smaller(&self, stage: Stage) -> Option<usize> {
        let now = &self.plans[self.at].1;
        let less = |needs: &Needs| needs.stages[stage as usize] < now.stages[stage as usize];
        let next = self.plans.iter().enumerate().skip(self.at + 1);
        let mut next = next.filter(|(_, (_, needs))| less(needs));
        let first = next.clone().next();
        let best = next.find(|(_, (_, needs))| needs.within(now)).or(first);
        best.map(|(index, _)| index)
    }

    fn go_to(&mut self, plan: usize, stage: Stage, problem: String) {
        self.at = plan;
        self.calm = 0;
        self.quiet = 0;
        self.notices.push(Notice::Shrunk {
            stage,
            problem,
            plan: self.plan().to_string(),
        });
    }

    /// A window went well. After enough of them the plan that was left last gets another try; each
    /// try waits twice as long as the last.
    pub fn window_done(&mut self) {
        self.calm += 1;
        self.quiet += 1;
        if self.calm >= self.patience
            && let Some(plan) = self.left.pop()
        {
            self.at = plan;
            self.calm = 0;
            self.patience = self.patience.saturating_mul(2);
            self.usage.grown += 1;
            self.notices.push(Notice::Grown {
                plan: self.plan().to_string(),
            });
        }
    }

    /// Windows since the last trouble.
    pub fn quiet(&self) -> u32 {
        self.quiet
    }

    /// What is held on the host now.
    pub fn held(&mut self, bytes: u64) {
        self.usage.host = bytes;
        self.usage.host_peak = self.usage.host_peak.max(bytes);
    }

    /// The stream begins anew.
    pub fn flush(&mut self) {
        self.again = false;
        self.held(0);
    }

    pub fn usage(&self) -> Usage {
        Usage {
            planned: self.plans[self.at].1.device(),
            host_planned: self.plans[self.at].1.host,
            ..self.usage
        }
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        mem::take(&mut self.notices)
    }
}

/// The line that says so, where a failure of the device is a lack of memory, in the words of the
/// tensor library and the driver.
fn lack_of_memory(problem: &str) -> Option<&str> {
    const WORDS: [&str; 6] = [
        "out of memory",
        "out-of-memory",
        "out_of_memory",
        "outofmemory",
        "out of device memory",
        "can't allocate",
    ];
    problem.lines().map(str::trim).find(|line| {
        let line = line.to_lowercase();
        WORDS.iter().any(|words| line.contains(words))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Ledger, Reading};

    #[test]
    fn a_lack_of_memory_is_known_by_the_words_of_library_and_driver() {
        for text in [
            "out of device memory allocating 1073741824 bytes",
            "can't allocate buffer of size 99",
            "Can't allocate 512 bytes: every page size the memory tracks is exhausted",
            "An out-of-memory error happened during launch",
            "CUDA_ERROR_OUT_OF_MEMORY",
        ] {
            let whole = format!("An error happened:\n  {text}\nbacktrace:\n  0: somewhere");
            assert_eq!(lack_of_memory(&whole), Some(text));
        }
        assert_eq!(lack_of_memory("CUDA_ERROR_ILLEGAL_ADDRESS"), None);
    }

    const SMALL: u64 = 100;

    /// A guard over two plans of which the second takes less in the generator, fed with these
    /// readings of the meter.
    fn guard(used: &[u64], more_to_give_up: bool) -> Guard {
        let readings = used.iter().map(|&used| Reading {
            used,
            ..Reading::default()
        });
        let needs = |bytes| Needs {
            stages: [SMALL, SMALL, SMALL, SMALL, bytes],
            ..Needs::default()
        };
        let small = Plan {
            decoder_rows: 8,
            ..Plan::LARGEST
        };
        let share = Share {
            device: Device::flex(),
            meter: Meter::fixed(readings),
            reservation: Arc::new(Ledger::default().reserve(|_| 1000)),
            fixed: None,
        };
        let usage = Usage {
            budget: 1000,
            ..Usage::default()
        };
        let plans = vec![(Plan::LARGEST, needs(900)), (small, needs(500))];
        Guard::new(share, Faults::default(), plans, more_to_give_up, usage)
    }

    fn run(guard: &mut Guard, stage: Stage) -> Result<u8, Error> {
        guard.watch(stage, || Ok(7))
    }

    #[test]
    fn above_the_budget_the_result_stays_and_the_plan_shrinks() {
        // Above the budget the meter is read again after the pools were trimmed.
        let mut guard = guard(&[800, 1001, 1001, 700], true);
        for (peak, plan) in [(800, 0), (1001, 8), (1001, 8)] {
            assert!(matches!(run(&mut guard, Stage::Generator), Ok(7)));
            assert_eq!(guard.plan().decoder_rows, plan);
            assert_eq!(guard.usage().device_peak, peak);
        }
        let notices = guard.notices();
        assert!(
            matches!(&notices[..], [Notice::Shrunk { problem, .. }] if problem.contains("1001"))
        );
        assert_eq!(guard.usage().out_of_memory, 0);
    }

    #[test]
    fn again_above_the_budget_with_the_smallest_plan_something_has_to_be_given_up() {
        let above = [2000; 8];
        let mut may = guard(&above, true);
        assert!(run(&mut may, Stage::Flow).is_ok());
        assert!(matches!(
            run(&mut may, Stage::Flow),
            Err(Error::OutOfMemory {
                stage: Stage::Flow,
                ..
            })
        ));
        let shrunk = may.shrink(Stage::Flow, "above the budget".to_owned());
        assert!(shrunk.is_err(), "the same again would take as much");
        // With nothing to give up it goes on, and has said so once.
        let mut may_not = guard(&above, false);
        for _ in 0..3 {
            assert!(run(&mut may_not, Stage::Flow).is_ok());
        }
        assert_eq!(may_not.notices().len(), 1);
    }

    #[test]
    fn what_fails_for_want_of_memory_is_tried_smaller_then_once_as_it_is() {
        let mut guard = guard(&[10], true);
        let fail = |guard: &mut Guard| {
            let result = guard.watch(Stage::Generator, || -> Result<(), Error> {
                panic!("out of device memory allocating 5 bytes")
            });
            let Err(Error::OutOfMemory { stage, problem }) = result else {
                panic!("the words are known");
            };
            guard.shrink(stage, problem)
        };
        assert!(fail(&mut guard).is_ok());
        assert_eq!(guard.plan().decoder_rows, 8);
        assert!(fail(&mut guard).is_ok());
        assert!(fail(&mut guard).is_err());
        assert_eq!(guard.usage().out_of_memory, 3);
        assert_eq!(guard.usage().runs, 3);
    }

    #[test]
    fn the_plan_that_was_left_comes_back_after_quiet_windows_each_time_later() {
        let mut guard = guard(&[10], true);
        for patience in [PATIENCE, 2 * PATIENCE] {
            guard
                .shrink(Stage::Generator, "none".to_owned())
                .expect("a smaller plan");
            for _ in 1..patience {
                guard.window_done();
                assert_eq!(guard.plan().decoder_rows, 8);
            }
            guard.window_done();
            assert_eq!(guard.plan(), Plan::LARGEST);
        }
        assert_eq!(guard.usage().grown, 2);
    }
}
