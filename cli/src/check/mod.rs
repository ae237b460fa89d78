//! `propainter check`: tells whether a GPU computes what it should, in what time and memory.
//!
//! It needs no weights, no toolkit and no network. The sections run in this order, the most
//! important first, and each result is on disk as soon as it is known:
//!
//! 1. [`device`]: the driver and the card, and what is missing
//! 2. [`correctness`]: each kernel against its reference form, then each network against the CPU
//! 3. [`sessions`]: whole sessions: frames per second, launches and time of the host, and the memory
//!    of a plan of each kind against its prediction
//! 4. [`layers`]: single layers, beside PyTorch where there is one
//!
//! [`steps`] runs the single steps within the time limit, and [`report`] writes what they find.

mod correctness;
mod device;
mod layers;
mod report;
mod sessions;
mod steps;

use std::{io, path::PathBuf, time::Duration};

use clap::Args;
use propainter::DeviceChoice;
use thiserror::Error;

use crate::Console;
use report::{Outcome, Report};
use steps::Steps;

/// Checks that a GPU computes what it should, and measures its speed and memory.
///
/// Needs no weights, no toolkit and no network. Compares every kernel and every network with the
/// CPU, runs whole sessions, and writes report.json and report.txt, which hold what is known so far
/// at any time. Ctrl-C ends the check early. docs/cards.md explains every line of the report.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if everything ran, is right and stayed within its memory budget, \
                        1 if not, 2 wrong usage. docs/cards.md explains the report."
)]
pub struct Options {
    /// Device to check: cuda:N or cpu
    #[arg(long, default_value = "cuda:0")]
    pub device: DeviceChoice,
    /// Folder of the report; the files of an earlier report there are replaced
    #[arg(long, value_name = "FOLDER", default_value = "propainter-check")]
    pub report: PathBuf,
    /// Seconds after which no more is begun
    #[arg(long, value_name = "SECONDS", default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..))]
    pub time_limit: u32,
    /// Small frames and short clips only
    #[arg(long)]
    pub quick: bool,
    /// Sections to run, after `device`; all by default
    #[arg(long, value_name = "SECTION", value_delimiter = ',', value_parser = SECTIONS)]
    pub only: Vec<String>,
    /// Python with PyTorch, to time the same layers in the same run
    #[arg(long, value_name = "PYTHON")]
    pub pytorch: Option<PathBuf>,
}

/// The sections that `--only` takes.
const SECTIONS: [&str; 6] = ["kernels", "networks", "speed", "host", "memory", "layers"];

/// An error that ends the check.
#[derive(Debug, Error)]
pub enum CheckError {
    #[error("the report cannot be written: {0}")]
    Report(io::Error),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    /// The device cannot be used at all.
    #[error("{0}")]
    NoDevice(String),
    #[error("{0}")]
    NotRight(String),
}

/// Runs the check.
///
/// # Errors
/// Something is not right, was not run, or could not be written.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), CheckError> {
    let limit = Duration::from_secs(options.time_limit.into());
    let report = Report::create(&options.report, &options.only)?;
    let mut steps = Steps::new(report, limit, console);
    let opened = device::check(options.device, &mut steps)?;
    if let Some(device) = opened {
        correctness::check(&device, &mut steps)?;
        sessions::check(&device, options.quick, &mut steps)?;
        layers::check(&device, options, &mut steps)?;
    }
    let report = steps.finish()?;
    console.say(&format!("report: {}", report.text_path().display()))?;
    if let Some(problem) = report.device_problem() {
        return Err(CheckError::NoDevice(problem.to_owned()));
    }
    let (failed, left) = (
        report.count(Outcome::is_failed),
        report.count(Outcome::is_not_run),
    );
    match (failed, left) {
        (0, 0) => Ok(()),
        (0, left) => Err(CheckError::NotRight(format!("{left} steps were not run"))),
        (failed, 0) => Err(CheckError::NotRight(format!("{failed} steps failed"))),
        _ => {
            let text = format!("{failed} steps failed and {left} were not run");
            Err(CheckError::NotRight(text))
        }
    }
}
