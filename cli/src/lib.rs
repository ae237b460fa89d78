//! The program `propainter`.
//!
//! Subcommands, a folder each:
//! - [`demo`]: shows the element at work on a generated clip or on a video file
//! - [`mod@run`]: removes what masks mark from videos
//! - [`monitor`]: plays a pipeline and shows memory and progress
//! - [`weights`]: downloads, checks and converts checkpoints
//! - [`train`]: trains networks
//! - [`mod@bench`]: measures the speed of the engine
//! - [`check`]: checks a GPU and measures it
//! - [`advise`]: settings, time and cost of a clip on cards and rented machines
//! - [`segments`]: `plan` and `join`, and `run` for a job: a clip in segments on several machines
//! - [`folder`]: `run` for a folder of videos
//! - [`generated`]: shell completions and man pages
//!
//! Shared by them:
//! - [`console`]: input, output and errors
//! - [`engine`]: the options that choose the engine and its device
//! - [`output`]: files that are written safely
//! - [`recode`]: a video file through the element into another file
//! - [`report`]: the page about a clip
//! - [`y4m`]: uncompressed frames in pipes
//! - [`memory`], [`progress`], [`units`]: peak memory, progress bars, bytes as text
//!
//! A new subcommand is a folder, a variant of [`Command`] and its line in [`run()`].

pub mod advise;
pub mod bench;
#[cfg_attr(not(feature = "networks"), path = "check/no_networks.rs")]
pub mod check;
pub mod console;
pub mod demo;
pub mod engine;
pub mod folder;
pub mod generated;
pub mod memory;
pub mod monitor;
pub mod output;
pub mod progress;
pub mod recode;
pub mod report;
pub mod run;
pub mod segments;
#[cfg_attr(not(feature = "training"), path = "train/no_training.rs")]
pub mod train;
pub mod units;
#[cfg_attr(not(feature = "networks"), path = "no_networks.rs")]
pub mod weights;
pub mod y4m;

use std::{ffi::OsString, fmt::Display, path::Path};

use clap::{CommandFactory, Parser, Subcommand};

pub use console::Console;

/// Removes logos, subtitles and objects from video.
#[derive(Debug, Parser)]
#[command(
    name = "propainter",
    version,
    propagate_version = true,
    after_help = "Exit status: 0 success, 1 failure, 2 wrong usage."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// A subcommand with its options.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(run::Options),
    Plan(segments::plan::Options),
    Join(segments::join::Options),
    Demo(demo::Options),
    Monitor(monitor::Options),
    Weights(weights::Options),
    Train(train::Options),
    Bench(bench::Options),
    Check(check::Options),
    Advise(advise::Options),
    Completions(generated::completions::Options),
    Man(generated::man::Options),
}

/// A failed subcommand: its exit status and what it says.
struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    /// Returns a failure with the exit status 1.
    fn of(error: impl Display) -> Self {
        Self {
            status: 1,
            message: error.to_string(),
        }
    }
}

/// Runs a command line, which begins with the program's name, and returns the exit status.
///
/// `environment` is what `propainter weights` works with.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &weights::Environment,
    console: &mut Console<'_>,
) -> u8 {
    let cli = match Cli::try_parse_from(expand_name(arguments)) {
        Ok(cli) => cli,
        Err(error) => {
            let text = error.render().to_string();
            // If it cannot be written, the exit status is all that is left to say.
            let _ = if error.use_stderr() {
                console.errors.write_all(text.as_bytes())
            } else {
                console.out.write_all(text.as_bytes())
            };
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    let (name, result) = match &cli.command {
        Command::Run(options) if options.input.join(segments::MANIFEST).is_file() => {
            let result = segments::one::run(options, console);
            ("run", result.map_err(Failure::of))
        }
        Command::Run(options) if folder::is_folder(&options.input) => {
            ("run", folder::run(options, console).map_err(Failure::of))
        }
        Command::Run(options) => ("run", run::run(options, console).map_err(Failure::of)),
        Command::Plan(options) => {
            let result = segments::plan::run(options, console);
            ("plan", result.map_err(Failure::of))
        }
        Command::Join(options) => {
            let result = segments::join::run(options, console);
            ("join", result.map_err(Failure::of))
        }
        Command::Demo(options) => ("demo", demo::run(options, console).map_err(Failure::of)),
        Command::Monitor(options) => {
            let result = monitor::run(options, console);
            ("monitor", result.map_err(Failure::of))
        }
        Command::Weights(options) => {
            let result = weights::run(options, environment, console);
            let failure = |error: weights::CommandError| Failure {
                status: error.status(),
                message: error.to_string(),
            };
            ("weights", result.map_err(failure))
        }
        Command::Train(options) => {
            let result = train::run(options, console);
            let failure = |error: train::CommandError| Failure {
                status: error.status(),
                message: error.to_string(),
            };
            ("train", result.map_err(failure))
        }
        Command::Bench(options) => ("bench", bench::run(options, console).map_err(Failure::of)),
        Command::Check(options) => ("check", check::run(options, console).map_err(Failure::of)),
        Command::Advise(options) => {
            let result = advise::run(options, console);
            ("advise", result.map_err(Failure::of))
        }
        Command::Completions(options) => {
            let result = generated::completions::run(options, console);
            ("completions", result.map_err(Failure::of))
        }
        Command::Man(options) => {
            let result = generated::man::run(options, console);
            ("man", result.map_err(Failure::of))
        }
    };
    let Err(failure) = result else { return 0 };
    // If it cannot be written, the exit status is all that is left to say.
    let _ = console.note(name, &failure.message);
    failure.status
}

/// Inserts the subcommand that the program's own name stands for: called through a link named
/// `propainter-monitor`, the program acts as `propainter monitor`. Usage texts say `propainter`
/// under every name.
fn expand_name(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    let file_name = Path::new(&program).file_name();
    let name = file_name.and_then(|name| name.to_str()?.strip_prefix("propainter-"));
    let known = name.filter(|name| Cli::command().find_subcommand(name).is_some());
    let mut words = vec![OsString::from("propainter")];
    words.extend(known.map(OsString::from));
    words.extend(arguments);
    words
}
