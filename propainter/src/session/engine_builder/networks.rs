//! Builds the engine of the networks at the best quality level that fits the device's memory.

use std::sync::Arc;

use burn::tensor::Device;

use super::{
    super::{canvas::Canvas, config::Config},
    shared,
};
use crate::{
    Cancel, DType, DeviceChoice, Error, Precision,
    engine::Engine,
    kernels::{device::is_cpu, pools::Pools},
    memory::{
        Degradation, Notice, Usage,
        budget::{
            DeviceAccess, Guard,
            bytes::{Gpu, Machine},
            planner::{Budget, Planner, QualityLevel},
            reservations::{Reservation, Reservations},
            vram_budget::VramBudget,
        },
        meter::Meter,
    },
    stream::{PlannedPages, StreamEngine},
    weights::{WeightsError, WeightsSource},
};
pub(crate) use crate::{memory::budget::planner::Chosen, stream::Networks};

/// Windows without trouble after which a better level is tried again, the first time.
const PATIENCE: u32 = 16;

/// Everything that an engine of the networks is built from.
pub struct NetworksBuilder {
    config: Config,
    weights: WeightsSource,
    device: Device,
    machine: Machine,
    meter: Meter,
    reservation: Arc<Reservation>,
    budget: Budget,
    planner: Planner,
    /// The level that the settings ask for.
    wanted: QualityLevel,
    networks: Option<Arc<Networks>>,
    /// The pages of the engine in use.
    pages: Option<PlannedPages>,
    /// Bytes that the process may take, if the budget is the memory that was free.
    process_limit: Option<u64>,
    /// Rank of the level in force.
    rank: usize,
    /// Ranks of the better levels that were tried, the last one last.
    tried: Vec<usize>,
    level: QualityLevel,
    /// Windows without trouble that a better level waits for.
    patience: u32,
    notices: Vec<Notice>,
}

/// Reads the networks that a configuration asks for, in the precision of the best level.
///
/// # Errors
/// Checkpoints that are missing or wrong; a device that does not open; [`Error::Cancelled`].
pub fn read(config: &Config, cancel: &Cancel) -> Result<Arc<Networks>, Error> {
    let weights = weights(config)?;
    let (device, ..) = open_device(config.device)?;
    cancel.check()?;
    let asked = config.limits.precision;
    let numbers = wanted_numbers(asked, is_cpu(&device));
    let choice = match config.device {
        DeviceChoice::Auto => DeviceChoice::Cuda(0),
        choice => choice,
    };
    shared::read(&weights, (device, choice), numbers, asked)
}

/// Finds the weights of a configuration.
fn weights(config: &Config) -> Result<WeightsSource, WeightsError> {
    WeightsSource::find(config.weights.as_deref(), config.generated_weights)
}

/// Opens a device with the meter of its memory. Also returns why `auto` fell back to the CPU, as
/// [`DeviceChoice::open_and_tell`] does.
fn open_device(choice: DeviceChoice) -> Result<(Device, Meter, Option<String>), Error> {
    // Opened before the device, because the device's own context counts too.
    let meter = Meter::open(choice);
    let (device, fell_back) = choice.open_and_tell()?;
    let Some(pools) = Pools::of(&device) else {
        return Ok((device, Meter::open(DeviceChoice::Cpu), fell_back));
    };
    meter.attach(move || pools.reserved());
    Ok((device, meter, fell_back))
}

/// Returns what the byte model needs to know of a GPU.
fn gpu(device: &Device, meter: &Meter) -> Machine {
    let largest = Pools::of(device).map(|pools| pools.largest_allocation());
    Machine::Gpu(Gpu {
        context: meter.context(),
        largest: largest.unwrap_or(u64::MAX),
        page: 0,
        others: 0,
    })
}

/// Returns the number type to compute in, if memory allows.
fn wanted_numbers(precision: Precision, on_cpu: bool) -> DType {
    match precision {
        Precision::Fp32 => DType::F32,
        // On the CPU there is no other product of 32 bits than the exact one.
        Precision::Tf32 if on_cpu => DType::F32,
        Precision::Tf32 => DType::Tf32,
        Precision::Auto if on_cpu => DType::F32,
        Precision::Auto | Precision::Fp16 => DType::F16,
        Precision::Bf16 => DType::Bf16,
    }
}

