//! Builds the engine: which one, on which device, and with how much memory; and another one
//! where that turns out to be too much, or where there is room for a better one again.

use std::sync::Arc;

use super::{Config, Model, weights_free::WeightsFree};
use crate::{
    Cancel, DType, DeviceChoice, Error, Precision,
    engine::Engine,
    kernels::device,
    memory::{
        Degradation, Guard, Ledger, Meter, Notice, Reservation, Share, Usage, budget as budget_of,
        bytes::Machine,
        planner::{Budget, Chosen, Level, Planner},
    },
    resize, weights,
    windows::{Networks, Stream},
};

/// Windows without trouble before a better level is tried again, the first time.
const PATIENCE: u32 = 16;

pub enum Workshop {
    Propagation(Box<WeightsFree>),
    Networks(Box<Planned>),
}

/// All that an engine of the networks is built from.
pub struct Planned {
    config: Config,
    paths: weights::Paths,
    device: burn::tensor::Device,
    machine: Machine,
    meter: Meter,
    reservation: Arc<Reservation>,
    budget: Budget,
    planner: Planner,
    /// What the settings ask for.
    wish: Level,
    networks: Option<Arc<Networks>>,
    /// What the process may take, where the budget is what was free.
    fixed: Option<u64>,
    /// The level at work, and those left for worse ones, the last one last.
    rank: usize,
    left: Vec<usize>,
    level: Level,
    /// Windows without trouble that a better level waits for.
    patience: u32,
    notices: Vec<Notice>,
}

