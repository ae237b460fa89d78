//! Where an output goes, and whether it may be written there.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Existing, OutputError};

/// Returns the path of a new file at `path`, with symbolic links followed.
///
/// # Errors
/// `path` is one of the `inputs` under whatever name, exists and may not be replaced, or lies in
/// a folder that does not exist.
pub fn check(path: &Path, inputs: &[PathBuf], existing: Existing) -> Result<PathBuf, OutputError> {
    let target = follow_links(path).map_err(|source| OutputError::Write {
        output: path.to_owned(),
        source,
    })?;
    if let Ok(found) = fs::metadata(&target) {
        let is_target =
            |input: &&PathBuf| fs::metadata(input).is_ok_and(|input| is_same(&input, &found));
        if let Some(input) = inputs.iter().find(is_target) {
            return Err(OutputError::Input {
                output: path.to_owned(),
                input: input.clone(),
            });
        }
        if !found.is_file() {
            return Err(OutputError::NotAFile(path.to_owned()));
        }
        if existing == Existing::Refuse {
            return Err(OutputError::Exists(path.to_owned()));
        }
    }
    let folder = folder_of(&target);
    if !folder.is_dir() {
        return Err(OutputError::NoFolder {
            output: path.to_owned(),
            folder: folder.to_owned(),
        });
    }
    Ok(target)
}

/// Returns the files that a mask's location names: the file itself, or the images of a numbered
/// sequence such as `mask%05d.png`.
pub fn input_files(location: &Path) -> Vec<PathBuf> {
    let name = location.file_name().unwrap_or_default().to_string_lossy();
    let Some((before, after)) = name.split_once('%').filter(|_| !location.exists()) else {
        return vec![location.to_owned()];
    };
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    let after = after.get(1..).unwrap_or_default(); // the d of %05d
    let entries = fs::read_dir(folder_of(location)).into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(before) && name.ends_with(after)
        })
        .collect()
}

/// Returns the folder that a file lies in; `.` for a bare name.
pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns whether both are one file, whatever their names.
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Returns the path that a symbolic link finally points to, whether that exists or not. So the
/// link itself is never replaced.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    const MOST_LINKS: usize = 40; // as Linux
    let mut at = path.to_owned();
    for _ in 0..MOST_LINKS {
        if !at.is_symlink() {
            return Ok(at);
        }
        let next = fs::read_link(&at)?;
        at = folder_of(&at).join(next);
    }
    Err(io::Error::other("too many symbolic links"))
}
