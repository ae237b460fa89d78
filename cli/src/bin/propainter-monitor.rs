//! `propainter-monitor`: plays a pipeline and shows what its propainter elements take and do.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use propainter_cli::monitor::{self, Lines, Options, Screen};

#[global_allocator]
static ALLOCATOR: propainter::memory::Counting = propainter::memory::Counting;

fn main() -> ExitCode {
    let options = Options::parse();
    let shown = if io::stdout().is_terminal() {
        monitor::run(&options, &mut Screen::default())
    } else {
        monitor::run(&options, &mut Lines(io::stdout()))
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("propainter-monitor: {error}");
            ExitCode::FAILURE
        }
    }
}
