//! The program `propainter`; see `propainter --help`.

use std::{
    env,
    io::{self, IsTerminal},
    process::ExitCode,
};

use propainter_cli::{Console, weights::Environment};

#[global_allocator]
static ALLOCATOR: propainter::memory::Counting = propainter::memory::Counting;

fn main() -> ExitCode {
    let mut console = Console {
        input: &mut io::stdin().lock(),
        out: &mut io::stdout(),
        errors: &mut io::stderr(),
        is_terminal: io::stdout().is_terminal(),
    };
    let status = propainter_cli::run(env::args_os(), &Environment::default(), &mut console);
    ExitCode::from(status)
}