/// Gives the device's memory back that the engine no longer uses, where others use the networks still.
impl Drop for NetworksBuilder {
    fn drop(&mut self) {
        self.pages = None;
        if let Some(networks) = self.networks.take() {
            networks.stream.free_unused();
        }
    }
}

impl NetworksBuilder {
    /// Opens the device, plans its memory and builds the first engine, at this processing size.
    /// Uses `networks` if they are on the same device.
    ///
    /// # Errors
    /// As [`EngineBuilder::open`](super::EngineBuilder::open).
    pub fn open(
        config: &Config,
        processing: (usize, usize),
        cancel: &Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<(Self, Box<dyn Engine>), Error> {
        let weights = weights(config)?;
        let (mut builder, chosen) = Self::plan(config, weights, processing, cancel, networks)?;
        cancel.check()?;
        let engine = builder.build(chosen, Usage::default())?;
        Ok((builder, engine))
    }

    fn plan(
        config: &Config,
        weights: WeightsSource,
        processing: (usize, usize),
        cancel: &Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<(Self, Chosen), Error> {
        cancel.check()?;
        let (device, meter, fell_back) = open_device(config.device)?;
        cancel.check()?;
        let on_cpu = is_cpu(&device);
        let (machine, choice) = match config.device {
            _ if on_cpu => (Machine::this_cpu(), DeviceChoice::Cpu),
            DeviceChoice::Auto => (gpu(&device, &meter), DeviceChoice::Cuda(0)),
            choice => (gpu(&device, &meter), choice),
        };
        let limits = &config.limits;
        let host = match limits.host_budget {
            0 if on_cpu => u64::MAX,
            0 => Meter::open(DeviceChoice::Cpu).free().unwrap_or(u64::MAX),
            bytes => bytes,
        };
        let wanted = QualityLevel {
            windows: config.window_params(),
            size: processing,
            numbers: wanted_numbers(limits.precision, on_cpu),
            downgrades: Vec::new(),
        };
        let mut builder = Self {
            planner: planner(config, machine, &wanted),
            machine,
            wanted: wanted.clone(),
            config: Config {
                device: choice,
                ..config.clone()
            },
            weights,
            networks: networks.filter(|networks| networks.device == device),
            pages: None,
            device,
            meter,
            reservation: Arc::new(Reservations::of(choice).reserve(|_| 0)),
            budget: Budget { device: 0, host },
            process_limit: None,
            rank: 0,
            tried: Vec::new(),
            level: wanted,
            patience: PATIENCE,
            notices: fell_back
                .map(|problem| Notice::FellBack { problem })
                .into_iter()
                .collect(),
        };
        let capped = VramBudget::of(limits).capped(&builder.meter);
        builder.notices.extend(capped);
        let chosen = builder.choose(0)?;
        Ok((builder, chosen))
    }

    pub fn device(&self) -> DeviceChoice {
        self.config.device
    }

    pub fn processing(&self) -> (usize, usize) {
        self.level.size
    }

    /// Returns the quality level in force as one line.
    pub fn level(&self) -> String {
        self.level.to_string()
    }

    pub fn degraded(&self) -> Degradation {
        let downgrades = self.level.downgrades.iter();
        downgrades.fold(Degradation::NONE, |set, downgrade| set.with(downgrade.step))
    }

    pub fn loaded(&self) -> Option<Arc<Networks>> {
        self.networks.clone()
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    pub fn next_lower(&mut self) -> Option<Chosen> {
        let chosen = self.choose(self.rank + 1).ok()?;
        self.tried.push(self.rank);
        Some(chosen)
    }

    pub fn better(&mut self, quiet_windows: u32) -> Option<Chosen> {
        if quiet_windows < self.patience {
            return None;
        }
        let rank = *self.tried.last()?;
        self.patience = self.patience.saturating_mul(2);
        let chosen = self.choose(rank).ok()?;
        if chosen.rank >= self.rank {
            return None;
        }
        self.tried.pop();
        Some(chosen)
    }

    pub fn current(&mut self) -> Option<Chosen> {
        self.choose(self.rank).ok()
    }

    pub fn replan(&mut self, config: &Config) -> Result<Chosen, Error> {
        self.config.take_windows(config);
        self.wanted.windows = self.config.window_params();
        self.planner = planner(&self.config, self.machine, &self.wanted);
        (self.rank, self.tried) = (0, Vec::new());
        self.choose(0)
    }

    /// Returns the first level from rank `from` on that fits the memory that others leave. Plans
    /// and reserves in one transaction, so that no other session counts on the same bytes.
    fn choose(&mut self, from: usize) -> Result<Chosen, Error> {
        if let Some(networks) = &self.networks {
            let (bytes, planned) = networks.stream.pages();
            let own = self.pages.as_ref().map_or(0, |pages| pages.count);
            self.planner.set_pages(bytes, planned - own);
        }
        let before = self.reservation.bytes();
        let vram_budget = VramBudget::of(&self.config.limits);
        let (mut budget, mut result) = (self.budget, None);
        let mut process_limit = None;
        self.reservation.resize(|others| {
            budget.device = vram_budget.resolve(&self.meter, others);
            process_limit = vram_budget.process_limit(budget.device, others);
            let chosen = self.planner.choose(from, budget);
            let bytes = match &chosen {
                Err(_) => before,
                Ok(chosen) => {
                    let needs = chosen.plans.iter().map(|(_, needs)| needs.device());
                    vram_budget.to_reserve(budget.device, needs.max().unwrap_or(0))
                }
            };
            result = Some(chosen);
            bytes
        });
        let chosen = result.expect("the reservation calls its closure once")?;
        self.budget = budget;
        self.process_limit = process_limit;
        Ok(chosen)
    }

    /// Builds the engine of a level with its plans; `usage` continues.
    pub fn build(&mut self, chosen: Chosen, mut usage: Usage) -> Result<Box<dyn Engine>, Error> {
        let networks = self.networks_in(chosen.level.numbers)?;
        let (plan, needs) = chosen.plans[0];
        self.pages = None;
        self.pages = Some(PlannedPages::open(networks.clone(), needs.pages));
        let line = format!("{} {plan}", chosen.level);
        if chosen.rank < self.rank {
            usage.grown += 1;
            self.notices.push(Notice::Grown { plan: line.clone() });
        }
        let before = self
            .level
            .downgrades
            .len()
            .min(chosen.level.downgrades.len());
        for downgrade in &chosen.level.downgrades[before..] {
            self.notices.push(Notice::Degraded {
                step: downgrade.step,
                from: downgrade.from.clone(),
                to: downgrade.to.clone(),
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
        let access = DeviceAccess {
            device: self.device.clone(),
            meter: self.meter.clone(),
            reservation: self.reservation.clone(),
            process_limit: self.process_limit,
        };
        let guard = Guard::new(
            access,
            self.config.limits.faults.clone(),
            chosen.plans,
            self.rank + 1 < self.planner.levels().len(),
            usage,
        );
        let (params, iterations) = (self.level.windows, self.config.raft_iterations);
        let segment = self.config.segment.clone();
        // Elsewhere a segment begins and ends where the engine starts afresh.
        let segment = segment.filter(|_| params.lookahead.is_none());
        let picture = Canvas::of(&self.config).picture(self.level.size);
        Ok(Box::new(StreamEngine::new(
            networks, guard, params, segment, iterations, picture,
        )))
    }

    /// Returns the networks in this number type; reads them again if they are held in another.
    fn networks_in(&mut self, numbers: DType) -> Result<Arc<Networks>, Error> {
        let fitting = self.networks.as_ref();
        if let Some(networks) =
            fitting.filter(|networks| networks.numbers.bytes() == numbers.bytes())
        {
            return Ok(networks.clone());
        }
        // Both at once would take too much memory.
        (self.pages, self.networks) = (None, None);
        let device = (self.device.clone(), self.config.device);
        let asked = self.config.limits.precision;
        let networks = shared::read(&self.weights, device, numbers, asked)?;
        self.networks = Some(networks.clone());
        Ok(networks)
    }
}

/// Returns the planner of the levels from `wanted` down, as far as the settings allow.
fn planner(config: &Config, machine: Machine, wanted: &QualityLevel) -> Planner {
    let (source, limits) = (Canvas::of(config).size(), &config.limits);
    let planner = Planner::new(machine, source, wanted.clone(), limits.allow_degradation)
        .beside(limits.outside)
        .with_flow_holes(!config.border.is_empty());
    match limits.faults.plan() {
        Some(plan) => planner.only(plan),
        None => planner,
    }
}