impl Workshop {
    /// The engine the settings ask for, and what may replace it; looks at `cancel` between steps.
    /// `networks` that another engine has are not read again.
    pub fn open(
        config: &Config,
        cancel: &Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<(Self, Box<dyn Engine>), Error> {
        cancel.check()?;
        let processing = resize::processing_size(
            (config.width, config.height),
            (config.processing_width, config.processing_height),
            config.resize_ratio,
        );
        if config.to_open() == Model::Propagation {
            let (free, engine) = WeightsFree::open(config, processing)?;
            return Ok((Self::Propagation(Box::new(free)), Box::new(engine)));
        }
        let paths = weights::find(config.weights.as_deref())?;
        let (mut planned, chosen) = Planned::open(config, paths, processing, cancel)?;
        planned.networks = networks.filter(|networks| networks.device == planned.device);
        cancel.check()?;
        let engine = planned.build(chosen, Usage::default())?;
        cancel.check()?;
        Ok((Self::Networks(Box::new(planned)), engine))
    }

    pub fn model(&self) -> Model {
        match self {
            Self::Propagation(_) => Model::Propagation,
            Self::Networks(_) => Model::Propainter,
        }
    }

    /// Where the networks run; never [`DeviceChoice::Auto`].
    pub fn device(&self) -> Option<DeviceChoice> {
        match self {
            Self::Propagation(_) => None,
            Self::Networks(planned) => Some(planned.config.device),
        }
    }

    /// Size at which is computed, (width, height).
    pub fn processing(&self) -> (usize, usize) {
        match self {
            Self::Propagation(free) => free.processing(),
            Self::Networks(planned) => planned.level.size,
        }
    }

    /// The networks at work, for another engine.
    pub fn networks(&self) -> Option<Arc<Networks>> {
        match self {
            Self::Propagation(_) => None,
            Self::Networks(planned) => planned.networks.clone(),
        }
    }

    pub fn level(&self) -> Option<&Level> {
        match self {
            Self::Propagation(_) => None,
            Self::Networks(planned) => Some(&planned.level),
        }
    }

    /// What is given up at present.
    pub fn degraded(&self) -> Degradation {
        if let Self::Propagation(free) = self {
            return free.degraded();
        }
        let losses = self.level().into_iter().flat_map(|level| &level.given_up);
        losses.fold(Degradation::NONE, |set, loss| set.with(loss.step))
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        match self {
            Self::Propagation(free) => free.notices(),
            Self::Networks(planned) => std::mem::take(&mut planned.notices),
        }
    }

    /// The next level, where memory ran out on this one; `None` where nothing more may be given up.
    pub fn worse(&mut self) -> Option<Chosen> {
        let Self::Networks(planned) = self else {
            return None;
        };
        let chosen = planned.choose(planned.rank + 1).ok()?;
        planned.left.push(planned.rank);
        Some(chosen)
    }

    /// The level that was left last, once the engine had no trouble for a while; each try waits
    /// twice as long as the last.
    pub fn better(&mut self, calm: u32) -> Option<Chosen> {
        let Self::Networks(planned) = self else {
            return None;
        };
        if calm < planned.patience {
            return None;
        }
        let rank = *planned.left.last()?;
        planned.patience = planned.patience.saturating_mul(2);
        let chosen = planned.choose(rank).ok()?;
        if chosen.rank >= planned.rank {
            return None;
        }
        planned.left.pop();
        Some(chosen)
    }

    /// Whether another engine may have to begin anew with what one holds.
    pub fn may_begin_anew(&self) -> bool {
        matches!(self, Self::Networks(_))
    }

    /// The weights-free engine at a smaller size, where one with what it holds does not fit.
    pub fn smaller(&mut self) -> Option<Box<dyn Engine>> {
        match self {
            Self::Propagation(free) => Some(Box::new(free.smaller()?)),
            Self::Networks(_) => None,
        }
    }

    /// The best level for the windows of a configuration, whatever was given up before; `None` for
    /// the weights-free engine.
    pub fn plan_anew(&mut self, config: &Config) -> Result<Option<Chosen>, Error> {
        match self {
            Self::Networks(planned) => planned.plan_anew(config).map(Some),
            Self::Propagation(free) => {
                free.look_less_far(config);
                Ok(None)
            }
        }
    }

    /// The level at work, once more.
    pub fn same(&mut self) -> Option<Chosen> {
        let Self::Networks(planned) = self else {
            return None;
        };
        planned.choose(planned.rank).ok()
    }

    /// The engine of a level. The one at work must be gone: both at once would be too much.
    pub fn build(&mut self, chosen: Chosen, usage: Usage) -> Result<Box<dyn Engine>, Error> {
        match self {
            Self::Networks(planned) => planned.build(chosen, usage),
            Self::Propagation(_) => Err(Error::Compute {
                stage: "the engine",
                problem: "the weights-free engine has no levels".to_owned(),
            }),
        }
    }
}

/// The networks that a configuration asks for, as they are where nothing is given up.
pub fn read(config: &Config, cancel: &Cancel) -> Result<Arc<Networks>, Error> {
    let paths = weights::find(config.weights.as_deref())?;
    let device = config.device.open()?;
    cancel.check()?;
    let asked = config.limits.precision;
    let numbers = wished(asked, device::is_cpu(&device));
    Ok(Arc::new(Networks::read(&paths, device, numbers, asked)?))
}

/// The numbers to compute in, where memory allows.
fn wished(precision: Precision, on_cpu: bool) -> DType {
    match precision {
        Precision::Fp32 => DType::F32,
        Precision::Auto if on_cpu => DType::F32,
        Precision::Auto | Precision::Fp16 => DType::F16,
        Precision::Bf16 => DType::Bf16,
    }
}

impl Planned {
    fn open(
        config: &Config,
        paths: weights::Paths,
        processing: (usize, usize),
        cancel: &Cancel,
    ) -> Result<(Self, Chosen), Error> {
        // Before the device: its own context counts, too.
        let meter = Meter::open(config.device);
        cancel.check()?;
        let (device, fell_back) = config.device.open_and_tell()?;
        cancel.check()?;
        let on_cpu = device::is_cpu(&device);
        let (meter, machine, choice) = if on_cpu {
            let choice = DeviceChoice::Cpu;
            (Meter::open(choice), Machine::this_cpu(), choice)
        } else {
            let choice = match config.device {
                DeviceChoice::Auto => DeviceChoice::Cuda(0),
                choice => choice,
            };
            (meter, Machine::Card, choice)
        };
        let limits = &config.limits;
        let host = match limits.host_budget {
            0 if on_cpu => u64::MAX,
            0 => Meter::open(DeviceChoice::Cpu).free().unwrap_or(u64::MAX),
            bytes => bytes,
        };
        let wish = Level {
            cut: config.cut(),
            size: processing,
            numbers: wished(limits.precision, on_cpu),
            given_up: Vec::new(),
        };
        let mut planned = Self {
            planner: planner(config, machine, &wish),
            machine,
            wish: wish.clone(),
            config: Config {
                device: choice,
                ..config.clone()
            },
            paths,
            device,
            meter,
            reservation: Arc::new(Ledger::of(choice).reserve(|_| 0)),
            budget: Budget { device: 0, host },
            fixed: None,
            networks: None,
            rank: 0,
            left: Vec::new(),
            level: wish,
            patience: PATIENCE,
            notices: fell_back
                .map(|problem| Notice::FellBack { problem })
                .into_iter()
                .collect(),
        };
        let chosen = planned.choose(0)?;
        Ok((planned, chosen))
    }

