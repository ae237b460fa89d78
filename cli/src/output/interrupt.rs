//! Removes incomplete files when the program is interrupted.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
    low_level,
};
use tempfile::TempPath;

/// Removes a file when the program is interrupted, for as long as this value lives.
#[derive(Debug)]
pub struct RemoveOnInterrupt(PathBuf);

/// The files to remove.
static INCOMPLETE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

static HANDLER: Once = Once::new();

impl RemoveOnInterrupt {
    /// Registers a file that other code is about to create, or a folder that goes with what it
    /// holds.
    pub fn new(file: &Path) -> Self {
        HANDLER.call_once(handle_signals);
        incomplete().insert(file.to_owned());
        Self(file.to_owned())
    }

    /// Creates a file with `create` and registers it. A signal meanwhile waits until that is done.
    pub(super) fn create(
        create: impl FnOnce() -> io::Result<TempPath>,
    ) -> io::Result<(TempPath, Self)> {
        HANDLER.call_once(handle_signals);
        let mut files = incomplete();
        let part = create()?;
        files.insert(part.to_path_buf());
        let this = Self(part.to_path_buf());
        Ok((part, this))
    }
}

impl Drop for RemoveOnInterrupt {
    fn drop(&mut self) {
        incomplete().remove(&self.0);
    }
}

/// Starts a thread that waits for a signal, removes the incomplete files, and ends the process
/// with the status that a shell reports for the signal.
fn handle_signals() {
    // If no handler can be installed, a signal ends the process as usual.
    let Ok(mut signals) = Signals::new([SIGHUP, SIGINT, SIGTERM]) else {
        return;
    };
    thread::spawn(move || {
        let Some(signal) = signals.forever().next() else {
            return;
        };
        // The lock is held to the end, so that no further file is created.
        let files = incomplete();
        for file in files.iter() {
            // It may be gone already, or have its final name.
            let _ = fs::remove_file(file).or_else(|_| fs::remove_dir_all(file));
        }
        // The process ends at once: a sink that is being opened would create its file again.
        low_level::exit(128 + signal);
    });
}

fn incomplete() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    INCOMPLETE.lock().unwrap_or_else(PoisonError::into_inner)
}
