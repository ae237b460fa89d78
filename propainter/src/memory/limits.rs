//! The limits of a session's memory, and its reports.

use std::{fmt, str::FromStr, time::Duration};

use super::{Faults, Stage};
use crate::{Error, Precision, effort::EffortStats};

/// The limits that a user sets for a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Budget on the device in bytes, the driver's context included; on the CPU device, of host
    /// memory. 0 is the memory that is free at the start, less `vram_reserve`.
    pub vram_budget: u64,
    /// Bytes left to other programs where the budget is the free memory.
    pub vram_reserve: u64,
    /// Budget on the host in bytes for held frames, flows and features. 0 is the free memory.
    pub host_budget: u64,
    /// Bytes of both budgets that the caller holds for its frames.
    pub outside: Outside,
    /// The precision of flow completion and the generator.
    pub precision: Precision,
    /// The reductions of quality that are allowed where no exact plan fits.
    pub allow_degradation: Degradation,
    /// Faults that tests inject; none by default, and none without the feature `internals`.
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

/// Bytes that the caller holds for a session's frames, at their source and destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Bytes on the host for each frame that the session has and that is not final.
    pub frame: u64,
    /// Bytes on the host independent of the number of frames.
    pub always: u64,
    /// Bytes in the memory of a GPU for each such frame: its buffer, if it lies there.
    pub device_frame: u64,
    /// Bytes in the memory of a GPU for each frame that the session may read: its copy there, if frames
    /// are not read on the host.
    pub device_copy: u64,
    /// Bytes in the memory of a GPU independent of the number of frames.
    pub device_always: u64,
}

impl Outside {
    /// Returns the share of each of `parts` engines.
    pub(crate) fn share(self, parts: u64) -> Self {
        Self {
            frame: self.frame.div_ceil(parts),
            always: self.always.div_ceil(parts),
            device_frame: self.device_frame.div_ceil(parts),
            device_copy: self.device_copy.div_ceil(parts),
            device_always: self.device_always.div_ceil(parts),
        }
    }
}

/// One kind of reduction of quality. They are applied in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// 16-bit numbers in flow completion and the generator.
    Precision,
    /// A larger distance of reference frames, up to 40.
    References,
    /// A shorter neighbour length, down to 6, then a shorter sub-video, down to 20.
    Window,
    /// A smaller processing size, by 0.75 at a time, at least 320 pixels wide.
    Resolution,
}

impl Step {
    /// Every step, in the order in which they are applied.
    pub const ALL: [Self; 4] = [
        Self::Precision,
        Self::References,
        Self::Window,
        Self::Resolution,
    ];

    /// Returns the name that the property `allow-degradation` uses.
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
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// The set of all steps.
    pub const ALL: Self = Self(0b1111);

    /// Returns the set with `step` added.
    pub fn with(self, step: Step) -> Self {
        Self(self.0 | 1 << step as u8)
    }

    /// Returns the steps that are in either set.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether `step` is in the set.
    pub fn contains(self, step: Step) -> bool {
        self.0 & 1 << step as u8 != 0
    }

