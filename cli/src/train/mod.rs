//! `propainter train`: trains flow completion and the generator.
//!
//! - [`options`]: the options of a new run
//! - [`progress`]: what is shown meanwhile

pub mod options;
mod progress;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use clap::{Args, Subcommand};
use propainter::weights::WeightsError;
use propainter_training::{
    data::DataError,
    run::{Ended, Observer, Summary},
    train::{Kind, SetupError, resume, start},
};
use serde_json::json;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};
use thiserror::Error;

use crate::Console;

use self::{
    options::NewRun,
    progress::{Bar, JsonLines, Quiet},
};

/// Exit status of a run that was interrupted, as a shell reports SIGINT.
const INTERRUPTED: u8 = 130;

/// Trains networks on your own videos
///
/// A run has a folder with its settings, checkpoints, log, curves, samples and files for TensorBoard.
/// Interrupted, even by a power failure, it goes on from its latest checkpoint.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 success, 1 failure, 2 wrong usage, 130 interrupted; the run can be \
                  resumed then."
)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trains the network that completes optical flow.
    FlowCompletion(Start),
    /// Trains the generator against a discriminator.
    Generator(Start),
    /// Goes on with a run from its latest checkpoint.
    Resume(Resume),
}

#[derive(Debug, Args)]
struct Start {
    #[command(flatten)]
    run: NewRun,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Args)]
struct Resume {
    /// Folder of the run
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Clone, Copy, Debug, Args)]
struct Shown {
    /// Show only errors
    #[arg(long)]
    quiet: bool,
    /// Print an object of JSON a line: progress, validation, checkpoint, notice, then done or error
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

/// An error that ends the subcommand.
#[derive(Debug, Error)]
pub enum CommandError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("stopped at step {step}; go on with `propainter train resume {}`", folder.display())]
    Interrupted { step: u64, folder: PathBuf },
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

impl CommandError {
    /// Returns the exit status of the program.
    pub fn status(&self) -> u8 {
        match self {
            Self::Interrupted { .. } | Self::Setup(SetupError::Data(DataError::Stopped)) => {
                INTERRUPTED
            }
            _ => 1,
        }
    }
}

/// Runs the subcommand. A first signal ends the run after its step, a second one at once.
///
/// # Errors
/// The settings, the data or a checkpoint cannot be used, the run ends with an error, or it is
/// interrupted.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), CommandError> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut handlers = Vec::new();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        handlers.push(flag::register_conditional_shutdown(
            signal,
            128 + signal,
            stop.clone(),
        )?);
        handlers.push(flag::register(signal, stop.clone())?);
    }
    let result = match &options.command {
        Command::FlowCompletion(new) => begin(Kind::FlowCompletion, new, &stop, console),
        Command::Generator(new) => begin(Kind::Generator, new, &stop, console),
        Command::Resume(old) => shown(&old.folder, old.shown, console, &mut |observer| {
            resume(&old.folder, observer, &stop)
        }),
    };
    for handler in handlers {
        signal_hook::low_level::unregister(handler);
    }
    result
}

fn begin(
    kind: Kind,
    new: &Start,
    stop: &AtomicBool,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let settings = new.run.settings(kind)?;
    let folder = &new.run.out;
    shown(folder, new.shown, console, &mut |observer| {
        start(kind, &settings, folder, observer, stop)
    })
}

/// Runs a training and shows how it goes and ends.
fn shown(
    folder: &Path,
    shown: Shown,
    console: &mut Console<'_>,
    train: &mut dyn FnMut(&mut dyn Observer) -> Result<Summary, SetupError>,
) -> Result<(), CommandError> {
    let end = |summary: Summary| match summary.ended {
        Ended::Finished => Ok(summary),
        Ended::Stopped => Err(CommandError::Interrupted {
            step: summary.progress.step,
            folder: folder.to_owned(),
        }),
    };
    if shown.json {
        let mut lines = JsonLines(console.out);
        let result = train(&mut lines).map_err(CommandError::from).and_then(end);
        lines.line(&match &result {
            Ok(summary) => json!({
                "type": "done",
                "step": summary.progress.step,
                "folder": folder.display().to_string(),
            }),
            Err(error) => json!({ "type": "error", "text": error.to_string() }),
        });
        result?;
        return Ok(());
    }
    if shown.quiet {
        end(train(&mut Quiet)?)?;
        return Ok(());
    }
    let summary = end(train(&mut Bar::new(console.errors))?)?;
    let (step, folder) = (summary.progress.step, folder.display());
    Ok(console.say(&format!(
        "{folder}: {step} steps are done; checkpoints/ holds the weights"
    ))?)
}
