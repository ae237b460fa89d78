//! Tests on the virtual GPU: a driver of our own under the real tensor library.

use std::env;

use virtual_gpu::harness;

/// Whether this process has the virtual GPU for a driver. If not, runs `test` (its full name) in one
/// that has, with `settings` added to its environment (`virtual_gpu::settings` lists them) and with
/// `PROPAINTER_TEST_DEVICE` naming the virtual device.
///
/// # Panics
/// The test fails there.
pub fn virtual_gpu(test: &str, settings: &[(&str, &str)]) -> bool {
    let device = [("PROPAINTER_TEST_DEVICE", "cuda:0")];
    harness::virtual_gpu(test, &[&device, settings].concat())
}

/// Runs each case in a process of its own that has the virtual GPU, as [`virtual_gpu()`] does, and prints
/// the rows of tables that they print: the lines that start with `|`.
///
/// # Panics
/// A case fails. The others run before.
pub fn each_alone<C>(test: &str, settings: &[(&str, &str)], cases: &[C], run: impl Fn(&C)) {
    const CASE: &str = "PROPAINTER_TEST_CASE";
    if let Ok(number) = env::var(CASE) {
        let number: usize = number.parse().expect("a number");
        return run(&cases[number]);
    }
    let mut failed = Vec::new();
    for number in 0..cases.len() {
        let number = number.to_string();
        let own = [("PROPAINTER_TEST_DEVICE", "cuda:0"), (CASE, &number)];
        let output = harness::output(test, &[settings, &own].concat());
        let output = output.expect("this is the process of all cases");
        let text = String::from_utf8_lossy(&output.stdout);
        for row in text.lines().filter(|line| line.starts_with('|')) {
            println!("{row}");
        }
        if !output.status.success() {
            failed.push(format!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
