//! `propainter weights`: downloads the official checkpoints, lists the installed ones, converts them to
//! safetensors, and imports RAFT from torchvision.

mod convert;
mod download;
mod fetch;
mod import;
mod licence;
mod list;
mod release;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use propainter::weights::{WeightsError, search_folders};

use crate::Console;

pub use download::{DownloadError, RetryPolicy};
pub use release::{Asset, BASE_URL, OFFICIAL};

/// Downloads, lists, converts and imports the checkpoints of the ProPainter networks.
///
/// Checkpoints are searched in the folder that PROPAINTER_WEIGHTS names, then in
/// $XDG_DATA_HOME/propainter or ~/.local/share/propainter.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 success, 1 failure or a checkpoint is missing, 2 wrong usage, \
                  3 licence not accepted."
)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Fetch(FetchOptions),
    List(ListOptions),
    Convert(ConvertOptions),
    Import(ImportOptions),
}

/// Downloads the official checkpoints: 190 MiB, under a non-commercial licence.
#[derive(Debug, Args)]
struct FetchOptions {
    /// Folder to put them in [default: the first one that is searched].
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// URL to download from, for mirrors of the official release.
    #[arg(long, value_name = "URL", default_value = BASE_URL)]
    base_url: String,
    /// Accept the licence of the weights without being asked.
    #[arg(long, alias = "accept-license")]
    accept_licence: bool,
    /// Replace existing files that are not the official ones.
    #[arg(long)]
    force: bool,
}

/// Lists the installed checkpoints and says whether they are valid.
#[derive(Debug, Args)]
struct ListOptions {
    /// Search this folder first, as the element's property `weights` does.
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
}

/// Converts checkpoints to safetensors, at half the size.
#[derive(Debug, Args)]
struct ConvertOptions {
    /// Checkpoints to convert [default: the official files that are installed].
    files: Vec<PathBuf>,
    /// Network that the files belong to, where their names do not identify it.
    #[arg(long, value_name = "NAME", value_parser = ["raft", "flow_completion", "propainter"])]
    network: Option<String>,
    /// Folder to write to [default: each file's own].
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Keep every value exactly instead of rounding to fp16.
    #[arg(long)]
    fp32: bool,
    /// Replace existing files.
    #[arg(long)]
    force: bool,
}

/// Writes the raft_large of torchvision, which has a BSD licence, as a checkpoint of the element.
#[derive(Debug, Args)]
struct ImportOptions {
    /// File of torchvision, such as raft_large_C_T_SKHT_V2-ff5fadd5.pth
    file: PathBuf,
    /// Folder to write to [default: the first one that is searched].
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Replace an existing file.
    #[arg(long)]
    force: bool,
}

/// An error that ends the subcommand.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("the licence was not accepted: nothing was downloaded")]
    Declined,
    /// The list has shown the details.
    #[error("a checkpoint is missing or invalid")]
    Incomplete,
    #[error("{0}")]
    Other(String),
    #[error("cannot write to the terminal: {0}")]
    Console(#[from] std::io::Error),
}

impl CommandError {
    /// Returns the exit status of the program.
    pub fn status(&self) -> u8 {
        match self {
            Self::Declined => 3,
            _ => 1,
        }
    }
}

/// What the subcommand works with; tests supply their own.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The files of the release.
    pub assets: Vec<Asset>,
    pub retry: RetryPolicy,
    /// Folders that are searched; downloads go to the first.
    pub folders: Vec<PathBuf>,
}

impl Default for Environment {
    /// Returns the official files, in the folders that the environment variables name.
    fn default() -> Self {
        Self {
            assets: OFFICIAL.to_vec(),
            retry: RetryPolicy::default(),
            folders: search_folders(None),
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
/// As each subcommand says.
pub fn run(
    options: &Options,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    match &options.command {
        Command::Fetch(options) => fetch::run(environment, options, console),
        Command::List(options) => list::run(environment, options, console),
        Command::Convert(options) => convert::run(environment, options, console),
        Command::Import(options) => import::run(environment, options, console),
    }
}
