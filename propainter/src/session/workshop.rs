//! Builds the engine: which one, on which device, and with how much memory; and another one
//! where that turns out to be too much, or where there is room for a better one again.

use std::sync::Arc;

use super::{Config, Model};
use crate::{
    DeviceChoice, Error, Numbers, Precision,
    engine::Engine,
    kernels::host,
    memory::{
        Degradation, Guard, Ledger, Meter, Notice, Reservation, Usage, budget,
        bytes::Machine,
        planner::{Budget, Chosen, Level, Planner},
    },
    propagation::Propagation,
    resize, weights,
    windows::{Networks, Reference, schedule::Cut},
};

/// Windows without trouble before a better level is tried again, the first time.
const PATIENCE: u32 = 16;

pub enum Workshop {
    /// The weights-free engine has nothing to plan.
    Propagation {
        processing: (usize, usize),
    },
    Networks(Box<Planned>),
}

/// All that an engine of the networks is built from.
pub struct Planned {
    config: Config,
    paths: weights::Paths,
    device: burn::tensor::Device,
    meter: Meter,
    reservation: Arc<Reservation>,
    budget: Budget,
    planner: Planner,
    networks: Option<Arc<Networks>>,
    /// The level at work, and the one that was planned at the start.
    rank: usize,
    planned: usize,
    level: Level,
    /// Windows without trouble that a better level waits for.
    patience: u32,
    notices: Vec<Notice>,
}

impl Workshop {
    /// The engine the settings ask for, and what may replace it.
    pub fn open(config: &Config) -> Result<(Self, Box<dyn Engine>), Error> {
        let processing = resize::processing_size(
            (config.width, config.height),
            (config.processing_width, config.processing_height),
            config.resize_ratio,
        );
        let paths = match config.model {
            Model::Propagation => None,
            Model::Propainter => Some(weights::find(config.weights.as_deref())?),
            // A folder that was named must hold the checkpoints; the usual places may be empty.
            Model::Auto if config.weights.is_some() => {
                Some(weights::find(config.weights.as_deref())?)
            }
            Model::Auto => weights::find(None).ok(),
        };
        let Some(paths) = paths else {
            let engine = Propagation::new(config.subvideo_length);
            return Ok((Self::Propagation { processing }, Box::new(engine)));
        };
        let (mut planned, chosen) = Planned::open(config, paths, processing)?;
        let engine = planned.build(chosen, Usage::default())?;
        Ok((Self::Networks(Box::new(planned)), engine))
    }

    pub fn model(&self) -> Model {
        match self {
            Self::Propagation { .. } => Model::Propagation,
            Self::Networks(_) => Model::Propainter,
        }
    }

    /// Size at which is computed, (width, height).
    pub fn processing(&self) -> (usize, usize) {
        match self {
            Self::Propagation { processing } => *processing,
            Self::Networks(planned) => planned.level.size,
        }
    }

    pub fn level(&self) -> Option<&Level> {
        match self {
            Self::Propagation { .. } => None,
            Self::Networks(planned) => Some(&planned.level),
        }
    }

    /// What is given up at present.
    pub fn degraded(&self) -> Degradation {
        let losses = self.level().into_iter().flat_map(|level| &level.given_up);
        losses.fold(Degradation::NONE, |set, loss| set.with(loss.step))
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        match self {
            Self::Propagation { .. } => Vec::new(),
            Self::Networks(planned) => std::mem::take(&mut planned.notices),
        }
    }

    /// An engine for the next level, where memory ran out on this one; `None` where nothing more
    /// may be given up.
    pub fn worse(&mut self, usage: Usage) -> Option<Result<Box<dyn Engine>, Error>> {
        let Self::Networks(planned) = self else {
            return None;
        };
        let next = planned.rank + 1;
        (next < planned.planner.levels().len()).then(|| {
            let chosen = planned.planner.choose(next, planned.budget)?;
            planned.build(chosen, usage)
        })
    }

    /// An engine for a better level, after a while without trouble on one that was not planned;
    /// each try waits twice as long as the last.
    pub fn better(&mut self, engine: &dyn Engine) -> Option<Result<Box<dyn Engine>, Error>> {
        let Self::Networks(planned) = self else {
            return None;
        };
        if planned.rank == planned.planned || engine.calm() < planned.patience {
            return None;
        }
        planned.patience = planned.patience.saturating_mul(2);
        let mut usage = engine.usage();
        usage.grown += 1;
        let (rank, level) = (planned.rank, planned.level.clone());
        let chosen = planned.planner.choose(rank - 1, planned.budget);
        let built = chosen.and_then(|chosen| planned.build(chosen, usage));
        match &built {
            Ok(engine) => planned.notices.push(Notice::Grown {
                plan: engine.plan().unwrap_or_default(),
            }),
            Err(_) => (planned.rank, planned.level) = (rank, level),
        }
        Some(built)
    }
}

