//! From a budget to a plan: what is exact first, the fastest that fits; then, step by step, what
//! is given up.

use std::fmt;

use super::{
    Degradation, Needs, Outside, Plan, Step,
    bytes::{Machine, Scene},
};
use crate::{
    DType, Error, kernels::correlation::CorrelationForm, networks::stored::Placement,
    windows::schedule::Cut,
};

/// How far each step goes.
const LARGEST_STRIDE: usize = 40;
const SMALLEST_NEIGHBORS: usize = 6;
const SMALLEST_SUBVIDEO: usize = 20;
const SMALLEST_WIDTH: usize = 320;

/// What frames are computed with: the user's wish or less.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    pub cut: Cut,
    /// Processing size, (width, height), multiples of 8.
    pub size: (usize, usize),
    pub numbers: DType,
    /// What was given up, in order.
    pub given_up: Vec<Loss>,
}

/// One thing given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub step: Step,
    pub from: String,
    pub to: String,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height) = self.size;
        let Cut {
            subvideo_length,
            neighbor_length,
            ref_stride,
            ..
        } = self.cut;
        let numbers = match self.numbers {
            DType::F32 => "fp32",
            DType::F16 => "fp16",
            DType::Bf16 => "bf16",
        };
        write!(
            f,
            "{width}x{height} {numbers} subvideo-length={subvideo_length} \
             neighbor-length={neighbor_length} ref-stride={ref_stride}"
        )?;
        match self.cut.ahead() {
            Some(ahead) => write!(f, " lookahead={ahead}"),
            None => Ok(()),
        }
    }
}

/// Bytes a session may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub device: u64,
    pub host: u64,
}

/// A level with its plans that fit, the fastest first; none takes at least as much as a faster one
/// everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The number of the level; 0 is the user's wish.
    pub rank: usize,
    pub level: Level,
    pub plans: Vec<(Plan, Needs)>,
}

/// All that a session could do, the best first.
#[derive(Clone, Debug)]
pub struct Planner {
    machine: Machine,
    /// Pixels of a frame as it is pushed.
    source: u64,
    outside: Outside,
    levels: Vec<Level>,
    /// All that are tried.
    plans: Vec<Plan>,
}

impl Planner {
    /// `source`: size of the frames that are pushed; `wish`: what the user wants.
    pub fn new(
        machine: Machine,
        source: (usize, usize),
        wish: Level,
        allowed: Degradation,
    ) -> Self {
        Self {
            machine,
            source: (source.0 * source.1) as u64,
            outside: Outside::default(),
            levels: levels(wish, allowed),
            plans: plans(machine),
        }
    }

    /// With what of the host's budget is held elsewhere.
    pub fn beside(self, outside: Outside) -> Self {
        Self { outside, ..self }
    }

    /// With one plan to choose from.
    pub fn only(self, plan: Plan) -> Self {
        Self {
            plans: vec![plan],
            ..self
        }
    }

    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The first level from number `from` on with a plan within `budget`.
    ///
    /// # Errors
    /// [`Error::Budget`] where there is none, with what the smallest plan needs.
    pub fn choose(&self, from: usize, budget: Budget) -> Result<Chosen, Error> {
        let mut least: Option<Needs> = None;
        for (rank, level) in self.levels.iter().enumerate().skip(from) {
            let ladder = self.ladder(level);
            let all = ladder.iter().map(|(_, needs)| *needs);
            least = least.into_iter().chain(all).min_by_key(Needs::device);
            let fits = |needs: &Needs| needs.device() <= budget.device && needs.host <= budget.host;
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
        let on_device = least.device() > budget.device;
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
            needed: if on_device {
                least.device()
            } else {
                least.host
            },
            width,
            height,
        })
    }

    /// A level's plans by predicted time, without those that a faster one stays within everywhere.
    pub fn ladder(&self, level: &Level) -> Vec<(Plan, Needs)> {
        let mut scene = Scene::new(self.machine, [level.size.0, level.size.1], level.cut, None);
        scene.outside = self.outside;
        let processed = (level.size.0 * level.size.1) as u64;
        // The source's mask is kept, and its picture where it is scaled.
        scene.source = if self.source == processed {
            self.source
        } else {
            4 * self.source
        };
        let mut ladder: Vec<(Plan, Needs)> = Vec::new();
        for &plan in &self.plans {
            let needs = scene.needs(&plan, level.numbers);
            if !ladder.iter().any(|(_, faster)| faster.within(&needs)) {
                ladder.push((plan, needs));
            }
        }
        ladder
    }
}

