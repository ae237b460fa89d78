//! The settings of a run, checked.

use std::path::PathBuf;

use propainter::{
    DType, Precision,
    weights::{Network, WeightsError},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    budget::{Planner, Sizes, TooSmall},
    checkpoint::CheckpointError,
    data::{DataError, Size},
    masks::{Mixture, MixtureError},
    optimizer::MultiStep,
    recompute::UnknownSegment,
    run::RunError,
};

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The flow completion network.
    FlowCompletion,
    /// The generator, against a discriminator.
    Generator,
}

impl Kind {
    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::FlowCompletion => "flow-completion",
            Self::Generator => "generator",
        }
    }

    /// Returns the network that is trained.
    pub fn network(self) -> Network {
        match self {
            Self::FlowCompletion => Network::FlowCompletion,
            Self::Generator => Network::Generator,
        }
    }

    /// Returns the official schedule of the learning rate.
    pub(super) fn schedule(self) -> MultiStep {
        match self {
            Self::FlowCompletion => MultiStep::flow_completion(),
            Self::Generator => MultiStep::generator(),
        }
    }
}

/// The settings of a run, as its folder keeps them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The data set: a folder of videos or of folders of images, or a list.
    pub data: PathBuf,
    /// The size that frames are trained at: multiples of 8, at least 64.
    pub size: (usize, usize),
    /// Number of clips of a step.
    pub batch: usize,
    /// Number of clips that are computed at once. If it is not set, a budget decides; without one it is 1.
    pub at_once: Option<usize>,
    /// Number of steps.
    pub steps: u64,
    /// Number of consecutive frames of a clip.
    pub local: usize,
    /// Number of reference frames of a clip; flow completion needs none.
    pub references: usize,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The masks, as [`Mixture`] reads them.
    pub masks: String,
    /// Folder of decoded videos.
    pub cache: PathBuf,
    /// Bytes that the cache may hold.
    pub cache_limit: u64,
    /// Folder of flows that were computed before.
    pub flows: Option<PathBuf>,
    /// Share of the videos that is kept apart for validation, in percent.
    pub validation_percent: f64,
    /// A data set for validation, in place of a share.
    pub validation: Option<PathBuf>,
    /// Checkpoint that the network starts from.
    pub init: Option<PathBuf>,
    /// Checkpoint that the discriminator starts from.
    pub init_discriminator: Option<PathBuf>,
    /// Keys of parameters, or their beginnings or ends, that stay as they are.
    pub freeze: Vec<String>,
    /// Learning rate at the start, in place of the official one.
    pub learning_rate: Option<f64>,
    /// Checkpoint of RAFT; flow completion needs none where flows were computed before.
    pub raft: Option<PathBuf>,
    /// Checkpoint of flow completion, for the generator.
    pub flow_completion: Option<PathBuf>,
    /// Device that computes: auto, cpu or cuda:N.
    pub device: String,
    /// Number type of the trained network: fp32, bf16, fp16, or auto: bf16 if fp32 does not fit a budget.
    pub precision: String,
    /// Segments of the network that are computed again in the backward pass, which takes less memory, as
    /// [`Segments`](crate::recompute::Segments) reads them. If they are not set, a budget decides; without one it is none.
    pub recompute: Option<String>,
    /// Bytes of the device's memory that the training may take; 0 is no limit. On the CPU they are those
    /// of the process.
    pub vram_budget: u64,
    /// Number of threads that load samples.
    pub threads: usize,
    /// Steps between two lines of the log.
    pub log_every: u64,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
    /// Steps between two pictures.
    pub sample_every: u64,
}

/// An error that keeps a run from starting, or ends it.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The run fails.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A checkpoint to start from cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint of a network that is not trained cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The masks are not known.
    #[error(transparent)]
    Masks(#[from] MixtureError),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] propainter::Error),
    /// Segments that are not known.
    #[error(transparent)]
    Segments(#[from] UnknownSegment),
    /// The budget is too small.
    #[error(transparent)]
    Budget(#[from] TooSmall),
    /// A setting is missing, or wrong for the training.
    #[error("{0}")]
    Setting(String),
}

impl Settings {
    /// Fails if a setting is missing, or wrong for the training.
    pub(super) fn check(&self, kind: Kind) -> Result<(), SetupError> {
        let wrong = |text: &str| Err(SetupError::Setting(text.to_owned()));
        let (width, height) = self.size;
        if width % 8 != 0 || height % 8 != 0 || width < 64 || height < 64 {
            return wrong("the size of frames has to be multiples of 8 from 64 on");
        }
        if self.local < 2 || self.batch == 0 || self.at_once == Some(0) {
            return wrong("a clip needs two local frames at least, and a step one clip");
        }
        if !self.batch.is_multiple_of(self.at_once.unwrap_or(1)) {
            return wrong(
                "the clips at once have to divide the clips of a step, so that all count alike",
            );
        }
        self.masks.parse::<Mixture>()?;
        self.planner(kind, false)?;
        match kind {
            Kind::Generator if self.flow_completion.is_none() || self.raft.is_none() => {
                wrong("the generator needs checkpoints of RAFT and of flow completion")
            }
            Kind::FlowCompletion if self.raft.is_none() && self.flows.is_none() => wrong(
                "flow completion needs a checkpoint of RAFT, or flows that were computed before",
            ),
            _ => Ok(()),
        }
    }

    /// Returns the size of frames.
    pub(super) fn size(&self) -> Size {
        Size::new(self.size.0, self.size.1)
    }

    /// Returns what may be planned.
    pub(super) fn planner(&self, kind: Kind, on_gpu: bool) -> Result<Planner, SetupError> {
        let numbers = match self.precision.parse()? {
            Precision::Auto if self.vram_budget > 0 => vec![DType::F32, DType::Bf16],
            Precision::Fp32 | Precision::Auto => vec![DType::F32],
            Precision::Bf16 => vec![DType::Bf16],
            Precision::Fp16 => vec![DType::F16],
            Precision::Tf32 => {
                let text = "training knows the precisions auto, fp32, bf16 and fp16";
                return Err(SetupError::Setting(text.to_owned()));
            }
        };
        let segments = self.recompute.as_deref().map(str::parse).transpose()?;
        Ok(Planner {
            sizes: Sizes {
                network: kind.network(),
                size: self.size,
                local: self.local,
                references: self.references,
                batch: self.batch,
            },
            on_gpu,
            at_once: self.at_once,
            numbers,
            segments,
        })
    }
}
