//! `propainter weights` in a build without networks, which needs no checkpoints.

use std::ffi::OsString;

use clap::Args;

use crate::Console;

/// Downloads and converts checkpoints; this build has no networks that need them.
#[derive(Debug, Args)]
pub struct Options {
    /// Taken and ignored, so that every use is answered alike.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

/// The error that ends the subcommand.
#[derive(Debug, thiserror::Error)]
#[error(
    "this build has no networks, so it needs no weights; `make` builds them (cargo feature `networks`)"
)]
pub struct CommandError;

impl CommandError {
    /// Returns the exit status of the program.
    pub fn status(&self) -> u8 {
        1
    }
}

/// What the subcommand works with: nothing.
#[derive(Clone, Debug, Default)]
pub struct Environment {}

/// Reports that this build has no networks.
///
/// # Errors
/// Always.
pub fn run(options: &Options, _: &Environment, _: &mut Console<'_>) -> Result<(), CommandError> {
    let Options { arguments: _ } = options;
    Err(CommandError)
}
