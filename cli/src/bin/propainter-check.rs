//! `propainter check` as a program of its own, for machines without GStreamer: nothing of what it
//! calls uses it. `make kit` packs it.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use propainter_cli::{Console, check};

#[global_allocator]
static ALLOCATOR: propainter::memory::Counting = propainter::memory::Counting;

/// Checks that a GPU computes what it should, and measures its speed and memory.
#[derive(Parser)]
#[command(name = "propainter-check", version)]
struct Arguments {
    #[command(flatten)]
    options: check::Options,
}

fn main() -> ExitCode {
    let Arguments { options } = Arguments::parse();
    let mut console = Console {
        input: &mut io::stdin().lock(),
        out: &mut io::stdout(),
        errors: &mut io::stderr(),
        is_terminal: io::stdout().is_terminal(),
    };
    let Err(error) = check::run(&options, &mut console) else {
        return ExitCode::SUCCESS;
    };
    // If it cannot be written, the exit status is all that is left to say.
    let _ = console.note("check", &error.to_string());
    ExitCode::FAILURE
}
