//! `propainter train` in a build without training.

use std::ffi::OsString;

use clap::Args;

use crate::Console;

/// Trains networks; this build cannot.
#[derive(Debug, Args)]
pub struct Options {
    /// Taken and ignored, so that every use is answered alike.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

/// The error that ends the subcommand.
#[derive(Debug, thiserror::Error)]
#[error("this build cannot train; `make` builds what trains (cargo feature `training`)")]
pub struct CommandError;

impl CommandError {
    /// Returns the exit status of the program.
    pub fn status(&self) -> u8 {
        1
    }
}

/// Reports that this build cannot train.
///
/// # Errors
/// Always.
pub fn run(options: &Options, _: &mut Console<'_>) -> Result<(), CommandError> {
    let Options { arguments: _ } = options;
    Err(CommandError)
}
