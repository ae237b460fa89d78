//! Keeps a session to its budget while it works.

use std::{
    mem,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use burn::tensor::Device;

use super::{Faults, Meter, Needs, Notice, Plan, Reservation, Stage, Usage};
use crate::Error;

/// Windows without trouble before a larger plan is tried again, the first time.
const PATIENCE: u32 = 8;

/// The plan at work, and what leads from it to another.
#[derive(Debug)]
pub struct Guard {
    device: Device,
    meter: Meter,
    reservation: Arc<Reservation>,
    faults: Faults,
    /// Those that fit, the fastest first, with what each needs.
    plans: Vec<(Plan, Needs)>,
    at: usize,
    /// Plans left for smaller ones, the last one last.
    left: Vec<usize>,
    /// A stage is done again with the same plan, there being no smaller one.
    again: bool,
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
    /// least one. `usage` goes on from an earlier guard's, and holds the budget.
    pub fn new(
        device: Device,
        meter: Meter,
        reservation: Arc<Reservation>,
        faults: Faults,
        plans: Vec<(Plan, Needs)>,
        usage: Usage,
    ) -> Self {
        Self {
            device,
            meter,
            reservation,
            faults,
            plans,
            at: 0,
            left: Vec::new(),
            again: false,
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

    /// Runs a stage.
    ///
    /// # Errors
    /// What `work` returns, [`Error::OutOfMemory`] where that is what the device meant. The
    /// tensor library panics where a device fails; that ends here as an error.
    pub fn watch<T>(
        &mut self,
        stage: Stage,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.faults.check(stage)?;
        self.meter.start();
        let result = panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Error::Compute {
                stage: "the engine",
                problem: text.unwrap_or("a panic without a text").to_owned(),
            })
        });
        self.measure(stage);
        self.again &= result.is_err();
        result.map_err(|error| match error {
            Error::Compute { problem, .. } if means_memory(&problem) => {
                Error::OutOfMemory { stage, problem }
            }
            other => other,
        })
    }

    /// Looks at what the stage took. Above the budget, what was computed stays and the next stage
    /// has a smaller plan.
    fn measure(&mut self, stage: Stage) {
        let most = self.meter.most();
        let usage = &mut self.usage;
        usage.device = most;
        usage.device_peak = usage.device_peak.max(most);
        let peak = &mut usage.stages[stage as usize];
        *peak = most.max(*peak);
        // The meter counts the whole process.
        let allowed = usage.budget.saturating_add(self.reservation.others());
        // Near the budget, what the library's pools keep for later is given back.
        if most > allowed - allowed / 10 {
            self.device.memory_cleanup();
        }
        if most <= allowed {
            return;
        }
        if let Some(next) = self.smaller(stage) {
            let problem = format!("{most} bytes in use, {allowed} allowed");
            self.left.push(self.at);
            self.go_to(next, stage, problem);
        }
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

    /// Memory ran out: goes on to the next plan that is smaller in this stage. Where there is
    /// none, the stage may be tried once more as it is, with the pools trimmed: others may have
    /// had the memory for a moment.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where that failed, too.
    pub fn shrink(&mut self, stage: Stage, problem: String) -> Result<(), Error> {
        self.device.memory_cleanup();
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

    pub fn usage(&self) -> Usage {
        Usage {
            planned: self.plans[self.at].1.device(),
            ..self.usage
        }
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        mem::take(&mut self.notices)
    }
}

/// Whether a failure of the device is a lack of memory, in the words of the tensor library and
/// the driver.
fn means_memory(problem: &str) -> bool {
    let problem = problem.to_lowercase();
    let words = [
        "outofmemory",
        "out of memory",
        "out_of_memory",
        "bufferallocation",
    ];
    words.iter().any(|words| problem.contains(words))
}
