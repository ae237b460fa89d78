//! Chooses a plan for a budget: the fastest plan that fits at the quality asked for, then at one
//! lower quality level after the other.

pub use super::quality::{Downgrade, QualityLevel};
use super::{
    Needs, Plan,
    bytes::{ByteModel, Machine},
    quality::levels,
};
use crate::{
    Error,
    kernels::correlation::CorrelationForm,
    memory::{Degradation, Outside},
    networks::stored::Placement,
};

/// The bytes that a session may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes on the device: what the property `vram-budget` comes to.
    pub device: u64,
    /// Bytes of the host's memory for held frames, flows and features.
    pub host: u64,
}

/// A quality level with its plans that fit, the fastest first. No plan needs as much memory as a
/// faster one in every stage and on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The index of the level; 0 is the one that the user asks for.
    pub rank: usize,
    pub level: QualityLevel,
    pub plans: Vec<(Plan, Needs)>,
}

/// All quality levels and plans that a session may choose from, the best first.
#[derive(Clone, Debug)]
pub struct Planner {
    machine: Machine,
    /// Pixels of a frame at the size it is pushed.
    source: u64,
    outside: Outside,
    /// Whether the flow of a frame has a hole of its own.
    flow_holes: bool,
    levels: Vec<QualityLevel>,
    /// The plans that are considered, the fastest first.
    plans: Vec<Plan>,
}

impl Planner {
    /// Creates the planner of a session whose frames are pushed at the size `source`, (width,
    /// height), and whose user asks for the level `wanted`.
    pub fn new(
        machine: Machine,
        source: (usize, usize),
        wanted: QualityLevel,
        allowed: Degradation,
    ) -> Self {
        Self {
            machine,
            source: (source.0 * source.1) as u64,
            outside: Outside::default(),
            flow_holes: false,
            levels: levels(wanted, allowed),
            plans: plans(machine),
        }
    }

    /// Returns the planner with a part of the host's budget set aside for `outside`.
    pub fn beside(self, outside: Outside) -> Self {
        Self { outside, ..self }
    }

    /// Returns the planner of frames whose flow has a hole of its own, as it has in a border.
    pub fn with_flow_holes(self, flow_holes: bool) -> Self {
        Self { flow_holes, ..self }
    }

    /// Returns the planner with one plan to choose from.
    pub fn only(self, plan: Plan) -> Self {
        Self {
            plans: vec![plan],
            ..self
        }
    }

    /// Sets the bytes of the pages that a GPU's pools have already, and the number of those that other
    /// engines have planned.
    pub fn set_pages(&mut self, bytes: u64, others: u64) {
        if let Machine::Gpu(gpu) = &mut self.machine {
            (gpu.page, gpu.others) = (bytes, others);
        }
    }

    /// Returns the quality levels, the best first.
    pub fn levels(&self) -> &[QualityLevel] {
        &self.levels
    }

    /// Returns the first level from index `from` on that has a plan within `budget`.
    ///
    /// # Errors
    /// [`Error::Budget`] if no level has one, with the bytes that the smallest plan needs.
    pub fn choose(&self, from: usize, budget: Budget) -> Result<Chosen, Error> {
        let cap = self.machine.largest_allocation();
        let mut least: Option<Needs> = None;
        for (rank, level) in self.levels.iter().enumerate().skip(from) {
            let ladder = self.ladder(level);
            let all = ladder.iter().map(|(_, needs)| *needs);
            least = least.into_iter().chain(all).min_by_key(Needs::device);
            let fits = |needs: &Needs| {
                needs.device() <= budget.device && needs.host <= budget.host && needs.largest <= cap
            };
            let plans: Vec<_> = ladder
                .into_iter()
                .filter(|(_, needs)| fits(needs))
                .collect();
            if !plans.is_empty() {
                return Ok(Chosen {
                    rank,
                    level: level.clone(),
                    plans,
                });
            }
        }
        let least = least.unwrap_or_default();
        let (width, height) = self.levels[0].size;
        // The library allocates at most a part of the device at once.
        let parts = if least.largest > cap { 4 } else { 0 };
        let on_gpu = least.device().max(parts * least.largest);
        let on_device = on_gpu > budget.device || parts > 0;
        Err(Error::Budget {
            property: if on_device {
                "vram-budget"
            } else {
                "host-budget"
            },
            budget: if on_device {
                budget.device
            } else {
                budget.host
            },
            needed: if on_device { on_gpu } else { least.host },
            width,
            height,
        })
    }