/// The wish, then each level with one more loss.
fn levels(wish: Level, allowed: Degradation) -> Vec<Level> {
    let mut levels = vec![wish];
    let steps = Step::ALL.into_iter().filter(|step| allowed.contains(*step));
    for step in steps {
        while let Some(next) = levels.last().and_then(|level| worse(level, step)) {
            levels.push(next);
        }
    }
    levels
}

/// One loss more of a kind; `None` where it goes no further.
fn worse(level: &Level, step: Step) -> Option<Level> {
    let mut next = level.clone();
    let cut = &mut next.cut;
    let loss = |name: &str, from: usize, to: usize| Loss {
        step,
        from: format!("{name}={from}"),
        to: format!("{name}={to}"),
    };
    let loss = match step {
        Step::Precision => {
            if level.numbers != DType::F32 {
                return None;
            }
            next.numbers = DType::F16;
            Loss {
                step,
                from: "precision=fp32".to_owned(),
                to: "precision=fp16".to_owned(),
            }
        }
        Step::References => {
            let from = cut.ref_stride;
            cut.ref_stride = (2 * from).min(LARGEST_STRIDE);
            if cut.ref_stride <= from {
                return None;
            }
            loss("ref-stride", from, cut.ref_stride)
        }
        Step::Window if cut.neighbor_length > SMALLEST_NEIGHBORS => {
            let from = cut.neighbor_length;
            cut.neighbor_length = (from - 2).max(SMALLEST_NEIGHBORS);
            loss("neighbor-length", from, cut.neighbor_length)
        }
        Step::Window => {
            let from = cut.subvideo_length;
            if from <= SMALLEST_SUBVIDEO {
                return None;
            }
            cut.subvideo_length = (from * 3 / 4).max(SMALLEST_SUBVIDEO);
            loss("subvideo-length", from, cut.subvideo_length)
        }
        Step::Resolution => {
            let (width, height) = level.size;
            next.size = smaller(level.size)?;
            Loss {
                step,
                from: format!("{width}x{height}"),
                to: format!("{}x{}", next.size.0, next.size.1),
            }
        }
    };
    next.given_up.push(loss);
    Some(next)
}

/// The next smaller processing size; `None` below the smallest.
pub(crate) fn smaller((width, height): (usize, usize)) -> Option<(usize, usize)> {
    let smaller = |side: usize| (side * 3 / 4 / 8 * 8).max(8);
    let size = (smaller(width), smaller(height));
    (size.0 >= SMALLEST_WIDTH).then_some(size)
}

/// All plans of a machine, the fastest first.
fn plans(machine: Machine) -> Vec<Plan> {
    let mut plans = vec![Plan::LARGEST];
    // One choice after the other, each for all plans so far.
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
    choose(&[|_| (), |plan| plan.pairs = 1]);
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
    if machine == Machine::Card {
        choose(&[|_| (), |plan| plan.flows = Placement::Host]);
        choose(&[|_| (), |plan| plan.features = Placement::Host]);
    }
    plans.sort_by_key(|plan| slowness(plan, machine));
    plans
}

/// Thousandths of the largest plan's time that a plan takes longer: estimates that order plans.
/// On a card none of them was measured.
fn slowness(plan: &Plan, machine: Machine) -> u32 {
    let card = machine == Machine::Card;
    let pick = |condition: bool, cpu: u32, on_card: u32| match (condition, card) {
        (false, _) => 0,
        (true, false) => cpu,
        (true, true) => on_card,
    };
    // On the CPU larger parts win nothing.
    let completion = match (plan.completion_frames, card) {
        (1, false) => 10,
        (4, false) => 0,
        (_, false) => 1,
        (1, true) => 100,
        (4, true) => 20,
        (_, true) => 0,
    };
    completion
        + pick(plan.pairs == 1, 5, 30)
        + pick(plan.correlation == CorrelationForm::Features, 150, 400)
        + pick(plan.decoder_rows > 0, 20, 40)
        + pick(plan.decoder_rows > 0 && plan.decoder_rows < 32, 40, 80)
        + pick(plan.flows == Placement::Host, 0, 60)
        + pick(plan.features == Placement::Host, 0, 100)
}
