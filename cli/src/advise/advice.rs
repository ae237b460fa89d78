//! What a machine needs and how long it takes, for all clips together.

use propainter::{
    Config, CropMode, DeviceChoice,
    internals::{forecast, memory::meter::Meter},
};

use super::{
    Fit, Wish,
    cards::{GIB, Machine},
    clip::Clip,
    plan,
    rent::{
        cost::Candidate,
        prices::{Prices, Rental},
    },
    speed::{
        check_report::Report,
        time::{self, Basis},
        work::Work,
    },
};

/// Crops are advised where they have at most this share of the pixels of whole frames, and are not
/// scaled down.
const CROPS_PAY: f64 = 0.5;

/// A machine to advise for.
#[derive(Clone, Debug)]
pub struct Target {
    pub machine: Machine,
    pub name: String,
    /// What was measured on it.
    pub report: Option<Report>,
}

impl Target {
    /// Returns a machine that nothing was measured on.
    pub fn of(machine: Machine) -> Self {
        Self {
            name: machine.name(),
            machine,
            report: None,
        }
    }

    /// Returns the card of a report.
    pub fn reported(report: Report) -> Self {
        let known = Machine::named(&report.card, 1).ok();
        let size = report.memory.div_ceil(GIB);
        Self {
            machine: known.unwrap_or(Machine::Tier(size)),
            name: report.card.clone(),
            report: Some(report),
        }
    }
}

/// The engine that advice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Networks,
    Classical,
}

impl Engine {
    /// Returns the value of the property `model`.
    pub fn model(self) -> &'static str {
        match self {
            Self::Networks => "propainter",
            Self::Classical => "propagation",
        }
    }
}

/// The advice for a machine and an engine.
#[derive(Clone, Debug)]
pub struct Advice {
    pub target: Target,
    pub engine: Engine,
    /// What the clip that asks for most takes, or the bytes that it would need; `None` for the engine
    /// without weights.
    pub fit: Option<Result<Fit, u64>>,
    /// Bytes of memory: on the card, or of the processor; and beside a card.
    pub memory: (u64, u64),
    /// Whether only the surroundings of the mask are seen.
    pub cropped: bool,
    /// Seconds for all clips, and what they rest on; `None` if it does not fit, or if nothing is known
    /// of the card's speed.
    pub time: Option<(f64, Basis)>,
}

impl Advice {
    /// Returns what advice is sorted by: the seconds, if they are known.
    pub fn order(&self) -> f64 {
        self.time.map_or(f64::INFINITY, |(seconds, _)| seconds)
    }
}

/// What advice rests on besides the machine.
#[derive(Clone, Copy, Debug)]
pub struct Advisor<'a> {
    pub clips: &'a [Clip],
    /// Whether frames are seen whole in any case.
    pub whole: bool,
    pub wish: Wish,
    /// Share of a card's peak that is assumed.
    pub efficiency: f64,
}

/// The parts of a frame that are seen.
struct Seen {
    views: Vec<(usize, usize)>,
    /// Whether any of them is processed at a smaller size.
    scaled: bool,
    cropped: bool,
    config: Config,
}

impl Seen {
    fn pixels(&self) -> f64 {
        self.views.iter().map(|view| (view.0 * view.1) as f64).sum()
    }
}

