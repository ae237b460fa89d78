//! Tests that lack something outside of the repository: they fail, or are skipped and counted
//! where `PROPAINTER_ALLOW_SKIP=1` allows it.

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
};

/// The environment variable that allows tests to be skipped.
pub const VARIABLE: &str = "PROPAINTER_ALLOW_SKIP";

/// What was skipped in this process so far, and why.
static SKIPPED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The file under `target` that collects what all test binaries skip, one a line.
fn list() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp/skipped.txt")
}

/// Skips the running test, which lacks `what`; looked for in `places`. The test returns then.
///
/// # Panics
/// Skipping is not allowed.
pub fn without(what: &str, places: &[PathBuf]) {
    let places: Vec<_> = places
        .iter()
        .map(|place| place.display().to_string())
        .collect();
    let lacks = format!("{what} is not in {}", places.join(" nor in "));
    let allowed = env::var_os(VARIABLE).is_some_and(|value| value == "1");
    assert!(allowed, "{lacks}; {VARIABLE}=1 skips such tests");
    optional(&lacks);
}

/// Counts the running test, which lacks `what`, as skipped, allowed or not: for what is optional
/// everywhere. The test returns then.
pub fn optional(what: &str) {
    let thread = thread::current();
    let line = format!("{}: {what}\n", thread.name().unwrap_or("a test"));
    let count = {
        let mut skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
        skipped.insert(line.clone());
        skipped.len()
    };
    // Past the harness, which shows nothing of a test that passes.
    let _ = write!(std::io::stderr().lock(), "skipped, {count} so far: {line}");
    let list = list();
    list.parent().map(fs::create_dir_all);
    let file = fs::OpenOptions::new().create(true).append(true).open(&list);
    let mut file = file.unwrap_or_else(|error| panic!("{}: {error}", list.display()));
    // At once: other test binaries write, too.
    file.write_all(line.as_bytes())
        .expect("the list is written");
}
