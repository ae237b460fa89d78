//! Builds the engine of the networks: on which device, and with how much memory; and another one
//! where that turns out to be too much, or where there is room for a better one again.

use std::sync::Arc;

use super::Config;
use crate::{
    Cancel, DeviceChoice, Error, Numbers, Precision,
    engine::Engine,
    kernels::host,
    memory::{
        Degradation, Notice, Usage,
        ledger::{Ledger, Reservation, budget as budget_of},
        meter::Meter,
        planning::{
            Guard, Share,
            bytes::Machine,
            planner::{Budget, Level, Planner},
        },
    },
    weights,
    windows::Stream,
};
pub(crate) use crate::{memory::planning::planner::Chosen, windows::Networks};

/// Whether this build has the networks.
pub const BUILT: bool = true;

/// Windows without trouble before a better level is tried again, the first time.
const PATIENCE: u32 = 16;

/// All that an engine of the networks is built from.
pub struct NetworksBuilder {
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

/// The networks that a configuration asks for, as they are where nothing is given up.
pub fn read(config: &Config, cancel: &Cancel) -> Result<Arc<Networks>, Error> {
    let paths = weights::find(config.weights.as_deref())?;
    let device = config.device.open()?;
    cancel.check()?;
    let asked = config.limits.precision;
    let numbers = wished(asked, host::is_cpu(&device));
    Ok(Arc::new(Networks::read(&paths, device, numbers, asked)?))
}

/// The numbers to compute in, where memory allows.
fn wished(precision: Precision, on_cpu: bool) -> Numbers {
    match precision {
        Precision::Fp32 => Numbers::F32,
        Precision::Auto if on_cpu => Numbers::F32,
        Precision::Auto | Precision::Fp16 => Numbers::F16,
        Precision::Bf16 => Numbers::Bf16,
    }
}

impl NetworksBuilder {
    /// Plans for this processing size, and builds the first engine. `networks` that another
    /// engine has are not read again.
    ///
    /// # Errors
    /// Checkpoints that are missing or wrong, a device that does not open, a budget that is too
    /// small; [`Error::Cancelled`].
    pub fn open(
        config: &Config,
        processing: (usize, usize),
        cancel: &Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<(Self, Box<dyn Engine>), Error> {
        let paths = weights::find(config.weights.as_deref())?;
        let (mut builder, chosen) = Self::plan(config, paths, processing, cancel)?;
        builder.networks = networks.filter(|networks| networks.device == builder.device);
        cancel.check()?;
        let engine = builder.build(chosen, Usage::default())?;
        Ok((builder, engine))
    }

    fn plan(
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
        let on_cpu = host::is_cpu(&device);
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

    /// Where the networks run; never [`DeviceChoice::Auto`].
    pub fn device(&self) -> DeviceChoice {
        self.config.device
    }

    /// Size at which is computed, (width, height).
    pub fn processing(&self) -> (usize, usize) {
        self.level.size
    }

    /// The networks at work, for another engine.
    pub fn loaded(&self) -> Option<Arc<Networks>> {
        self.networks.clone()
    }

    /// The quality level at work, in one line.
    pub fn level(&self) -> String {
        self.level.to_string()
    }

    /// What is given up at present.
    pub fn degraded(&self) -> Degradation {
        let losses = self.level.given_up.iter();
        losses.fold(Degradation::NONE, |set, loss| set.with(loss.step))
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The next level, where memory ran out on this one; `None` where nothing more may be given up.
    pub fn worse(&mut self) -> Option<Chosen> {
        let chosen = self.choose(self.rank + 1).ok()?;
        self.left.push(self.rank);
        Some(chosen)
    }

    /// The level that was left last, once the engine had no trouble for a while; each try waits
    /// twice as long as the last.
    pub fn better(&mut self, calm: u32) -> Option<Chosen> {
        if calm < self.patience {
            return None;
        }
        let rank = *self.left.last()?;
        self.patience = self.patience.saturating_mul(2);
        let chosen = self.choose(rank).ok()?;
        if chosen.rank >= self.rank {
            return None;
        }
        self.left.pop();
        Some(chosen)
    }

    /// The level at work, once more.
    pub fn same(&mut self) -> Option<Chosen> {
        self.choose(self.rank).ok()
    }

    /// The best level for the windows of a configuration, whatever was given up before.
    pub fn plan_anew(&mut self, config: &Config) -> Result<Chosen, Error> {
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
    pub fn build(&mut self, chosen: Chosen, mut usage: Usage) -> Result<Box<dyn Engine>, Error> {
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
    fn networks(&mut self, numbers: Numbers) -> Result<Arc<Networks>, Error> {
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
    match limits.faults.plan() {
        Some(plan) => planner.only(plan),
        None => planner,
    }
}
