//! The configuration of a session, fixed before its first frame.

use std::path::PathBuf;

use crate::{
    DeviceChoice, Error, Limits,
    classical::{self, WindowLengths},
    device::isa::Isa,
    memory::Notice,
    schedule::WindowParams,
    weights,
};

/// The engine that fills the holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// The networks if their checkpoints are found, otherwise propagation.
    #[default]
    Auto,
    /// The ProPainter networks.
    Propainter,
    /// Flow-guided propagation without weights.
    Propagation,
}

/// How a stream is divided into windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As the official procedure divides the whole clip; the result is the same frame by frame.
    #[default]
    Reference,
    /// With bounded latency: a window every half neighbour length, over the latest frames and
    /// `lookahead` future ones.
    Sliding,
}

/// The part of a frame that the engine processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CropMode {
    /// The whole frame.
    #[default]
    Whole,
    /// Crops around its holes, with context; the whole frame if most of it is to be filled.
    Crops,
}

/// The settings of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Width of the frames that will be pushed, in pixels.
    pub width: usize,
    /// Height of the frames that will be pushed, in pixels.
    pub height: usize,
    /// The engine that fills the holes.
    pub model: Model,
    /// Folder of the checkpoints; `None` searches the usual places.
    pub weights: Option<PathBuf>,
    /// The device that the networks run on.
    pub device: DeviceChoice,
    /// How the stream is divided into windows.
    pub mode: Mode,
    /// Frames of a sub-video, at least 2 (`subvideo_length` of the official script).
    pub subvideo_length: usize,
    /// Local frames of a generator window, at least 2 (`neighbor_length`).
    pub neighbor_length: usize,
    /// Distance between reference frames, at least 1 (`ref_stride`).
    pub ref_stride: usize,
    /// Refinement steps of RAFT, at least 1 (`raft_iter`).
    pub raft_iterations: usize,
    /// Pixels by which the hole is dilated, at processing size (`mask_dilation`).
    pub mask_dilation: usize,
    /// Processing width in pixels, rounded down to a multiple of 8, at least 8; `None` is the
    /// frames' own width times `resize_ratio`.
    pub processing_width: Option<usize>,
    /// Processing height in pixels, rounded down to a multiple of 8, at least 8; `None` is the
    /// frames' own height times `resize_ratio`.
    pub processing_height: Option<usize>,
    /// Factor on the frames' own width or height where no processing size is given, above 0 and up
    /// to 4.
    pub resize_ratio: f64,
    /// Future frames that a window of [`Mode::Sliding`] waits for, at least 1, at most the
    /// sub-video less a hop and a frame; higher values have the effect of that one.
    pub lookahead: usize,
    /// Whether scene cuts end the windows of [`Mode::Sliding`].
    pub scene_cuts: bool,
    /// Difference between two frames from which on they belong to two scenes, above 0 and up to 1,
    /// as [`scene_cuts`](crate::scene_cuts) measures it: below 0.3 within most scenes, above 0.5
    /// between most.
    pub scene_threshold: f64,
    /// Pixels around the dilated hole over which the fill fades into the frame, at processing
    /// size.
    pub mask_feather: usize,
    /// The part of a frame that the engine processes. The processing size limits the size of each
    /// crop, and the result of crops is not that of the official procedure.
    pub crop_mode: CropMode,
    /// Whether frames come out whole. If not, only the pixels of the hole are valid: the caller
    /// has the others, so the session does not hold them twice.
    pub whole: bool,
    /// The limits of the session's memory, and the precision.
    pub limits: Limits,
}

/// Whether this build has the networks.
const NETWORKS_BUILT: bool = cfg!(feature = "networks");

impl Config {
    /// Returns the official defaults for frames of this size.
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
            crop_mode: CropMode::default(),
            whole: true,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Returns the value of [`Session::latency_frames`](super::Session::latency_frames) as far as
    /// it is known before a session is opened: a window shortened to fit a budget lowers it.
    pub fn latency_frames(&self) -> usize {
        match self.networks() {
            true => self.window_params().latency_frames(),
            false => self.classical_window().ahead,
        }
    }

    /// Returns the number of frames that become final at once in the middle of a stream: a hop of
    /// the networks in [`Mode::Sliding`], otherwise one.
    pub fn hop(&self) -> usize {
        match self.mode {
            Mode::Sliding if self.networks() => self.window_params().hop(),
            _ => 1,
        }
    }

