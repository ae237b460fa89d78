//! The program `propainter`, run as a user would.

#[cfg(feature = "networks")]
mod advise;
mod bench;
#[cfg(feature = "networks")]
pub mod check;
mod generated;
mod program;
mod segments;

use std::ffi::OsString;

use propainter_cli::{Console, weights::Environment};

/// The result of a run.
pub struct Outcome {
    pub status: u8,
    pub out: String,
    pub errors: String,
}

/// Runs a command line, which begins with the program's name.
fn run(arguments: &[&str]) -> Outcome {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let mut console = Console {
        input: &mut &b""[..],
        out: &mut out,
        errors: &mut errors,
        is_terminal: false,
    };
    let arguments = arguments.iter().map(OsString::from);
    let status = propainter_cli::run(arguments, &Environment::default(), &mut console);
    Outcome {
        status,
        out: String::from_utf8(out).expect("UTF-8"),
        errors: String::from_utf8(errors).expect("UTF-8"),
    }
}