impl Advisor<'_> {
    /// Returns the advice for a machine: that of the networks where this build has them, and on a
    /// processor that of the engine without weights.
    pub fn advise(&self, target: &Target) -> Vec<Advice> {
        let mut advice = Vec::new();
        if plan::MISSING.is_none() {
            advice.push(self.networks(target));
        }
        if matches!(target.machine, Machine::Cpu { .. }) {
            advice.push(self.classical(target));
        }
        advice
    }

    /// Returns the machines of a price list that can do all clips. `targets` tell what was measured.
    pub fn candidates<'p>(&self, prices: &'p Prices, targets: &[Target]) -> Vec<Candidate<'p>> {
        let of_rental = |rental: &'p Rental| {
            let measured =
                |target: &&Target| target.report.is_some() && target.machine == rental.machine;
            let target = targets.iter().find(measured).cloned();
            let target = target.unwrap_or_else(|| Target::of(rental.machine));
            let advice = self.advise(&target).into_iter();
            advice.filter_map(move |advice| {
                let name = match advice.engine {
                    Engine::Networks => rental.name.clone(),
                    Engine::Classical => format!("{}, model=propagation", rental.name),
                };
                let (seconds, _) = advice.time?;
                Some(Candidate {
                    rental,
                    name,
                    seconds,
                })
            })
        };
        prices.machines.iter().flat_map(of_rental).collect()
    }

    fn networks(&self, target: &Target) -> Advice {
        let machine = &target.machine;
        let processor = Meter::open(DeviceChoice::Cpu).total().unwrap_or(u64::MAX);
        let mut all: Option<Fit> = None;
        let mut needed = 0;
        let mut time = Some(0.0);
        let mut cropped = false;
        let mut basis = Basis::Benchmarks;
        for clip in self.clips {
            let seen = self.seen(clip);
            cropped |= seen.cropped;
            let fit = match plan::fit(machine, self.wish, clip.size, &seen.views, processor) {
                Ok(fit) => fit,
                Err(bytes) => {
                    needed = needed.max(bytes);
                    continue;
                }
            };
            let seconds = self.seconds(target, clip, &fit);
            basis = seconds.map_or(basis, |(_, basis)| basis);
            time = time.zip(seconds).map(|(sum, (seconds, _))| sum + seconds);
            let rank = |fit: &Fit| (fit.given_up.len(), fit.device);
            if all.as_ref().is_none_or(|most| rank(&fit) > rank(most)) {
                all = Some(fit);
            }
        }
        let fit = match all {
            Some(fit) if needed == 0 => Ok(fit),
            _ => Err(needed),
        };
        let memory = fit.as_ref().map_or((0, 0), |fit| (fit.device, fit.host));
        Advice {
            target: target.clone(),
            engine: Engine::Networks,
            time: time.filter(|_| fit.is_ok()).map(|seconds| (seconds, basis)),
            fit: Some(fit),
            memory,
            cropped,
        }
    }

    /// Returns the seconds that a clip takes, if anything is known of the machine's speed.
    fn seconds(&self, target: &Target, clip: &Clip, fit: &Fit) -> Option<(f64, Basis)> {
        let frames = clip.masked_frames();
        let pixels: f64 = fit.views.iter().map(|view| (view.0 * view.1) as f64).sum();
        // Crops that are scaled down have the hole's share of their size before.
        let marked = clip.holes.share * (clip.size.0 * clip.size.1) as f64;
        let share = (marked / pixels).min(1.0);
        let works = fit
            .views
            .iter()
            .map(|&view| Work::of(view, fit.windows, frames, share));
        let work = works.fold(Work::default(), Work::and);
        if let Some(report) = &target.report {
            let mean = pixels / fit.views.len() as f64;
            return Some((work.total() / report.rate(mean), Basis::Report));
        }
        match target.machine {
            Machine::Card(card) => {
                let slowness = fit.slowness;
                let seconds =
                    time::of_card(card, &work, frames, fit.half, slowness, self.efficiency);
                Some((seconds, Basis::Roofline))
            }
            Machine::Cpu { cores } => Some((time::of_processor(cores, &work), Basis::Benchmarks)),
            Machine::Tier(_) => None,
        }
    }

    fn classical(&self, target: &Target) -> Advice {
        let seen: Vec<Seen> = self.clips.iter().map(|clip| self.seen(clip)).collect();
        let of_clips = || self.clips.iter().zip(&seen);
        let seconds = of_clips().map(|(clip, seen)| {
            let frames = clip.masked_frames();
            time::of_classical(seen.pixels(), frames)
        });
        let bytes = of_clips()
            .map(|(clip, seen)| forecast::classical_bytes(&seen.config, &clip.holes.largest));
        Advice {
            target: target.clone(),
            engine: Engine::Classical,
            fit: None,
            memory: (bytes.max().unwrap_or(0), 0),
            cropped: seen.iter().any(|seen| seen.cropped),
            time: Some((seconds.sum(), Basis::Benchmarks)),
        }
    }

    /// Returns the parts of a clip's frames that are seen: crops where they pay.
    fn seen(&self, clip: &Clip) -> Seen {
        let config = Config::new(clip.size.0, clip.size.1);
        let of_mode = |crop_mode| {
            let config = Config {
                crop_mode,
                ..config.clone()
            };
            let views = forecast::views(&config, &clip.holes.largest);
            Seen {
                scaled: views
                    .iter()
                    .any(|view| view.processing.0 + 8 <= view.size.0),
                views: views.into_iter().map(|view| view.processing).collect(),
                cropped: crop_mode == CropMode::Crops,
                config,
            }
        };
        let whole = of_mode(CropMode::Whole);
        if self.whole {
            return whole;
        }
        let crops = of_mode(CropMode::Crops);
        match !crops.scaled && crops.pixels() <= CROPS_PAY * whole.pixels() {
            true => crops,
            false => whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::clip::holes::Holes, *};

    fn clip(size: (usize, usize), share: f64) -> Clip {
        Clip {
            name: "clip.mp4".to_owned(),
            size,
            frames: 200,
            rate: Some(25.0),
            holes: Holes::assumed(size, share),
        }
    }

    fn advisor(clips: &[Clip]) -> Advisor<'_> {
        Advisor {
            clips,
            whole: false,
            wish: Wish::default(),
            efficiency: time::EFFICIENCY,
        }
    }

    #[test]
    fn a_small_hole_is_cropped_and_a_large_one_or_a_wish_for_whole_frames_is_not() {
        let clips = [clip((1920, 1080), 0.01), clip((1920, 1080), 0.4)];
        let advisor = advisor(&clips);
        let [small, large] = [0, 1].map(|i| advisor.seen(&clips[i]));
        assert!(small.cropped && small.pixels() < 0.2 * large.pixels());
        assert!(!large.cropped);
        let whole = Advisor {
            whole: true,
            ..advisor
        };
        assert!(!whole.seen(&clips[0]).cropped);
    }

    #[test]
    fn the_engine_without_weights_is_advised_for_a_processor() {
        let clips = [clip((640, 360), 0.05)];
        let target = Target::of(Machine::Cpu { cores: 2 });
        let advice = advisor(&clips).advise(&target);
        let classical = advice.last().unwrap();
        assert_eq!(classical.engine, Engine::Classical);
        assert!(classical.memory.0 > 1 << 20 && classical.memory.0 < 1 << 30);
        let twice = [clips[0].clone(), clips[0].clone()];
        let both = advisor(&twice).advise(&target).pop().unwrap();
        assert_eq!(both.order(), 2.0 * classical.order());
        assert_eq!(both.memory, classical.memory);
    }
}
