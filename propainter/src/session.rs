//! The one door: frames and masks in, inpainted frames out.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Cancel, DeviceChoice, Done, Error, Frame, Limits, Mask,
    engine::Engine,
    memory::{Guard, Notice, Plan, Usage},
    propagation::Propagation,
    resize, weights,
    windows::{Networks, Reference, schedule::Cut},
};

/// Which engine fills the holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// The networks where their checkpoints are found, else propagation.
    #[default]
    Auto,
    /// The ProPainter networks.
    Propainter,
    /// Flow-guided propagation without weights.
    Propagation,
}

/// How a stream is cut into windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Frame by frame what the official procedure gives for the whole clip.
    #[default]
    Reference,
}

/// Everything a session needs to know before its first frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Size of the frames that will be pushed, in pixels.
    pub width: usize,
    pub height: usize,
    pub model: Model,
    /// Folder that holds the checkpoints; `None` searches the usual places.
    pub weights: Option<PathBuf>,
    pub device: DeviceChoice,
    pub mode: Mode,
    /// Frames of a sub-video, 2 and up (`subvideo_length` of the script).
    pub subvideo_length: usize,
    /// Local frames of a generator window, 2 and up (`neighbor_length`).
    pub neighbor_length: usize,
    /// Distance of reference frames, 1 and up (`ref_stride`).
    pub ref_stride: usize,
    /// RAFT's refinement steps, 1 and up (`raft_iter`).
    pub raft_iterations: usize,
    /// Pixels by which the hole grows, at processing size (`mask_dilation`).
    pub mask_dilation: usize,
    /// Processing size; `None` is the frames' own. Rounded down to multiples of 8.
    pub processing_width: Option<usize>,
    pub processing_height: Option<usize>,
    /// Factor on the frames' size where no processing size is given.
    pub resize_ratio: f64,
    pub limits: Limits,
}

impl Config {
    /// The official defaults for frames of this size.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            model: Model::default(),
            weights: None,
            device: DeviceChoice::default(),
            mode: Mode::default(),
            subvideo_length: 80,
            neighbor_length: 10,
            ref_stride: 10,
            raft_iterations: 20,
            mask_dilation: 4,
            processing_width: None,
            processing_height: None,
            resize_ratio: 1.0,
            limits: Limits::default(),
        }
    }
}

/// What a session has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    pub frames_in: u64,
    pub frames_out: u64,
    /// Frames held now.
    pub held: usize,
    /// Time spent in push and drain.
    pub busy: Duration,
    /// All zero for the weights-free engine.
    pub memory: Usage,
}

/// A stream being inpainted: push frames with their masks, get final frames back, one for
/// one and in order.
pub struct Session {
    config: Config,
    model: Model,
    processing: (usize, usize),
    engine: Box<dyn Engine>,
    /// Sources of the frames the engine holds, where it works at another size.
    sources: VecDeque<Frame>,
    cancel: Cancel,
    stats: Stats,
}

impl Session {
    /// Checks the settings, finds and reads the checkpoints, opens the device.
    ///
    /// # Errors
    /// A setting out of range, checkpoints that are missing or wrong, a device that does
    /// not open; the message says which and what to do.
    pub fn open(config: Config) -> Result<Self, Error> {
        check(&config)?;
        let processing = resize::processing_size(
            (config.width, config.height),
            (config.processing_width, config.processing_height),
            config.resize_ratio,
        );
        let (model, engine) = engine(&config)?;
        Ok(Self {
            config,
            model,
            processing,
            engine,
            sources: VecDeque::new(),
            cancel: Cancel::default(),
            stats: Stats::default(),
        })
    }

    /// Takes one frame with its hole (before dilation, of any size: it is brought to the
    /// frame's) and returns the frames that became final.
    ///
    /// # Errors
    /// [`Error::Size`] leaves the session as it was; after any other error it needs a
    /// [`flush`](Self::flush).
    pub fn push(&mut self, frame: Frame, mask: &Mask) -> Result<Vec<Done>, Error> {
        let (got, expected) = (
            (frame.width(), frame.height()),
            (self.config.width, self.config.height),
        );
        if got != expected {
            return Err(Error::Size {
                what: "a frame",
                got,
                expected,
            });
        }
        let start = Instant::now();
        let (width, height) = self.processing;
        let hole = mask
            .resized(width, height)
            .dilated(self.config.mask_dilation);
        self.stats.frames_in += 1;
        self.stats.held += 1;
        let small = if expected == self.processing {
            frame
        } else {
            let small = resize::to_processing(&frame, self.processing);
            self.sources.push_back(frame);
            small
        };
        let (engine, cancel) = (&mut self.engine, &self.cancel);
        let done = guarded(|| engine.push(small, hole, cancel))?;
        Ok(self.finish(done, start))
    }

