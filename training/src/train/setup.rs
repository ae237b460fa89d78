//! A run from its settings.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use burn::tensor::Device;
use propainter::{
    DeviceChoice,
    internals::memory::{
        Faults, Usage,
        budget::{DeviceAccess, Guard, reservations::Reservations, vram_budget::VramBudget},
        meter::Meter,
    },
    weights::{Checkpoint, Network},
};

use super::{
    FlowCompletionTrainer, GeneratorTrainer,
    optimisation::Learning,
    settings::{Kind, Settings, SetupError},
};
use crate::{
    budget::{Keeper, Plan},
    checkpoint::{read_discriminator, read_network},
    data::{Cache, Clips, DataError, Holes, Sampler, SamplerSettings, Scan, Size},
    discriminator::Discriminator,
    masks::Mixture,
    networks::{Computing, Frozen, initial, state},
    parameters::Parameters,
    random::{Random, random},
    recompute::Segments,
    run::{Observer, Report, Run, RunError, RunFolder, Schedule, Summary, Trainer},
};

/// Part of the key of the discriminator's first weights.
const DISCRIMINATOR: u64 = 100;

impl Holes for Mixture {
    fn draw(&self, random: &mut Random, size: Size, frames: usize) -> Vec<Vec<u8>> {
        Mixture::draw(self, random, size.width, size.height, frames)
    }
}

