//! A memory plan of each kind, with the bytes that the model predicts for a short clip.

use crate::{
    Config, DType, DeviceChoice,
    kernels::correlation::CorrelationForm,
    memory::{
        Degradation, Stage,
        budget::{
            Plan,
            bytes::{ByteModel, Gpu, Machine},
            planner::{Budget, Planner, QualityLevel},
        },
        meter::Meter,
    },
    networks::stored::Placement,
};

/// A plan, and what the model says of it.
pub struct PlanTest {
    /// The kind of plan: what sets it apart.
    pub kind: &'static str,
    /// The plan as one line, which [`Session::plan`](crate::Session::plan) ends with.
    pub plan: String,
    /// The budget on the device under which a session chooses this plan, in bytes.
    pub budget: u64,
    /// The bytes on the device that a clip of this length takes in each stage, in the order of
    /// [`Stage::ALL`].
    pub predicted: [u64; Stage::ALL.len()],
}

impl PlanTest {
    /// Returns the bytes that a session takes on the device: those of a stream of any length, from the
    /// start.
    pub fn peak(&self) -> u64 {
        self.budget
    }
}

/// Whether a plan is of a kind.
type IsOfKind = fn(&Plan) -> bool;

/// The kinds, the most important first. The first plan that is of a kind is taken.
const KINDS: [(&str, IsOfKind); 4] = [
    ("fastest", |_| true),
    ("correlation from features", |plan| {
        plan.correlation == CorrelationForm::Features
    }),
    ("flows on the host", |plan| plan.flows == Placement::Host),
    ("flows and features on the host", |plan| {
        (plan.flows, plan.features) == (Placement::Host, Placement::Host)
    }),
];

/// Returns a plan of each kind for a session of `config` in the data type `dtype` on a GPU, the one
/// that takes the least memory first, with the predictions for a clip of `frames` frames.
pub fn plans(config: &Config, dtype: DType, frames: usize) -> Vec<PlanTest> {
    let size = [config.width, config.height].map(|side| side / 8 * 8);
    let level = QualityLevel {
        windows: config.window_params(),
        size: size.into(),
        numbers: dtype,
        downgrades: Vec::new(),
    };
    let source = (config.width, config.height);
    let machine = machine(config.device);
    let planner = Planner::new(machine, source, level.clone(), Degradation::NONE);
    let ladder = planner.ladder(&level);
    let model = ByteModel::new(machine, size, level.windows, Some(frames));
    let mut tests: Vec<PlanTest> = Vec::new();
    let mut add = |kind: &'static str, plan: Plan, budget: u64| {
        let limits = Budget {
            device: budget,
            host: u64::MAX,
        };
        let chosen = planner.choose(0, limits);
        let is_chosen = chosen.is_ok_and(|chosen| chosen.plans[0].0 == plan);
        let line = plan.to_string();
        // A faster plan may fit into the same bytes.
        if is_chosen && tests.iter().all(|test| test.plan != line) {
            let needs = model.needs(&plan, dtype);
            tests.push(PlanTest {
                kind,
                plan: line,
                budget,
                predicted: needs.stages,
            });
        }
    };
    for (kind, is_of_kind) in KINDS {
        if let Some((plan, needs)) = ladder.iter().find(|(plan, _)| is_of_kind(plan)) {
            add(kind, *plan, needs.device());
        }
    }
    let smallest = ladder.iter().min_by_key(|(_, needs)| needs.device());
    if let Some((plan, needs)) = smallest {
        add("smallest", *plan, needs.device());
    }
    tests.sort_by_key(|test| test.budget);
    tests
}

/// Returns what the byte model knows of the device, or of one with 24 GB if that tells nothing.
fn machine(device: DeviceChoice) -> Machine {
    let meter = Meter::open(device);
    Machine::Gpu(Gpu {
        context: meter.context(),
        ..Gpu::usual(meter.total().unwrap_or(24 << 30))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_of_all_kinds_are_found_the_smallest_first() {
        let config = Config::new(432, 240);
        let tests = plans(&config, DType::F16, 20);
        assert!(tests.len() >= 2);
        assert!(tests.is_sorted_by_key(|test| test.budget));
        for test in &tests {
            let stages = test.predicted.iter();
            assert!(stages.max() <= Some(&test.peak()), "{}", test.plan);
        }
        assert!(tests.iter().any(|test| test.kind == "fastest"));
    }
}
