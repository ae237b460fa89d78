//! `propainter check` in a build without networks, which has nothing that runs on a GPU.

use std::ffi::OsString;

use clap::Args;

use crate::Console;

/// Checks a GPU; this build has nothing that runs on one.
#[derive(Debug, Args)]
pub struct Options {
    /// Taken and ignored, so that every use is answered alike.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

/// The error that ends the subcommand.
#[derive(Debug, thiserror::Error)]
#[error(
    "this build has no networks, so nothing runs on a GPU; `make` builds them (cargo feature `networks`)"
)]
pub struct CheckError;

/// Reports that this build has no networks.
///
/// # Errors
/// Always.
pub fn run(options: &Options, _: &mut Console<'_>) -> Result<(), CheckError> {
    let Options { arguments: _ } = options;
    Err(CheckError)
}
