//! Whole sessions on a generated clip with generated weights: frames per second, launches, the time
//! of the host, and the memory of a plan of each kind.

use std::{
    fmt,
    time::{Duration, Instant},
};

use propainter::{
    Cancel, Config, CropMode, DType, Limits, Mode, Model, OpenOptions, Precision, Session,
    internals::{
        self_test::{
            PlanTest,
            launches::{Launches, NothingComputed},
            plans,
        },
        synthetic::Scene,
    },
    memory::{Degradation, Notice, Stage},
};
use serde_json::{Value, json};

use super::{
    CheckError,
    device::{OpenDevice, object},
    steps::{Finding, Steps, Stop},
};
use crate::units;

const SIZES: [(usize, usize); 4] = [(432, 240), (640, 480), (1280, 720), (1920, 1080)];
/// On the CPU the others take too long.
const CPU_SIZES: [(usize, usize); 1] = [(432, 240)];
const QUICK_SIZES: [(usize, usize); 1] = [(64, 48)];
/// The size of the frames with a logo.
const LOGO: (usize, usize) = (1920, 1080);
const QUICK_LOGO: (usize, usize) = (128, 96);

/// Frames of a clip: enough that sliding windows of the default settings return some before the end.
const FRAMES: usize = 31;
/// The same for a clip in the windows of the official procedure, and for one that shows how much
/// memory a plan takes.
const SHORT: usize = 16;
const MEMORY: usize = 20;
const QUICK: usize = 10;

/// What a session is run with.
struct Clip<'a> {
    device: &'a OpenDevice,
    size: (usize, usize),
    mode: Mode,
    /// Whether only a logo in a corner is removed.
    logo: bool,
    precision: Precision,
    quick: bool,
}

impl fmt::Display for Clip<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height) = self.size;
        let mode = match self.mode {
            Mode::Sliding => "sliding",
            Mode::Reference => "reference",
        };
        write!(f, "{width}x{height} {mode}")?;
        if self.logo {
            write!(f, ", a logo")?;
        }
        match self.precision {
            Precision::Auto => Ok(()),
            precision => write!(f, ", {precision}"),
        }
    }
}

/// Runs the sessions, the most important first.
///
/// # Errors
/// The report cannot be written.
pub fn check(
    device: &OpenDevice,
    quick: bool,
    steps: &mut Steps<'_, '_>,
) -> Result<(), CheckError> {
    let clip = |size, mode| Clip {
        device,
        size,
        mode,
        logo: false,
        precision: Precision::Auto,
        quick,
    };
    let (sizes, logo): (&[_], _) = match (quick, device.is_cpu()) {
        (true, _) => (&QUICK_SIZES, QUICK_LOGO),
        (false, true) => (&CPU_SIZES, LOGO),
        (false, false) => (&SIZES, LOGO),
    };
    for &size in sizes {
        let clip = clip(size, Mode::Sliding);
        steps.run("speed", clip.to_string(), |cancel| speed(&clip, cancel))?;
        if size == sizes[0] && !device.is_cpu() {
            steps.run("host", clip.to_string(), |cancel| host(&clip, cancel))?;
        }
    }
    let logo = Clip {
        logo: true,
        ..clip(logo, Mode::Sliding)
    };
    steps.run("speed", logo.to_string(), |cancel| speed(&logo, cancel))?;
    for &size in sizes {
        if !device.is_cpu() {
            memory(&clip(size, Mode::Sliding), steps)?;
        }
        let clip = clip(size, Mode::Reference);
        steps.run("speed", clip.to_string(), |cancel| speed(&clip, cancel))?;
    }
    if !device.is_cpu() {
        let full = Clip {
            precision: Precision::Fp32,
            ..clip(sizes[0], Mode::Sliding)
        };
        steps.run("speed", full.to_string(), |cancel| speed(&full, cancel))?;
    }
    Ok(())
}