/// Starts a run in a new folder.
///
/// # Errors
/// The settings, the data, a checkpoint or the folder cannot be used, or the run ends with an error.
pub fn start(
    kind: Kind,
    settings: &Settings,
    folder: &Path,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Summary, SetupError> {
    settings.check(kind)?;
    let values =
        serde_json::to_value(settings).map_err(|error| SetupError::Setting(error.to_string()))?;
    let folder = RunFolder::create(folder, kind.name(), values)?;
    match Prepared::new(kind, settings, observer, stop) {
        Ok(prepared) => go(prepared, settings, &folder, observer, stop),
        Err(error) => {
            folder.discard();
            Err(error)
        }
    }
}

/// Goes on with the run of a folder.
///
/// # Errors
/// As [`start`].
pub fn resume(
    folder: &Path,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Summary, SetupError> {
    let file = folder.join("settings.json");
    let folder = RunFolder::open(folder)?;
    let damaged = |problem| RunError::File { file, problem };
    let kind = [Kind::FlowCompletion, Kind::Generator];
    let Some(kind) = kind
        .into_iter()
        .find(|kind| kind.name() == folder.training())
    else {
        let problem = format!("there is no training `{}`", folder.training());
        return Err(damaged(problem).into());
    };
    let settings: Settings = serde_json::from_value(folder.settings().clone())
        .map_err(|error| damaged(error.to_string()))?;
    settings.check(kind)?;
    let prepared = Prepared::new(kind, &settings, observer, stop)?;
    go(prepared, &settings, &folder, observer, stop)
}

impl Settings {
    fn sampler(&self, clips: Clips, masks: &Arc<Mixture>) -> Sampler {
        let settings = SamplerSettings {
            seed: self.seed,
            size: self.size(),
            local: self.local,
            references: self.references,
            batch: self.batch,
            flows: self.flows.clone(),
        };
        Sampler::new(settings, clips.clips, masks.clone())
    }

    /// Returns the plans of the steps: those within the budget, which is told, or what is set.
    fn keeper(
        &self,
        kind: Kind,
        device: &Device,
        observer: &mut dyn Observer,
    ) -> Result<Keeper, SetupError> {
        let choice = self.device.parse::<DeviceChoice>()?;
        let on_gpu = *device != DeviceChoice::Cpu.open()?;
        let planner = self.planner(kind, on_gpu)?;
        if self.vram_budget == 0 {
            return Ok(Keeper::fixed(Plan {
                at_once: self.at_once.unwrap_or(1),
                computing: Computing {
                    numbers: planner.numbers[0],
                    segments: planner.segments.unwrap_or(Segments::NONE),
                },
            }));
        }
        let meter = Meter::open(choice);
        let budget = VramBudget::Fixed(self.vram_budget).resolve(&meter, 0);
        let plans = planner.choose(budget)?;
        let (plan, bytes) = (plans[0].0, planner.bytes(&plans[0].0));
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let told = format!(
            "plan: {plan}, {} times a step; {} of {} MiB: parameters {}, squared gradients {}, \
             sum of gradients {}, passes {}, clips {}; samples on the host {}",
            self.batch / plan.at_once,
            mib(bytes.device(on_gpu)),
            mib(budget),
            mib(bytes.parameters),
            mib(bytes.squares),
            mib(bytes.sum),
            mib(bytes.pass),
            mib(bytes.clips),
            mib(bytes.samples),
        );
        observer.report(&Report::Notice(&told));
        let access = DeviceAccess {
            device: device.clone(),
            meter,
            reservation: Arc::new(Reservations::of(choice).reserve(|_| budget)),
            process_limit: Some(budget),
        };
        let usage = Usage {
            budget,
            ..Usage::default()
        };
        let guard = Guard::new(access, Faults::default(), plans, false, usage);
        Ok(Keeper::guarded(guard))
    }

    /// Finds the clips of a data set and reports what is left out.
    fn clips(
        &self,
        data: &Path,
        cache: &Arc<Cache>,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Clips, DataError> {
        let scan = Scan {
            size: self.size(),
            frames: self.local + self.references,
            cache: cache.clone(),
            threads: self.threads,
            stop,
        };
        let clips = Clips::find(data, &scan, &mut |done, total| {
            observer.report(&Report::Reading { done, total });
        })?;
        for skipped in &clips.skipped {
            observer.report(&Report::Notice(&format!("left out: {skipped}")));
        }
        let mut found = format!("{}: {} clips", data.display(), clips.clips.len());
        if !clips.skipped.is_empty() {
            found += &format!(", {} videos left out", clips.skipped.len());
        }
        if clips.uncached > 0 {
            let uncached = clips.uncached;
            found +=
                &format!(", {uncached} videos do not fit into the cache and are decoded each time");
        }
        observer.report(&Report::Notice(&found));
        Ok(clips)
    }

    /// Returns the first parameters of the network.
    fn parameters(&self, kind: Kind, device: &Device) -> Result<Parameters, SetupError> {
        let network = kind.network();
        Ok(match &self.init {
            Some(file) => state(network, read_network(file, network)?, device)?,
            None => initial(network, self.seed, device),
        })
    }

    fn trainer(
        &self,
        kind: Kind,
        device: &Device,
        observer: &mut dyn Observer,
    ) -> Result<Box<dyn Trainer>, SetupError> {
        let keeper = self.keeper(kind, device, observer)?;
        let read = |network, file: &Option<PathBuf>| {
            file.as_ref()
                .map(|file| Checkpoint::read(network, file))
                .transpose()
        };
        let parameters = self.parameters(kind, device)?;
        for pattern in &self.freeze {
            let adam = crate::optimizer::AdamSettings {
                held: vec![pattern.clone()],
                ..Default::default()
            };
            if !parameters
                .iter()
                .any(|parameter| adam.holds(&parameter.key))
            {
                let text = format!("no parameter is named, begins or ends with `{pattern}`");
                return Err(SetupError::Setting(text));
            }
        }
        let mut schedule = kind.schedule();
        schedule.initial = self.learning_rate.unwrap_or(schedule.initial);
        let raft = read(Network::Raft, &self.raft)?;
        let learning = Learning {
            held: self.freeze.clone(),
            schedule,
            computing: keeper.plan().computing,
        };
        let at_once = keeper.plan().at_once;
        Ok(match kind {
            Kind::FlowCompletion => Box::new(
                FlowCompletionTrainer::new(parameters, raft, learning, at_once, device)
                    .with_plans(keeper),
            ),
            Kind::Generator => {
                let completion = read(Network::FlowCompletion, &self.flow_completion)?;
                let frozen = raft.map(|raft| Frozen::new(&raft, completion.as_ref(), device));
                let discriminator = match &self.init_discriminator {
                    Some(file) => Discriminator::new(read_discriminator(file)?, device),
                    None => Discriminator::init(&mut random(&[self.seed, DISCRIMINATOR]), device),
                };
                let trainer = GeneratorTrainer::new(
                    parameters,
                    discriminator,
                    frozen,
                    learning,
                    at_once,
                    device,
                );
                Box::new(trainer.with_plans(keeper))
            }
        })
    }
}

/// What a run needs beside its folder.
struct Prepared {
    trainer: Box<dyn Trainer>,
    sampler: Arc<Sampler>,
    validation: Option<Sampler>,
}

impl Prepared {
    fn new(
        kind: Kind,
        settings: &Settings,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Self, SetupError> {
        let device = settings.device.parse::<DeviceChoice>()?.open()?;
        // First, since a wrong checkpoint is found sooner than the frames of all videos.
        let trainer = settings.trainer(kind, &device, observer)?;
        let cache = Arc::new(Cache::open(&settings.cache, settings.cache_limit)?);
        let found = settings.clips(&settings.data, &cache, observer, stop)?;
        let (trained, apart) = match &settings.validation {
            Some(data) => (found, settings.clips(data, &cache, observer, stop)?),
            None => found.split(settings.validation_percent, settings.seed),
        };
        let masks = Arc::new(settings.masks.parse::<Mixture>()?);
        let validation = (!apart.clips.is_empty()).then(|| settings.sampler(apart, &masks));
        let sampler = Arc::new(settings.sampler(trained, &masks));
        Ok(Self {
            trainer,
            sampler,
            validation,
        })
    }
}

fn go(
    mut prepared: Prepared,
    settings: &Settings,
    folder: &RunFolder,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Summary, SetupError> {
    let run = Run {
        folder,
        trainer: prepared.trainer.as_mut(),
        sampler: prepared.sampler,
        validation: prepared.validation.as_ref(),
        threads: settings.threads,
        schedule: Schedule {
            steps: settings.steps,
            log_every: settings.log_every,
            checkpoint_every: settings.checkpoint_every,
            sample_every: settings.sample_every,
        },
        observer,
        stop,
    };
    Ok(run.go()?)
}
