//! Tests that measure their process, or need another environment: each runs in a process of its
//! own.

use std::{env, process::Command};

const MARK: &str = "PROPAINTER_TEST_ALONE";

/// Whether this process is the test's own. If not, runs `test` (its full name) in one, with
/// `environment` added.
///
/// # Panics
/// The test fails there.
pub fn alone(test: &str, environment: &[(&str, &str)]) -> bool {
    if env::var_os(MARK).is_some() {
        return true;
    }
    let program = env::current_exe().expect("a running test");
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .envs(environment.iter().copied())
        .env(MARK, "1")
        .output()
        .expect("the test runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "no test is {test}: {text}");
    println!("{text}");
    false
}
