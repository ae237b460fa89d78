//! Tests once more, under the other instruction sets of the machine.

use std::{env, process::Command};

use propainter::internals::isa::{Isa, VARIABLE};

use crate::skip;

/// Runs this program's tests whose names hold one of `tests`, in processes of their own, once per
/// instruction set that the machine has and this process does not use. They are given no vectors
/// but those of the repository, and may skip none. Returns how many passed, over all sets.
///
/// # Panics
/// A test fails there.
pub fn run_under_others(tests: &[&str]) -> usize {
    let others = Isa::all().into_iter().filter(|isa| *isa != Isa::best());
    others.map(|isa| run_under(isa, tests)).sum()
}

fn run_under(isa: Isa, tests: &[&str]) -> usize {
    let output = Command::new(env::current_exe().expect("a running test"))
        .args(tests)
        .args(["--nocapture", "--test-threads", "2"])
        .env(VARIABLE, isa.name())
        .env("PROPAINTER_SHARED", "/nonexistent")
        .env_remove(skip::VARIABLE)
        .output()
        .expect("the tests run");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "under {isa}:\n{text}");
    let passed = text
        .lines()
        .find_map(|line| line.strip_prefix("test result: ok. "));
    let passed = passed.and_then(|line| line.split(' ').next()?.parse().ok());
    passed.unwrap_or_else(|| panic!("no tests ran under {isa}:\n{text}"))
}
