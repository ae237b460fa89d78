//! What a session may take, and what it says about what it took.

use std::{fmt, str::FromStr, time::Duration};

use super::{Faults, Stage};
use crate::{Error, Precision};

/// What a session may take of the device and the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes on the device, the driver's context included; 0: what is free at the start, less
    /// `vram_reserve`. On the CPU device, bytes of host memory.
    pub vram_budget: u64,
    /// Bytes left to others where the budget is taken from what is free.
    pub vram_reserve: u64,
    /// Bytes on the host that held frames, flows and features may take; 0: no limit but what is
    /// free.
    pub host_budget: u64,
    /// What of that budget is taken by whoever pushes the frames.
    pub outside: Outside,
    pub precision: Precision,
    /// What may be given up when nothing exact fits.
    pub allow_degradation: Degradation,
    /// Faults that tests inject; none by default, and without the feature `internals`.
    pub faults: Faults,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            vram_budget: 0,
            vram_reserve: 512 << 20,
            host_budget: 0,
            outside: Outside::default(),
            precision: Precision::default(),
            allow_degradation: Degradation::ALL,
            faults: Faults::default(),
        }
    }
}

/// Bytes on the host that are held for a session's frames where they come from and where they go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// For each frame that a session has and that is not final.
    pub frame: u64,
    /// Besides.
    pub always: u64,
}

impl Outside {
    /// The share of each of so many.
    pub(crate) fn share(self, parts: u64) -> Self {
        Self {
            frame: self.frame.div_ceil(parts),
            always: self.always.div_ceil(parts),
        }
    }
}

/// One kind of loss, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// 16-bit numbers in flow completion and the generator.
    Precision,
    /// A larger distance of reference frames, up to 40.
    References,
    /// A shorter neighbour length, down to 6, then a shorter sub-video, down to 20.
    Window,
    /// A smaller processing size, by 0.75 at a time, not under 320 wide.
    Resolution,
}

impl Step {
    pub const ALL: [Self; 4] = [
        Self::Precision,
        Self::References,
        Self::Window,
        Self::Resolution,
    ];

    /// As `allow-degradation` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Precision => "precision",
            Self::References => "references",
            Self::Window => "window",
            Self::Resolution => "resolution",
        }
    }
}

/// A set of [`Step`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Degradation(u8);

impl Degradation {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(0b1111);

    pub fn with(self, step: Step) -> Self {
        Self(self.0 | 1 << step as u8)
    }

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn contains(self, step: Step) -> bool {
        self.0 & 1 << step as u8 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Names with commas between them; an empty text is the empty set.
impl FromStr for Degradation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let names = text.split(',').map(str::trim).filter(|n| !n.is_empty());
        let mut set = Self::NONE;
        for name in names {
            let step = Step::ALL.into_iter().find(|step| step.name() == name);
            let step = step.ok_or_else(|| Error::Setting {
                name: "allow-degradation",
                problem: format!("'{name}' is none of precision, references, window, resolution"),
            })?;
            set = set.with(step);
        }
        Ok(set)
    }
}

impl fmt::Display for Degradation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = Step::ALL.into_iter().filter(|step| self.contains(*step));
        let names: Vec<_> = steps.map(Step::name).collect();
        f.write_str(&names.join(","))
    }
}

/// Something the session decided about its memory; an element posts it, a user reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The plan to start with: one line, the bytes it needs, the budget.
    Planned {
        plan: String,
        bytes: u64,
        budget: u64,
    },
    /// Memory ran out and the stage is done again, or the meter was above the budget and what
    /// follows has less; by this plan, the same one where there is no smaller.
    Shrunk {
        stage: Stage,
        problem: String,
        plan: String,
    },
    /// After a while without trouble the larger plan is tried again.
    Grown { plan: String },
    /// Something was given up to fit.
    Degraded {
        step: Step,
        /// What the user asked for and what it is now, as text.
        from: String,
        to: String,
    },
    /// `model=auto` has checkpoints, but this build has no networks to run with them: the
    /// weights-free engine works.
    NotBuilt,
    /// `device=auto` computes on the CPU though a card's driver is there; why.
    FellBack { problem: String },
}

/// What a session takes now and took at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on the device that the session may take.
    pub budget: u64,
    /// Bytes on the device that the plan needs at most, by the model.
    pub planned: u64,
    /// Bytes this process has on the device, by the meter, at the last look and at most.
    pub device: u64,
    pub device_peak: u64,
    /// Bytes this process had on the device at most in each stage, in the order of
    /// [`Stage::ALL`].
    pub stages: [u64; Stage::ALL.len()],
    /// Bytes of held frames, flows and features on the host that the session may take, and that
    /// the plan needs at most, by the model.
    pub host_budget: u64,
    pub host_planned: u64,
    /// Those bytes now and at most.
    pub host: u64,
    pub host_peak: u64,
    /// Times that memory ran out, and times that a larger plan was tried again.
    pub out_of_memory: u64,
    pub grown: u64,
    /// What is given up at present.
    pub degraded: Degradation,
    /// Runs of stages so far, also of those that failed, and the time spent in them.
    pub runs: u64,
    pub computing: Duration,
    /// Floating point operations of the layers in each stage, in the order of [`Stage::ALL`].
    pub operations: [u64; Stage::ALL.len()],
}

impl Usage {
    /// Of two engines at work at once.
    pub(crate) fn beside(self, other: Self) -> Self {
        Self {
            budget: self.budget.saturating_add(other.budget),
            planned: self.planned + other.planned,
            // By the meter it is the process's already.
            device: self.device.max(other.device),
            host: self.host + other.host,
            host_peak: self.host_peak + other.host_peak,
            host_budget: self.host_budget.saturating_add(other.host_budget),
            host_planned: self.host_planned + other.host_planned,
            degraded: self.degraded.union(other.degraded),
            ..self.after(&other)
        }
    }

    /// With what engines before have done and taken at most.
    pub(crate) fn after(self, before: &Self) -> Self {
        let (mut stages, mut operations) = (self.stages, self.operations);
        for (stage, before) in stages.iter_mut().zip(before.stages) {
            *stage = before.max(*stage);
        }
        for (operations, before) in operations.iter_mut().zip(before.operations) {
            *operations += before;
        }
        Self {
            stages,
            operations,
            device_peak: self.device_peak.max(before.device_peak),
            host_peak: self.host_peak.max(before.host_peak),
            out_of_memory: self.out_of_memory + before.out_of_memory,
            grown: self.grown + before.grown,
            runs: self.runs + before.runs,
            computing: self.computing + before.computing,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_steps_read_and_write_the_same() {
        for text in [
            "",
            "precision",
            "references,window",
            "precision,references,window,resolution",
        ] {
            assert_eq!(text.parse::<Degradation>().unwrap().to_string(), text);
        }
        assert_eq!(
            " window , precision "
                .parse::<Degradation>()
                .unwrap()
                .to_string(),
            "precision,window"
        );
        let error = "colour".parse::<Degradation>().unwrap_err().to_string();
        assert!(
            error.contains("allow-degradation") && error.contains("colour"),
            "{error}"
        );
    }
}
