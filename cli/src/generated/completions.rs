//! `propainter completions`.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{Cli, Console};

/// Prints the completion script of a shell.
///
/// For bash: propainter completions bash > ~/.local/share/bash-completion/completions/propainter
#[derive(Debug, Args)]
pub struct Options {
    /// Shell that the script is for
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the completion script.
///
/// # Errors
/// The output cannot be written.
pub fn run(options: &Options, console: &mut Console<'_>) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        options.shell,
        &mut Cli::command(),
        "propainter",
        &mut script,
    );
    console.out.write_all(&script)
}