    /// Returns whether the set has no step.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Parses names separated by commas; an empty text is the empty set.
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

/// A decision of a session about its memory. The element posts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A plan was put in force.
    Planned {
        /// The plan as one line.
        plan: String,
        /// The bytes that it needs at most, by the model: on the device for the networks, on the
        /// host for the classical engine.
        bytes: u64,
        /// The budget in bytes for the same memory.
        budget: u64,
    },
    /// Memory ran out and the stage is repeated, or the budget was exceeded and later stages take
    /// less.
    Shrunk {
        /// The stage that took too much.
        stage: Stage,
        /// The message of the device, or the bytes in use and the bytes allowed.
        problem: String,
        /// The plan that is in force now, as one line; it is the same as before where none is
        /// smaller.
        plan: String,
    },
    /// A larger plan is tried again after a time without trouble.
    Grown {
        /// The plan that is in force now, as one line.
        plan: String,
    },
    /// Quality was reduced to fit the budget.
    Degraded {
        /// The kind of reduction.
        step: Step,
        /// The setting before, as text.
        from: String,
        /// The setting after, as text.
        to: String,
    },
    /// The classical engine runs because this build has no networks, although checkpoints are
    /// found, their folder is set or a GPU is named.
    NotBuilt,
    /// `vram_budget` is more than the device has; the budget is what it has.
    BudgetCapped {
        /// The bytes that the user set.
        asked: u64,
        /// The bytes that the device has.
        total: u64,
    },
    /// `device=auto` computes on the CPU although a CUDA driver is present.
    FellBack {
        /// The reason why no CUDA device is used.
        problem: String,
    },
    /// A segment may begin at this frame.
    SegmentStart {
        /// The number of the frame since the session was opened.
        frame: u64,
    },
}

/// What a session's memory on its device is measured with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MeterKind {
    /// Nothing: there are no networks.
    #[default]
    None,
    /// The tensor library's pools on a GPU, and the context.
    Pools,
    /// The allocator of the process, which counts.
    Allocator,
    /// The resident memory of the process.
    Resident,
}

impl MeterKind {
    /// Returns the name that the property `stats` uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pools => "pools",
            Self::Allocator => "allocator",
            Self::Resident => "resident",
        }
    }
}

/// The memory that a session takes now and took at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Budget on the device in bytes.
    pub budget: u64,
    /// Bytes on the device that the plan in force needs at most, by the model.
    pub planned: u64,
    /// What the bytes on the device are measured with.
    pub meter: MeterKind,
    /// Bytes that the networks of this process have on the device, as last measured.
    pub device: u64,
    /// Bytes that this process has on a GPU by the driver's figure, whatever uses them, as last
    /// asked; 0 where the driver does not list the process.
    pub by_driver: u64,
    /// Bytes that the networks of this process had on the device at most.
    pub device_peak: u64,
    /// Bytes that the networks had on the device at most in each stage, in the order of
    /// [`Stage::ALL`].
    pub stages: [u64; Stage::ALL.len()],
    /// Budget on the host in bytes for held frames, flows and features.
    pub host_budget: u64,
    /// Bytes of that budget that the plan in force needs at most, by the model.
    pub host_planned: u64,
    /// Bytes of that budget that are held now.
    pub host: u64,
    /// Bytes of that budget that were held at most.
    pub host_peak: u64,
    /// Number of times that memory ran out.
    pub out_of_memory: u64,
    /// Number of times that a larger plan was tried again.
    pub grown: u64,
    /// The reductions of quality in force.
    pub degraded: Degradation,
    /// Runs of stages so far, including failed ones.
    pub runs: u64,
    /// Time spent in those runs.
    pub computing: Duration,
    /// Floating point operations of the layers in each stage, in the order of [`Stage::ALL`].
    pub operations: [u64; Stage::ALL.len()],
    /// What the classical engine spends under a time limit.
    pub effort: EffortStats,
}

impl Usage {
    /// Returns the usage of two engines that run at the same time.
    pub(crate) fn beside(self, other: Self) -> Self {
        Self {
            budget: self.budget.saturating_add(other.budget),
            planned: self.planned + other.planned,
            // The meter counts the whole process already.
            device: self.device.max(other.device),
            by_driver: self.by_driver.max(other.by_driver),
            host: self.host + other.host,
            host_peak: self.host_peak + other.host_peak,
            host_budget: self.host_budget.saturating_add(other.host_budget),
            host_planned: self.host_planned + other.host_planned,
            degraded: self.degraded.union(other.degraded),
            effort: self.effort.and(other.effort),
            ..self.after(&other)
        }
    }

    /// Returns the usage continued from that of engines before.
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
            effort: self.effort.after(&before.effort),
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
