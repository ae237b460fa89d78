//! Keeps a session within its budget while it runs: measures each stage, and changes the plan
//! where the budget is exceeded or memory runs out.

use std::{
    fmt, mem,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::{Duration, Instant},
};

use burn::tensor::Device;

use super::{Needs, Plan, reservations::Reservation};
use crate::{
    Error,
    device::cuda_faults::lost_context,
    kernels::{flops::counted, pools::free_unused},
    memory::{Faults, Notice, Stage, Usage, meter::Meter},
};

/// Time between two questions for the driver's figure.
const DRIVER_ASKED_EVERY: Duration = Duration::from_secs(2);

/// Windows without trouble after which a larger plan is tried again, the first time.
const PATIENCE: u32 = 8;

/// A session's device, with the reservation and the meter of its memory.
#[derive(Debug)]
pub struct DeviceAccess {
    pub device: Device,
    pub meter: Meter,
    pub reservation: Arc<Reservation>,
    /// Bytes that the process may have on the device; `None` for the budget and the reservations
    /// of others.
    pub process_limit: Option<u64>,
}

/// The plan in force, and the history that decides when another one replaces it. `P` is what is planned.
#[derive(Debug)]
pub struct Guard<P = Plan> {
    access: DeviceAccess,
    faults: Faults,
    /// The plans that fit, the fastest first, each with its needs.
    plans: Vec<(P, Needs)>,
    /// Index of the plan in force.
    at: usize,
    /// Indices of the larger plans that were tried, the last one last.
    tried: Vec<usize>,
    /// Whether the stage is being repeated with the same plan, because no plan is smaller.
    again: bool,
    /// Whether the last stage exceeded the budget while no plan was smaller.
    above: bool,
    /// Whether an engine of a lower quality level could follow.
    has_lower_level: bool,
    /// Windows since the plan was changed.
    since_change: u32,
    /// Windows since the last trouble.
    quiet: u32,
    /// Windows since the last change that a larger plan waits for.
    patience: u32,
    usage: Usage,
    /// When the driver was asked for its figure last.
    asked: Option<Instant>,
    notices: Vec<Notice>,
}

impl<P: Copy + fmt::Display> Guard<P> {
    /// Creates a guard that starts with the first of `plans`: at least one, the fastest first, all
    /// within the reservation. `has_lower_level` tells whether an engine of a lower quality level
    /// could follow. `usage` holds the budget and continues that of an earlier guard.
    pub fn new(
        access: DeviceAccess,
        faults: Faults,
        plans: Vec<(P, Needs)>,
        has_lower_level: bool,
        usage: Usage,
    ) -> Self {
        Self {
            access,
            faults,
            plans,
            at: 0,
            tried: Vec::new(),
            again: false,
            above: false,
            has_lower_level,
            since_change: 0,
            quiet: 0,
            patience: PATIENCE,
            usage,
            asked: None,
            notices: Vec::new(),
        }
    }

    /// Returns the plan in force.
    pub fn plan(&self) -> P {
        self.plans[self.at].0
    }

    /// Runs a stage and measures its memory. Where it exceeded the budget, its result is kept and
    /// the next stage has a smaller plan.
    ///
    /// # Errors
    /// As [`Self::caught`]; also [`Error::OutOfMemory`] where the smallest plan exceeds the budget
    /// repeatedly and a lower quality level could follow.
    pub fn watch<T>(
        &mut self,
        stage: Stage,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.access.meter.start();
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
        (self.since_change, self.quiet) = (0, 0);
        match self.smaller(stage) {
            Some(next) => {
                self.tried.push(self.at);
                self.go_to(next, stage, problem);
            }
            None if !self.above => {
                self.above = true;
                self.go_to(self.at, stage, problem);
            }
            None if self.has_lower_level => {
                // A repetition would take as much memory.
                self.again = true;
                return Err(Error::OutOfMemory { stage, problem });
            }
            None => {}
        }
        Ok(value)
    }

    /// Runs work of a stage. The tensor library panics where a device fails; a panic becomes an
    /// error here.
    ///
    /// # Errors
    /// The error of `work`, as [`Error::OutOfMemory`] or [`Error::DeviceLost`] where the device's
    /// message means that.
    pub fn caught<T>(
        &self,
        stage: Stage,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        let result = result.unwrap_or_else(|panic| Err(Error::from_panic(&*panic)));
        result.map_err(|error| match error {
            Error::Compute { problem, .. } => failure(stage, problem),
            other => other,
        })
    }

