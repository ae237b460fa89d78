//! What a session is told before its first frame.

use std::path::PathBuf;

use super::{networks_builder, weights_free};
use crate::{
    DeviceChoice, Error, Limits, isa::Isa, memory::Notice, weights, windows::schedule::Cut,
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
    /// Bounded latency: a window every half neighbour length, over what came last and
    /// `lookahead` frames of future.
    Sliding,
}

/// What of a frame the engine sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Roi {
    /// The whole frame.
    #[default]
    Whole,
    /// Crops around its holes, with context; a frame that is mostly hole, whole.
    Crops,
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
    /// Frames of future that a window of [`Mode::Sliding`] waits for, 1 and up. What is given
    /// beyond the sub-video less a hop and a frame is not waited for.
    pub lookahead: usize,
    /// Whether a scene cut ends the windows of [`Mode::Sliding`].
    pub scene_cuts: bool,
    /// How different two frames must be to be of two scenes, above 0, up to 1: what
    /// [`scene_cuts`](crate::scene_cuts) measures, which is under 0.3 within most scenes and above
    /// 0.5 between most.
    pub scene_threshold: f64,
    /// Pixels around the dilated hole over which the fill fades into the picture, at processing
    /// size.
    pub mask_feather: usize,
    /// What the engine sees. In crops the processing size is the most that one is seen at, and the
    /// result is not the official procedure's.
    pub roi: Roi,
    /// Whether frames come out whole. If not, only what lies in the hole means anything: whoever
    /// pushes them has the rest, and it need not be held twice.
    pub whole: bool,
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
            lookahead: 10,
            scene_cuts: true,
            scene_threshold: 0.45,
            mask_feather: 0,
            roi: Roi::default(),
            whole: true,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// The look-ahead that [`Session::look_ahead`](super::Session::look_ahead) will state, as
    /// far as it is known without opening anything: a window shortened to fit a budget makes it
    /// less.
    pub fn look_ahead(&self) -> usize {
        match self.networks() {
            true => self.cut().look_ahead(),
            false => weights_free::window(self).ahead,
        }
    }

    /// Frames that become final at once, in the middle of a stream: those of a hop of the
    /// networks in [`Mode::Sliding`], else one.
    pub fn hop(&self) -> usize {
        match self.mode {
            Mode::Sliding if self.networks() => self.cut().hop(),
            _ => 1,
        }
    }

    /// These settings with windows in which no frame waits for more than `frames` later ones, 1
    /// and up; sliding ones where the official procedure waits for more.
    #[must_use]
    pub fn with_look_ahead_within(&self, frames: usize) -> Self {
        let frames = frames.max(1);
        if self.look_ahead() <= frames {
            return self.clone();
        }
        let mut config = Self {
            mode: Mode::Sliding,
            lookahead: frames,
            ..self.clone()
        };
        if self.networks() {
            let hop = config.cut().hop();
            if hop > frames {
                config.neighbor_length = 2 * frames;
            }
            config.lookahead = frames + 1 - hop.min(frames);
            if self.mode == Mode::Sliding {
                config.lookahead = config.lookahead.min(self.lookahead);
            }
        }
        config
    }

    /// Takes over how `other` cuts the stream into windows.
    pub(super) fn take_windows(&mut self, other: &Self) {
        self.mode = other.mode;
        self.lookahead = other.lookahead;
        self.neighbor_length = other.neighbor_length;
    }

    /// Frames of the shortest scene that gets windows of its own.
    pub(super) fn shortest_scene(&self) -> usize {
        self.cut().hop().max(3)
    }

    /// The engine that fills the holes, never [`Model::Auto`], as far as it is known without
    /// reading checkpoints.
    pub fn engine(&self) -> Model {
        match self.model {
            Model::Auto if networks_builder::BUILT && self.weights_found() => Model::Propainter,
            Model::Auto => Model::Propagation,
            model => model,
        }
    }

    /// The engine to open, never [`Model::Auto`]. A folder that was named must hold the checkpoints;
    /// the usual places may be empty.
    pub(super) fn to_open(&self) -> Model {
        match self.model {
            Model::Auto if networks_builder::BUILT && self.weights.is_some() => Model::Propainter,
            _ => self.engine(),
        }
    }

    fn weights_found(&self) -> bool {
        weights::find(self.weights.as_deref()).is_ok()
    }

    /// Returns a notice where [`Model::Auto`] would be the networks if they were in this build.
    pub(super) fn without_networks(&self) -> Option<Notice> {
        let missed = !networks_builder::BUILT
            && self.model == Model::Auto
            && (self.weights.is_some() || self.weights_found());
        missed.then_some(Notice::NotBuilt)
    }

    fn networks(&self) -> bool {
        self.engine() == Model::Propainter
    }

    /// How a clip is cut. Settings out of their range, which nothing opens, are brought into it.
    pub(super) fn cut(&self) -> Cut {
        Cut {
            subvideo_length: self.subvideo_length.max(2),
            neighbor_length: self.neighbor_length.max(2),
            ref_stride: self.ref_stride.max(1),
            lookahead: (self.mode == Mode::Sliding).then(|| self.lookahead.max(1)),
        }
    }
}

/// # Errors
/// [`Error::Setting`] for a setting out of its range, the environment's among them.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    Isa::check()?;
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
    at_least("lookahead", config.lookahead, 1)?;
    if !(config.scene_threshold > 0.0 && config.scene_threshold <= 1.0) {
        return Err(Error::Setting {
            name: "scene-threshold",
            problem: format!("{} is not within 0 to 1", config.scene_threshold),
        });
    }
    if !(config.resize_ratio > 0.0 && config.resize_ratio <= 4.0) {
        return Err(Error::Setting {
            name: "resize-ratio",
            problem: format!("{} is not within 0 to 4", config.resize_ratio),
        });
    }
    Ok(())
}