impl Clip<'_> {
    fn config(&self) -> Config {
        let (width, height) = self.size;
        let config = Config {
            model: Model::Propainter,
            generated_weights: true,
            device: self.device.choice,
            mode: self.mode,
            crop_mode: match self.logo {
                true => CropMode::Crops,
                false => CropMode::Whole,
            },
            scene_cuts: false,
            limits: Limits {
                precision: self.precision,
                allow_degradation: Degradation::NONE,
                ..Limits::default()
            },
            ..Config::new(width, height)
        };
        match self.quick {
            false => config,
            true => Config {
                subvideo_length: 12,
                neighbor_length: 4,
                ref_stride: 4,
                lookahead: 2,
                raft_iterations: 4,
                ..config
            },
        }
    }

    fn frames(&self) -> usize {
        match (self.quick, self.mode) {
            (true, _) => QUICK,
            (_, Mode::Sliding) => FRAMES,
            (_, Mode::Reference) => SHORT,
        }
    }

    fn scene(&self) -> Scene {
        let (width, height) = self.size;
        Scene {
            object: !self.logo,
            logo: self.logo,
            ..Scene::new(width, height, 7)
        }
    }
}

/// What a session did.
struct Run {
    session: Session,
    /// Time until the first frame came out, kernels compiled.
    first: Duration,
    /// The whole clip.
    whole: Stretch,
    /// From the first frames that came out to the last ones before the end of the clip; empty if
    /// all came out at once.
    steady: Stretch,
    longest_push: Duration,
}

/// A part of a clip.
#[derive(Clone, Copy, Default)]
struct Stretch {
    frames: usize,
    time: Duration,
    launches: u64,
}

/// Pushes `frames` frames and drains the session.
fn run(clip: &Clip<'_>, config: Config, frames: usize, cancel: &Cancel) -> Result<Run, Stop> {
    clip.device.device.memory_cleanup();
    let scene = clip.scene();
    let options = OpenOptions {
        cancel: cancel.clone(),
        ..OpenOptions::default()
    };
    let mut session = Session::open_with(config, options)?;
    let launches = Launches::watch();
    let (mut whole, mut steady) = (Stretch::default(), Stretch::default());
    let mut first: Option<Stretch> = None;
    let mut longest_push = Duration::ZERO;
    for index in 0..frames {
        let (frame, mask) = (scene.frame(index), scene.mask(index));
        let start = Instant::now();
        let done = session.push(frame, &mask)?.len();
        let time = start.elapsed();
        longest_push = longest_push.max(time);
        whole = Stretch {
            frames: whole.frames + done,
            time: whole.time + time,
            launches: launches.count(),
        };
        match first {
            _ if done == 0 => {}
            None => first = Some(whole),
            Some(first) => steady = whole.since(first),
        }
    }
    let start = Instant::now();
    let done = session.drain()?.len();
    whole = Stretch {
        frames: whole.frames + done,
        time: whole.time + start.elapsed(),
        launches: launches.count(),
    };
    if whole.frames != frames {
        let text = format!("{frames} frames went in, and {} came out", whole.frames);
        return Err(Stop::Failed(text));
    }
    Ok(Run {
        session,
        first: first.unwrap_or(whole).time,
        whole,
        steady,
        longest_push,
    })
}

impl Stretch {
    /// Returns what came after an earlier moment of the same clip.
    fn since(self, earlier: Self) -> Self {
        Self {
            frames: self.frames - earlier.frames,
            time: self.time - earlier.time,
            launches: self.launches - earlier.launches,
        }
    }

    fn seconds_per_frame(&self) -> f64 {
        self.time.as_secs_f64() / self.frames as f64
    }

    fn launches_per_frame(&self) -> f64 {
        self.launches as f64 / self.frames as f64
    }
}

impl Run {
    /// Returns the stream in motion, or the whole clip if all came out at once.
    fn stretch(&self) -> Stretch {
        match self.steady.frames {
            0 => self.whole,
            _ => self.steady,
        }
    }
}

