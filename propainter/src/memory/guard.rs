//! Keeps a session to its budget while it works.

use std::{
    mem,
    panic::{self, AssertUnwindSafe},
};

use burn::tensor::Device;

use super::{Faults, Meter, Notice, Plan, Reservation, Stage, Usage};
use crate::Error;

/// Windows without trouble before a larger plan is tried again, the first time.
const PATIENCE: u32 = 8;

/// The plan at work, and what leads from it to another.
#[derive(Debug)]
pub struct Guard {
    device: Device,
    meter: Meter,
    reservation: Reservation,
    faults: Faults,
    /// Those that fit, the fastest first, with the bytes each needs.
    plans: Vec<(Plan, u64)>,
    at: usize,
    /// Windows since the last trouble, and how many a larger plan waits for.
    calm: u32,
    patience: u32,
    usage: Usage,
    notices: Vec<Notice>,
}

impl Guard {
    /// `plans`: those that fit what is reserved, the fastest first, with the bytes each needs; at
    /// least one.
    pub fn new(
        device: Device,
        meter: Meter,
        reservation: Reservation,
        faults: Faults,
        plans: Vec<(Plan, u64)>,
    ) -> Self {
        let usage = Usage {
            budget: reservation.bytes(),
            ..Usage::default()
        };
        Self {
            device,
            meter,
            reservation,
            faults,
            plans,
            at: 0,
            calm: 0,
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
        result.map_err(|error| match error {
            Error::Compute { problem, .. } if means_memory(&problem) => {
                Error::OutOfMemory { stage, problem }
            }
            other => other,
        })
    }

    /// Looks at what the stage took. Above the budget, pools are trimmed; where that does not
    /// help, what was computed stays and the next stage has a smaller plan.
    fn measure(&mut self, stage: Stage) {
        let most = self.meter.most();
        let usage = &mut self.usage;
        usage.device = most;
        usage.device_peak = usage.device_peak.max(most);
        let peak = &mut usage.stages[stage as usize];
        *peak = most.max(*peak);
        // The meter counts the whole process.
        let allowed = usage.budget.saturating_add(self.reservation.others());
        if most <= allowed {
            return;
        }
        self.device.memory_cleanup();
        if self.at + 1 < self.plans.len() {
            self.step_down(stage, format!("{most} bytes in use, {allowed} allowed"));
        }
    }

    fn step_down(&mut self, stage: Stage, problem: String) {
        self.at += 1;
        self.calm = 0;
        self.notices.push(Notice::Shrunk {
            stage,
            problem,
            plan: self.plan().to_string(),
        });
    }

    /// Memory ran out: goes on to the next smaller plan.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where there is none.
    pub fn shrink(&mut self, stage: Stage, problem: String) -> Result<(), Error> {
        self.device.memory_cleanup();
        self.usage.out_of_memory += 1;
        if self.at + 1 == self.plans.len() {
            return Err(Error::OutOfMemory { stage, problem });
        }
        self.step_down(stage, problem);
        Ok(())
    }

    /// A window went well. After enough of them the next larger plan gets another try; each
    /// try waits twice as long as the last.
    pub fn window_done(&mut self) {
        self.calm += 1;
        if self.at > 0 && self.calm >= self.patience {
            self.at -= 1;
            self.calm = 0;
            self.patience = self.patience.saturating_mul(2);
            self.usage.grown += 1;
            self.notices.push(Notice::Grown {
                plan: self.plan().to_string(),
            });
        }
    }

    /// What is held on the host now.
    pub fn held(&mut self, bytes: u64) {
        self.usage.host = bytes;
        self.usage.host_peak = self.usage.host_peak.max(bytes);
    }

    pub fn usage(&self) -> Usage {
        Usage {
            planned: self.plans[self.at].1,
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
