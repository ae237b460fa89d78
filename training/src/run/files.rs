//! Files that appear complete or not at all.

use std::{fs::File, io::Write, path::Path};

use tempfile::Builder;

use super::RunError;

/// Beginning of the names of incomplete files.
pub const PART: &str = ".part-";

/// Writes a file beside its place and renames it.
///
/// # Errors
/// The file cannot be written; what was there before stays.
pub fn write(file: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let write = || {
        let mut part = Builder::new().prefix(PART).tempfile_in(folder)?;
        part.write_all(bytes)?;
        part.as_file().sync_all()?;
        part.persist(file).map_err(|error| error.error)?;
        // The name, too, has to survive a loss of power.
        File::open(folder)?.sync_all()
    };
    write().map_err(RunError::write(file))
}
