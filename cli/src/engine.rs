//! The options that choose the engine and its device.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use propainter::DeviceChoice;

/// Options of the subcommands that run an engine.
#[derive(Debug, Args)]
pub struct EngineOptions {
    /// Engine that fills the holes
    #[arg(long, value_enum, default_value_t = Model::Propagation)]
    pub model: Model,
    /// Folder that holds the checkpoints
    #[arg(long, value_name = "FOLDER")]
    pub weights: Option<PathBuf>,
    /// Device that computes: auto, cpu or cuda:N
    #[arg(long, default_value_t)]
    pub device: DeviceChoice,
}

/// An engine by its name on the command line, which is its name in the element's property too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// Optical flow without networks; needs no weights
    Propagation,
    /// The ProPainter networks
    Propainter,
    /// The networks where their checkpoints are found, else propagation
    Auto,
}

impl Model {
    /// Returns the name, as the property `model` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Propagation => "propagation",
            Self::Propainter => "propainter",
            Self::Auto => "auto",
        }
    }
}

impl From<propainter::Model> for Model {
    fn from(model: propainter::Model) -> Self {
        match model {
            propainter::Model::Propagation => Self::Propagation,
            propainter::Model::Propainter => Self::Propainter,
            propainter::Model::Auto => Self::Auto,
        }
    }
}

impl From<Model> for propainter::Model {
    fn from(model: Model) -> Self {
        match model {
            Model::Propagation => Self::Propagation,
            Model::Propainter => Self::Propainter,
            Model::Auto => Self::Auto,
        }
    }
}
