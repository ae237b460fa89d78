//! The command `propainter-weights`: fetches the official checkpoints, lists what is
//! installed, converts to safetensors.

mod console;
mod convert;
mod download;
mod fetch;
mod licence;
mod list;
mod official;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use propainter::weights::{WeightsError, search_folders};

pub use console::Console;
pub use download::{DownloadError, Patience};
pub use official::{Asset, BASE_URL, OFFICIAL};

/// Fetches, lists and converts the checkpoints of the ProPainter networks.
///
/// Checkpoints are looked for in the folder that PROPAINTER_WEIGHTS names, then in
/// $XDG_DATA_HOME/propainter or ~/.local/share/propainter.
#[derive(Parser)]
#[command(
    name = "propainter-weights",
    version,
    after_help = "Exit status: 0 done, 1 failed or something is missing, 2 wrong usage, \
                  3 licence not accepted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Fetch(Fetch),
    List(List),
    Convert(Convert),
}

/// Download the official checkpoints: 190 MiB, under a non-commercial licence.
#[derive(Args)]
struct Fetch {
    /// Folder to put them in [default: the first one that is searched].
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Where to download from, for mirrors of the official release.
    #[arg(long, value_name = "URL", default_value = BASE_URL)]
    base_url: String,
    /// Accept the licence of the weights without being asked.
    #[arg(long, alias = "accept-license")]
    accept_licence: bool,
    /// Replace files that are there but are not the official ones.
    #[arg(long)]
    force: bool,
}

/// Show which checkpoints are installed, where, and whether they are whole.
#[derive(Args)]
struct List {
    /// Look in this folder first, as the element's property `weights` does.
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
}

/// Write checkpoints as safetensors, in half the bytes.
#[derive(Args)]
struct Convert {
    /// Checkpoints to convert [default: the official files that are installed].
    files: Vec<PathBuf>,
    /// Which network the files belong to, where their names do not tell.
    #[arg(long, value_name = "NAME", value_parser = ["raft", "flow_completion", "propainter"])]
    network: Option<String>,
    /// Folder to write to [default: each file's own].
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Keep every value as it is instead of rounding to fp16.
    #[arg(long)]
    fp32: bool,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
}

/// Why a command ends without having done its work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("the licence was not accepted: nothing was downloaded")]
    Declined,
    /// The command itself has said what is the matter.
    #[error("not everything is there")]
    Incomplete,
    #[error("{0}")]
    Other(String),
    #[error("cannot write to the terminal: {0}")]
    Console(#[from] std::io::Error),
}

/// The command with what it depends on; tests put files, waits and places of their own
/// here.
pub struct Tool {
    pub assets: Vec<Asset>,
    pub patience: Patience,
    /// Where checkpoints are looked for; the first is where they are put.
    pub folders: Vec<PathBuf>,
}

impl Tool {
    /// The official files, in the places that the environment names.
    pub fn new() -> Self {
        Self {
            assets: OFFICIAL.to_vec(),
            patience: Patience::default(),
            folders: search_folders(None),
        }
    }

    /// Runs the command line `arguments`, the program's name first; returns the exit
    /// status.
    pub fn run(
        &self,
        arguments: impl IntoIterator<Item = OsString>,
        console: &mut Console<'_>,
    ) -> u8 {
        let cli = match Cli::try_parse_from(arguments) {
            Ok(cli) => cli,
            Err(error) => {
                let text = error.render().to_string();
                // With nowhere to write to, the status is all that can be told.
                let _ = if error.use_stderr() {
                    console.errors.write_all(text.as_bytes())
                } else {
                    console.out.write_all(text.as_bytes())
                };
                return if error.use_stderr() { 2 } else { 0 };
            }
        };
        let result = match &cli.command {
            Command::Fetch(arguments) => fetch::run(self, arguments, console),
            Command::List(arguments) => list::run(self, arguments, console),
            Command::Convert(arguments) => convert::run(self, arguments, console),
        };
        let Err(failure) = result else { return 0 };
        let _ = writeln!(console.errors, "propainter-weights: {failure}");
        match failure {
            Failure::Declined => 3,
            _ => 1,
        }
    }
}

impl Default for Tool {
    fn default() -> Self {
        Self::new()
    }
}