/// Measures how fast frames come out, and holds the memory to its budget.
fn speed(clip: &Clip<'_>, cancel: &Cancel) -> Result<Finding, Stop> {
    let frames = clip.frames();
    let mut run = run(clip, clip.config(), frames, cancel)?;
    let stretch = run.stretch();
    let speed = 1.0 / stretch.seconds_per_frame();
    let usage = run.session.stats().memory;
    let on_cpu = clip.device.is_cpu();
    let launches = (!on_cpu).then(|| stretch.launches_per_frame());
    let shrunk = shrunk(&mut run.session);
    let over = (!on_cpu && usage.device_peak > usage.budget).then(|| {
        let [peak, budget] = [usage.device_peak, usage.budget].map(units::bytes);
        format!("{peak} on the device, and the budget is {budget}")
    });
    Ok(Finding {
        summary: format!("{speed:.2} frames per second"),
        values: object(json!({
            "frames": frames,
            "frames_per_second": speed,
            "seconds_to_first_frame": run.first.as_secs_f64(),
            "seconds": run.whole.time.as_secs_f64(),
            "longest_push_seconds": run.longest_push.as_secs_f64(),
            "launches_per_frame": launches,
            "views": run.session.stats().views,
            "plan": run.session.plan(),
            "budget_bytes": usage.budget,
            "planned_bytes": usage.planned,
            "peak_bytes": usage.device_peak,
        })),
        problem: shrunk.or(over),
    })
}

/// Returns what is wrong if memory ran out or the budget was exceeded.
fn shrunk(session: &mut Session) -> Option<String> {
    session
        .notices()
        .into_iter()
        .find_map(|notice| match notice {
            Notice::Shrunk { stage, problem, .. } => Some(format!("{stage}: {problem}")),
            _ => None,
        })
}

/// Measures the host alone: nothing is computed, so nothing is waited for.
fn host(clip: &Clip<'_>, cancel: &Cancel) -> Result<Finding, Stop> {
    let frames = clip.frames();
    let stretch = {
        let _nothing = NothingComputed::begin();
        run(clip, clip.config(), frames, cancel)?.stretch()
    };
    let seconds = stretch.seconds_per_frame();
    let launches = stretch.launches_per_frame();
    Ok(Finding {
        summary: format!(
            "{:.1} ms of the host a frame, {launches:.0} launches",
            seconds * 1e3
        ),
        values: object(json!({
            "host_seconds_per_frame": seconds,
            "launches_per_frame": launches,
        })),
        problem: None,
    })
}

/// Holds what a plan of each kind takes to its prediction.
fn memory(clip: &Clip<'_>, steps: &mut Steps<'_, '_>) -> Result<(), CheckError> {
    let frames = clip.frames().min(MEMORY);
    for plan in plans(&clip.config(), DType::F16, frames) {
        let (width, height) = clip.size;
        let name = format!("{width}x{height}, {}", plan.kind);
        steps.run("memory", name, |cancel| take(clip, &plan, frames, cancel))?;
    }
    Ok(())
}

fn take(clip: &Clip<'_>, plan: &PlanTest, frames: usize, cancel: &Cancel) -> Result<Finding, Stop> {
    let mut config = clip.config();
    config.limits.vram_budget = plan.budget;
    config.limits.precision = Precision::Fp16;
    let mut run = run(clip, config, frames, cancel)?;
    let usage = run.session.stats().memory;
    let shrunk = shrunk(&mut run.session);
    let stages: Vec<Value> = Stage::ALL
        .iter()
        .map(|&stage| {
            json!({
                "stage": stage.to_string(),
                "predicted_bytes": plan.predicted[stage as usize],
                "measured_bytes": usage.stages[stage as usize],
            })
        })
        .collect();
    let (predicted, measured) = (plan.peak(), usage.device_peak);
    Ok(Finding {
        summary: format!(
            "{} of {} predicted",
            units::bytes(measured),
            units::bytes(predicted)
        ),
        values: object(json!({
            "plan": run.session.plan(),
            "budget_bytes": plan.budget,
            "predicted_bytes": predicted,
            "measured_bytes": measured,
            "stages": stages,
        })),
        problem: shrunk.or_else(|| {
            let over = measured > predicted;
            over.then(|| "it takes more than predicted".to_owned())
        }),
    })
}