impl Planned {
    fn open(
        config: &Config,
        paths: weights::Paths,
        processing: (usize, usize),
    ) -> Result<(Self, Chosen), Error> {
        // Before the device: its own context counts, too.
        let meter = Meter::open(config.device);
        let device = config.device.open()?;
        let on_cpu = host::is_cpu(&device);
        let (meter, machine, choice) = if on_cpu {
            let threads = rayon::current_num_threads() as u64;
            let choice = DeviceChoice::Cpu;
            (Meter::open(choice), Machine::Cpu { threads }, choice)
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
            cut: Cut {
                subvideo_length: config.subvideo_length,
                neighbor_length: config.neighbor_length,
                ref_stride: config.ref_stride,
            },
            size: processing,
            numbers: match limits.precision {
                Precision::Fp32 => Numbers::F32,
                Precision::Auto if on_cpu => Numbers::F32,
                Precision::Auto | Precision::Fp16 => Numbers::F16,
                Precision::Bf16 => Numbers::Bf16,
            },
            given_up: Vec::new(),
        };
        let source = (config.width, config.height);
        let planner = Planner::new(machine, source, wish.clone(), limits.allow_degradation);
        let planner = match limits.plan {
            Some(plan) => planner.only(plan),
            None => planner,
        };
        // Planned and reserved in one go: no other session counts on the same bytes meanwhile.
        let mut result = None;
        let reservation = Ledger::of(choice).reserve(|others| {
            let device = budget(limits.vram_budget, limits.vram_reserve, &meter, others);
            let budget = Budget { device, host };
            let chosen = planner.choose(0, budget);
            let bytes = match &chosen {
                Ok(chosen) => reserved(limits.vram_budget, budget, chosen),
                Err(_) => 0,
            };
            result = Some((budget, chosen));
            bytes
        });
        let (budget, chosen) = result.expect("the ledger asks once");
        let chosen = chosen?;
        let planned = Self {
            planner,
            config: config.clone(),
            paths,
            device,
            meter,
            reservation: Arc::new(reservation),
            budget,
            networks: None,
            rank: chosen.rank,
            planned: chosen.rank,
            level: wish,
            patience: PATIENCE,
            notices: Vec::new(),
        };
        Ok((planned, chosen))
    }

    /// The engine of a level with its plans; `usage` goes on.
    fn build(&mut self, chosen: Chosen, usage: Usage) -> Result<Box<dyn Engine>, Error> {
        let (plan, needs) = chosen.plans[0];
        let bytes = reserved(self.config.limits.vram_budget, self.budget, &chosen);
        self.reservation.resize(|_| bytes);
        let before = self.level.given_up.len().min(chosen.level.given_up.len());
        for loss in &chosen.level.given_up[before..] {
            self.notices.push(Notice::Degraded {
                step: loss.step,
                from: loss.from.clone(),
                to: loss.to.clone(),
            });
        }
        self.notices.push(Notice::Planned {
            plan: format!("{} {plan}", chosen.level),
            bytes: needs.device(),
            budget: self.budget.device,
        });
        let networks = self.networks(chosen.level.numbers)?;
        (self.rank, self.level) = (chosen.rank, chosen.level);
        let guard = Guard::new(
            self.device.clone(),
            self.meter.clone(),
            self.reservation.clone(),
            self.config.limits.faults.clone(),
            chosen.plans,
            Usage {
                budget: self.budget.device,
                ..usage
            },
        );
        let (cut, iterations) = (self.level.cut, self.config.raft_iterations);
        Ok(Box::new(Reference::new(networks, guard, cut, iterations)))
    }

    /// The networks in these numbers, read again where they are there in others.
    fn networks(&mut self, numbers: Numbers) -> Result<Arc<Networks>, Error> {
        let wish = &self.planner.levels()[0];
        // The user's own word, where it leaves a choice that only the checkpoints tell.
        let precision = if wish.numbers == numbers {
            self.config.limits.precision
        } else {
            Precision::Fp16
        };
        let fitting = self.networks.as_ref();
        if let Some(networks) = fitting.filter(|networks| networks.precision == precision) {
            return Ok(networks.clone());
        }
        // Both at once would be too much.
        self.networks = None;
        let networks = Networks::read(&self.paths, self.device.clone(), precision)?;
        let networks = Arc::new(networks);
        self.networks = Some(networks.clone());
        Ok(networks)
    }
}

/// Bytes to reserve of the device: the budget; where nothing was asked for and it is what is
/// free, the plan's only, as the rest is free for others, too.
fn reserved(asked: u64, budget: Budget, chosen: &Chosen) -> u64 {
    match asked {
        0 => chosen.plans[0].1.device(),
        _ => budget.device,
    }
}
