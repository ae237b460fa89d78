//! Whether the file system has space for a new file.

use std::{io, path::Path};

use thiserror::Error;

use crate::units;

/// The error of a file that will not fit.
#[derive(Debug, Error)]
#[error(
    "{output} will take {} or more, but its file system has only {} free: free some space, or name \
     an output elsewhere", units::bytes(*needed), units::bytes(*free)
)]
pub struct NoSpace {
    output: String,
    needed: u64,
    free: u64,
}

/// Checks that `needed` bytes fit beside `output`.
///
/// # Errors
/// They do not. Where the system does not tell its free space, nothing is checked.
pub fn check(output: &Path, needed: u64) -> Result<(), NoSpace> {
    match free(output) {
        Ok(free) if free < needed => Err(NoSpace {
            output: output.display().to_string(),
            needed,
            free,
        }),
        _ => Ok(()),
    }
}

/// Returns the bytes that are free for a file at `output`.
fn free(output: &Path) -> io::Result<u64> {
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.mkv");
        check(&output, 1).unwrap();
        let error = check(&output, u64::MAX - 1).unwrap_err().to_string();
        assert!(
            error.contains("out.mkv will take") && error.contains("free"),
            "{error}"
        );
        // Another check tells what is wrong with such a folder.
        check(Path::new("/nonexistent/out.mkv"), u64::MAX - 1).unwrap();
    }
}
