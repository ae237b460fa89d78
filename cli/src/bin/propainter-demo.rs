//! `propainter-demo`: removes an object and a logo from a generated clip, or what a mask says
//! from a video of one's own, and tells what it cost.

use std::process::ExitCode;

use clap::Parser;
use propainter_cli::demo::{self, Options};

#[global_allocator]
static ALLOCATOR: propainter::memory::Counting = propainter::memory::Counting;

fn main() -> ExitCode {
    match demo::run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("propainter-demo: {error}");
            ExitCode::FAILURE
        }
    }
}