    /// Returns the plans of a level by predicted time, without those that need at least as much
    /// memory as a faster one in every stage and on the host.
    pub fn ladder(&self, level: &QualityLevel) -> Vec<(Plan, Needs)> {
        let mut model = ByteModel::new(
            self.machine,
            [level.size.0, level.size.1],
            level.windows,
            None,
        );
        model.outside = self.outside;
        let processed = (level.size.0 * level.size.1) as u64;
        // The source's mask is kept, and its pixels where it is scaled.
        model.source = if self.source == processed {
            self.source
        } else {
            4 * self.source
        } + u64::from(self.flow_holes) * processed;
        worthwhile(self.plans.iter().map(|&plan| {
            let needs = model.needs(&plan, level.numbers);
            (plan, needs)
        }))
    }
}

/// Returns `plans`, the fastest first, without those that need at least as much memory as a faster one
/// in every stage and on the host.
pub fn worthwhile<P>(plans: impl Iterator<Item = (P, Needs)>) -> Vec<(P, Needs)> {
    let mut ladder: Vec<(P, Needs)> = Vec::new();
    for (plan, needs) in plans {
        if !ladder.iter().any(|(_, faster)| faster.within(&needs)) {
            ladder.push((plan, needs));
        }
    }
    ladder
}

/// Returns all plans of a machine, the fastest first.
fn plans(machine: Machine) -> Vec<Plan> {
    let mut plans = vec![Plan::LARGEST];
    // Each choice is made for all plans so far.
    let mut choose = |choices: &[fn(&mut Plan)]| {
        let all = plans.iter().flat_map(|plan| {
            choices.iter().map(|choice| {
                let mut plan = *plan;
                choice(&mut plan);
                plan
            })
        });
        plans = all.collect();
    };
    match machine.is_gpu() {
        // Several pairs of frames take no more launches than one.
        true => choose(&[|plan| plan.pairs = 8, |_| (), |plan| plan.pairs = 1]),
        false => choose(&[|_| (), |plan| plan.pairs = 1]),
    }
    choose(&[|_| (), |plan| plan.correlation = CorrelationForm::Features]);
    choose(&[
        |_| (),
        |plan| plan.completion_frames = 4,
        |plan| plan.completion_frames = 1,
    ]);
    choose(&[
        |_| (),
        |plan| (plan.encoder_rows, plan.decoder_rows) = (32, 32),
        |plan| (plan.encoder_rows, plan.decoder_rows) = (16, 8),
    ]);
    // The CPU device has one memory.
    if machine.is_gpu() {
        choose(&[|_| (), |plan| plan.flows = Placement::Host]);
        choose(&[|_| (), |plan| plan.features = Placement::Host]);
    }
    plans.sort_by_key(|plan| slowness(plan, machine));
    plans
}

/// Returns an estimate of the time that a plan takes beyond the fastest one, in thousandths of
/// that. It orders plans. The estimates for a GPU were not measured.
pub fn slowness(plan: &Plan, machine: Machine) -> u32 {
    let on_gpu = machine.is_gpu();
    let pick = |condition: bool, cpu: u32, gpu: u32| match (condition, on_gpu) {
        (false, _) => 0,
        (true, false) => cpu,
        (true, true) => gpu,
    };
    // On the CPU larger parts are no faster.
    let completion = match (plan.completion_frames, on_gpu) {
        (1, false) => 10,
        (4, false) => 0,
        (_, false) => 1,
        (1, true) => 100,
        (4, true) => 20,
        (_, true) => 0,
    };
    completion
        + pick(plan.pairs == 1, 5, 30)
        + pick(plan.pairs == 2, 0, 20)
        + pick(plan.correlation == CorrelationForm::Features, 150, 400)
        + pick(plan.decoder_rows > 0, 20, 40)
        + pick(plan.decoder_rows > 0 && plan.decoder_rows < 32, 40, 80)
        + pick(plan.flows == Placement::Host, 0, 60)
        + pick(plan.features == Placement::Host, 0, 100)
}