    /// End of stream: all frames still held.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn drain(&mut self) -> Result<Vec<Done>, Error> {
        let start = Instant::now();
        let (engine, cancel) = (&mut self.engine, &self.cancel);
        let done = guarded(|| engine.drain(cancel))?;
        Ok(self.finish(done, start))
    }

    /// Forgets everything held; ready for a new start. Also clears the cancel token.
    pub fn flush(&mut self) {
        self.engine.flush();
        self.sources.clear();
        self.stats.held = 0;
        self.cancel.reset();
    }

    /// Most frames held before the first comes out: frame i is out when frame
    /// i + look-ahead has been pushed.
    pub fn look_ahead(&self) -> usize {
        self.engine.look_ahead()
    }

    /// The engine at work: never [`Model::Auto`].
    pub fn model(&self) -> Model {
        self.model
    }

    /// Size the engine works at, (width, height).
    pub fn processing_size(&self) -> (usize, usize) {
        self.processing
    }

    /// The token that ends a running call from another thread.
    pub fn cancel_token(&self) -> Cancel {
        self.cancel.clone()
    }

    pub fn stats(&self) -> Stats {
        Stats {
            memory: self.engine.usage(),
            ..self.stats
        }
    }

    /// The plan at work, in one line; none for the weights-free engine.
    pub fn plan(&self) -> Option<String> {
        self.engine.plan()
    }

    /// What was decided about memory since the last call, oldest first.
    pub fn notices(&mut self) -> Vec<Notice> {
        self.engine.notices()
    }

    fn finish(&mut self, done: Vec<Done>, start: Instant) -> Vec<Done> {
        let scaled = !self.sources.is_empty();
        let done: Vec<Done> = if scaled {
            let sources = self.sources.drain(..done.len());
            done.into_iter()
                .zip(sources)
                .map(|(small, source)| {
                    let (frame, hole) = resize::compose(source, &small.frame, &small.hole);
                    Done { frame, hole }
                })
                .collect()
        } else {
            done
        };
        self.stats.frames_out += done.len() as u64;
        self.stats.held -= done.len();
        self.stats.busy += start.elapsed();
        done
    }
}

/// Runs a step of the engine. The tensor library panics where a device fails; that ends here
/// as an error, and the engine's state is forgotten by the flush that must follow.
fn guarded(step: impl FnOnce() -> Result<Vec<Done>, Error>) -> Result<Vec<Done>, Error> {
    panic::catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Error::Compute {
            stage: "the engine",
            problem: text.unwrap_or("a panic without a text").to_owned(),
        })
    })
}

fn check(config: &Config) -> Result<(), Error> {
    let at_least = |name: &'static str, value: usize, least: usize| {
        if value >= least {
            return Ok(());
        }
        Err(Error::Setting {
            name,
            problem: format!("{value} is too small; the least is {least}"),
        })
    };
    at_least("width", config.width, 1)?;
    at_least("height", config.height, 1)?;
    at_least("subvideo-length", config.subvideo_length, 2)?;
    at_least("neighbor-length", config.neighbor_length, 2)?;
    at_least("ref-stride", config.ref_stride, 1)?;
    at_least("raft-iterations", config.raft_iterations, 1)?;
    if !(config.resize_ratio > 0.0 && config.resize_ratio <= 4.0) {
        return Err(Error::Setting {
            name: "resize-ratio",
            problem: format!("{} is not within 0 to 4", config.resize_ratio),
        });
    }
    Ok(())
}

/// The engine the settings ask for, and which one it is.
fn engine(config: &Config) -> Result<(Model, Box<dyn Engine>), Error> {
    let paths = match config.model {
        Model::Propagation => None,
        Model::Propainter => Some(weights::find(config.weights.as_deref())?),
        // A folder that was named must hold the checkpoints; the usual places may be empty.
        Model::Auto if config.weights.is_some() => Some(weights::find(config.weights.as_deref())?),
        Model::Auto => weights::find(None).ok(),
    };
    let Some(paths) = paths else {
        return Ok((
            Model::Propagation,
            Box::new(Propagation::new(config.subvideo_length)),
        ));
    };
    let device = config.device.open()?;
    let networks = Arc::new(Networks::read(
        &paths,
        device.clone(),
        config.limits.precision,
    )?);
    let reservation = crate::memory::Ledger::of(DeviceChoice::Cpu).reserve(|_| u64::MAX);
    let guard = Guard::new(
        device,
        crate::memory::Meter::open(DeviceChoice::Cpu),
        reservation,
        config.limits.faults.clone(),
        vec![(Plan::LARGEST, 0)],
    );
    let cut = Cut {
        subvideo_length: config.subvideo_length,
        neighbor_length: config.neighbor_length,
        ref_stride: config.ref_stride,
    };
    let reference = Reference::new(networks, guard, cut, config.raft_iterations);
    Ok((Model::Propainter, Box::new(reference)))
}
