//! Files that appear complete or not at all.

use std::{
    fs::{File, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use tempfile::Builder;

/// End of the names of incomplete files.
pub const PART: &str = ".part";

/// Permissions of a new file, less those that the process's mask takes.
const MODE: u32 = 0o666;

/// Writes a file beside its place, then renames it; after that it is on the disk.
///
/// # Errors
/// The file cannot be written; what was there before stays.
pub fn replace(
    file: &Path,
    content: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut part = Builder::new()
        .suffix(PART)
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    let mut writer = BufWriter::with_capacity(1 << 20, part.as_file_mut());
    content(&mut writer)?;
    writer.flush()?;
    drop(writer);
    part.as_file().sync_all()?;
    part.persist(file).map_err(|error| error.error)?;
    // The name, too, has to survive a loss of power.
    File::open(folder)?.sync_all()
}