    /// Returns these settings with windows in which no frame waits for more than `frames` later
    /// ones, at least 1; sliding windows if those of the official procedure wait for more.
    #[must_use]
    pub fn with_latency_within(&self, frames: usize) -> Self {
        let frames = frames.max(1);
        if self.latency_frames() <= frames {
            return self.clone();
        }
        let mut config = Self {
            mode: Mode::Sliding,
            lookahead: frames,
            ..self.clone()
        };
        if self.networks() {
            let hop = config.window_params().hop();
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

    /// Takes over the windows of `other`.
    pub(super) fn take_windows(&mut self, other: &Self) {
        self.mode = other.mode;
        self.lookahead = other.lookahead;
        self.neighbor_length = other.neighbor_length;
    }

    /// Returns the number of frames of the shortest scene that gets windows of its own.
    pub(super) fn shortest_scene(&self) -> usize {
        self.window_params().hop().max(3)
    }

    /// Returns the engine that fills the holes, never [`Model::Auto`], as far as it is known
    /// without reading checkpoints.
    pub fn engine(&self) -> Model {
        match self.model {
            Model::Auto if NETWORKS_BUILT && self.weights_found() => Model::Propainter,
            Model::Auto => Model::Propagation,
            model => model,
        }
    }

    /// Returns the engine to open, never [`Model::Auto`]. A folder that was named must hold the
    /// checkpoints; the usual places may be empty.
    pub(super) fn model_to_open(&self) -> Model {
        match self.model {
            Model::Auto if NETWORKS_BUILT && self.weights.is_some() => Model::Propainter,
            _ => self.engine(),
        }
    }

    /// Returns a notice where the settings of [`Model::Auto`] suggest that the networks are expected
    /// which this build lacks: there are checkpoints, or a GPU is named.
    pub(super) fn without_networks(&self) -> Option<Notice> {
        let missed = !NETWORKS_BUILT
            && self.model == Model::Auto
            && (self.weights.is_some()
                || matches!(self.device, DeviceChoice::Cuda(_))
                || self.weights_found());
        missed.then_some(Notice::NotBuilt)
    }

    fn weights_found(&self) -> bool {
        weights::find(self.weights.as_deref()).is_ok()
    }

    /// Returns how many frames before the oldest one held a window can look back at, at least 1.
    pub(super) fn history_frames(&self) -> usize {
        let history = self.subvideo_length.saturating_sub(self.latency_frames());
        history.max(1)
    }

    /// Returns by how many pixels the hole grows around the mask, at processing size.
    pub(super) fn hole_growth(&self) -> usize {
        self.mask_dilation.saturating_add(self.mask_feather)
    }

    /// Returns the window of the classical engine.
    pub(super) fn classical_window(&self) -> WindowLengths {
        let lookahead = (self.mode == Mode::Sliding).then_some(self.lookahead);
        classical::window(self.subvideo_length, lookahead)
    }

    fn networks(&self) -> bool {
        self.engine() == Model::Propainter
    }

    /// Returns the window parameters of the networks. Clamps settings to their range; a session
    /// with settings out of range does not open.
    pub(super) fn window_params(&self) -> WindowParams {
        WindowParams {
            subvideo_length: self.subvideo_length.max(2),
            neighbor_length: self.neighbor_length.max(2),
            ref_stride: self.ref_stride.max(1),
            lookahead: (self.mode == Mode::Sliding).then(|| self.lookahead.max(1)),
        }
    }
}

/// Checks the ranges of the settings and of the environment variables that the engine reads.
///
/// # Errors
/// [`Error::Setting`] for a value out of its range.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    Isa::check()?;
    let at_least = |name: &'static str, value: usize, least: usize| {
        if value >= least {
            return Ok(());
        }
        Err(Error::Setting {
            name,
            problem: format!("{value} is too small; the minimum is {least}"),
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
            problem: format!("{} is not above 0 and up to 1", config.scene_threshold),
        });
    }
    if !(config.resize_ratio > 0.0 && config.resize_ratio <= 4.0) {
        return Err(Error::Setting {
            name: "resize-ratio",
            problem: format!("{} is not above 0 and up to 4", config.resize_ratio),
        });
    }
    Ok(())
}
