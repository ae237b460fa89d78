//! Room on a file system, asked before a file is written.

use std::path::Path;

use super::OutputError;
use crate::units;

/// Checks that the file system of `folder` has room for `needed` bytes. Where it does not say how
/// much it has, writing shows.
///
/// # Errors
/// There is not enough room.
pub fn check(folder: &Path, needed: u64) -> Result<(), OutputError> {
    let Ok(found) = rustix::fs::statvfs(folder) else {
        return Ok(());
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    match free < needed {
        true => Err(OutputError::NoSpace {
            folder: folder.to_owned(),
            needed: units::bytes(needed),
            free: units::bytes(free),
        }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_any_disk_has_no_room() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path(), 0).is_ok());
        let error = check(folder.path(), u64::MAX).unwrap_err().to_string();
        assert!(error.contains(" free of the "), "{error}");
        // Nor is an absent folder an error of its own.
        assert!(check(Path::new("/absent"), u64::MAX).is_ok());
    }
}