    fn plan_anew(&mut self, config: &Config) -> Result<Chosen, Error> {
        self.config.take_windows(config);
        self.wish.cut = self.config.cut();
        self.planner = planner(&self.config, self.machine, &self.wish);
        (self.rank, self.left) = (0, Vec::new());
        self.choose(0)
    }

    /// The first level from number `from` on that fits what others leave. Planned and reserved in
    /// one go: no other session counts on the same bytes meanwhile.
    fn choose(&mut self, from: usize) -> Result<Chosen, Error> {
        let before = self.reservation.bytes();
        let limits = &self.config.limits;
        let (mut budget, mut result) = (self.budget, None);
        let mut all = None;
        self.reservation.resize(|others| {
            budget.device = budget_of(limits.vram_budget, limits.vram_reserve, &self.meter, others);
            let chosen = self.planner.choose(from, budget);
            let bytes = match &chosen {
                Err(_) => before,
                // What is free belongs to others, too: only what plans need is reserved.
                Ok(chosen) if limits.vram_budget == 0 => {
                    let needs = chosen.plans.iter().map(|(_, needs)| needs.device());
                    needs.max().unwrap_or(0)
                }
                Ok(_) => budget.device,
            };
            all = Some(budget.device.saturating_add(others));
            result = Some(chosen);
            bytes
        });
        let chosen = result.expect("the ledger asks once")?;
        self.budget = budget;
        self.fixed = all.filter(|_| limits.vram_budget == 0);
        Ok(chosen)
    }

    /// The engine of a level with its plans; `usage` goes on.
    fn build(&mut self, chosen: Chosen, mut usage: Usage) -> Result<Box<dyn Engine>, Error> {
        let networks = self.networks(chosen.level.numbers)?;
        let (plan, needs) = chosen.plans[0];
        let line = format!("{} {plan}", chosen.level);
        if chosen.rank < self.rank {
            usage.grown += 1;
            self.notices.push(Notice::Grown { plan: line.clone() });
        }
        let before = self.level.given_up.len().min(chosen.level.given_up.len());
        for loss in &chosen.level.given_up[before..] {
            self.notices.push(Notice::Degraded {
                step: loss.step,
                from: loss.from.clone(),
                to: loss.to.clone(),
            });
        }
        self.notices.push(Notice::Planned {
            plan: line,
            bytes: needs.device(),
            budget: self.budget.device,
        });
        (self.rank, self.level) = (chosen.rank, chosen.level);
        self.level.numbers = networks.numbers;
        (usage.budget, usage.host_budget) = (self.budget.device, self.budget.host);
        let share = Share {
            device: self.device.clone(),
            meter: self.meter.clone(),
            reservation: self.reservation.clone(),
            fixed: self.fixed,
        };
        let guard = Guard::new(
            share,
            self.config.limits.faults.clone(),
            chosen.plans,
            self.rank + 1 < self.planner.levels().len(),
            usage,
        );
        let (cut, iterations) = (self.level.cut, self.config.raft_iterations);
        Ok(Box::new(Stream::new(networks, guard, cut, iterations)))
    }

    /// The networks in these numbers, read again where they are there in others.
    fn networks(&mut self, numbers: DType) -> Result<Arc<Networks>, Error> {
        let fitting = self.networks.as_ref();
        if let Some(networks) =
            fitting.filter(|networks| networks.numbers.bytes() == numbers.bytes())
        {
            return Ok(networks.clone());
        }
        // Both at once would be too much.
        self.networks = None;
        let (device, asked) = (self.device.clone(), self.config.limits.precision);
        let networks = Networks::read(&self.paths, device, numbers, asked)?;
        let networks = Arc::new(networks);
        self.networks = Some(networks.clone());
        Ok(networks)
    }
}

/// The levels from `wish` down, as far as the settings allow.
fn planner(config: &Config, machine: Machine, wish: &Level) -> Planner {
    let (source, limits) = ((config.width, config.height), &config.limits);
    let planner = Planner::new(machine, source, wish.clone(), limits.allow_degradation)
        .beside(limits.outside);
    match limits.plan {
        Some(plan) => planner.only(plan),
        None => planner,
    }
}