    /// Moves to the next plan that is smaller in this stage, after memory ran out in it. Where no
    /// plan is smaller, the stage may be repeated once with the same plan and trimmed pools,
    /// because other programs may have held the memory only briefly.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where the repetition failed too.
    pub fn shrink(&mut self, stage: Stage, problem: String) -> Result<(), Error> {
        free_unused(&self.access.device);
        self.usage.out_of_memory += 1;
        match self.smaller(stage) {
            Some(next) => {
                self.tried.push(self.at);
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

    /// Measures the memory of a stage. Returns a description where it exceeds the budget.
    fn measure(&mut self, stage: Stage) -> Option<String> {
        // The meter counts all sessions of the process, and no buffers of the caller.
        let allowed = match self.access.process_limit {
            Some(limit) => limit,
            None => self
                .usage
                .budget
                .saturating_add(self.access.reservation.others()),
        };
        let allowed = allowed.saturating_sub(self.plans[self.at].1.outside);
        let mut most = self.access.meter.most();
        // Above the budget, the memory that the library's pools keep for later is freed.
        if most > allowed {
            free_unused(&self.access.device);
            most = self.access.meter.most();
        }
        let usage = &mut self.usage;
        usage.meter = self.access.meter.kind();
        if self
            .asked
            .is_none_or(|asked| asked.elapsed() >= DRIVER_ASKED_EVERY)
        {
            self.asked = Some(Instant::now());
            usage.by_driver = self.access.meter.by_driver().unwrap_or(0);
        }
        usage.device = most;
        usage.device_peak = usage.device_peak.max(most);
        let peak = &mut usage.stages[stage as usize];
        *peak = most.max(*peak);
        (most > allowed).then(|| format!("{most} bytes in use, {allowed} allowed"))
    }

    /// Returns the index of the next plan that needs less memory in `stage` than the plan in force,
    /// preferably no more in any other stage.
    fn smaller(&self, stage: Stage) -> Option<usize> {
        let now = &self.plans[self.at].1;
        let less = |needs: &Needs| needs.stages[stage as usize] < now.stages[stage as usize];
        let next = self.plans.iter().enumerate().skip(self.at + 1);
        let mut next = next.filter(|(_, (_, needs))| less(needs));
        let first = next.clone().next();
        let best = next.find(|(_, (_, needs))| needs.within(now)).or(first);
        best.map(|(index, _)| index)
    }

    /// Puts a plan in force and reports it.
    fn go_to(&mut self, plan: usize, stage: Stage, problem: String) {
        self.at = plan;
        self.since_change = 0;
        self.quiet = 0;
        self.notices.push(Notice::Shrunk {
            stage,
            problem,
            plan: self.plan().to_string(),
        });
    }

    /// Counts a window without trouble. After enough of them the larger plan that was tried last
    /// is tried again; each further try waits twice as long.
    pub fn window_done(&mut self) {
        self.since_change += 1;
        self.quiet += 1;
        if self.since_change >= self.patience
            && let Some(plan) = self.tried.pop()
        {
            self.at = plan;
            self.since_change = 0;
            self.patience = self.patience.saturating_mul(2);
            self.usage.grown += 1;
            self.notices.push(Notice::Grown {
                plan: self.plan().to_string(),
            });
        }
    }

    /// Returns the number of windows since the last trouble.
    pub fn quiet(&self) -> u32 {
        self.quiet
    }

    /// Records the bytes that the session holds on the host now.
    pub fn held(&mut self, bytes: u64) {
        self.usage.host = bytes;
        self.usage.host_peak = self.usage.host_peak.max(bytes);
    }

    /// Prepares for a new stream.
    pub fn flush(&mut self) {
        self.again = false;
        self.held(0);
    }

    /// Returns the usage so far, with the needs of the plan in force.
    pub fn usage(&self) -> Usage {
        Usage {
            planned: self.plans[self.at].1.device(),
            host_planned: self.plans[self.at].1.host,
            ..self.usage
        }
    }

    /// Takes the notices since the last call, oldest first.
    pub fn notices(&mut self) -> Vec<Notice> {
        mem::take(&mut self.notices)
    }
}

/// Returns the error that a device's message means.
fn failure(stage: Stage, problem: String) -> Error {
    // A lost context also fails to allocate.
    if let Some(fault) = lost_context(&problem) {
        let problem = fault.to_owned();
        return Error::DeviceLost { problem };
    }
    match out_of_memory_line(&problem) {
        Some(line) => Error::OutOfMemory {
            stage,
            problem: line.to_owned(),
        },
        None => Error::Compute {
            stage: "the engine",
            problem,
        },
    }
}

/// Returns the line of a device's error message that says that memory ran out, if there is one.
/// The words are those of the tensor library and the driver.
fn out_of_memory_line(problem: &str) -> Option<&str> {
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
mod tests;
