//! Fetches, lists and converts checkpoints; see `propainter-weights --help`.

use std::{env, io, process::ExitCode};

use propainter_cli::weights::{Console, Tool};

#[global_allocator]
static ALLOCATOR: propainter::memory::Counting = propainter::memory::Counting;

fn main() -> ExitCode {
    let mut console = Console {
        input: &mut io::stdin().lock(),
        out: &mut io::stdout().lock(),
        errors: &mut io::stderr(),
    };
    ExitCode::from(Tool::new().run(env::args_os(), &mut console))
}
