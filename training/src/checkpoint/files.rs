//! The names of the files, and how they are replaced.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::CheckpointError;
use crate::files;

/// The file of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `gen_NNNNNN.pth`, the state dict of the trained network.
    Network,
    /// `dis_NNNNNN.pth`, the state dict of the discriminator.
    Discriminator,
    /// `opt_NNNNNN.pth`, the state of optimisers and schedules.
    Optimizer,
}

/// Returns the path of a file of a step.
pub fn path(folder: &Path, kind: Kind, step: u64) -> PathBuf {
    let name = match kind {
        Kind::Network => "gen",
        Kind::Discriminator => "dis",
        Kind::Optimizer => "opt",
    };
    folder.join(format!("{name}_{step:06}.pth"))
}

/// Returns the latest step of a folder; `None` if it has none.
///
/// # Errors
/// A list of steps that cannot be read, or whose last line is no number.
pub fn latest(folder: &Path) -> Result<Option<u64>, CheckpointError> {
    let file = list(folder);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CheckpointError::Read { file, source }),
    };
    let line = text.trim_end().lines().last().unwrap_or_default().trim();
    match line.parse() {
        Ok(step) => Ok(Some(step)),
        Err(_) => Err(CheckpointError::Latest {
            line: line.to_owned(),
            file,
        }),
    }
}

/// Makes a step, whose files are written, the latest of a folder.
///
/// # Errors
/// The list of steps cannot be written; the latest step is the one before.
pub fn set_latest(folder: &Path, step: u64) -> Result<(), CheckpointError> {
    replace(&list(folder), |file| writeln!(file, "{step:06}"))
}

fn list(folder: &Path) -> PathBuf {
    folder.join("latest.ckpt")
}

/// Writes a file, which appears complete or not at all.
pub(super) fn replace(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<(), CheckpointError> {
    files::replace(path, content).map_err(|source| CheckpointError::Write {
        file: path.to_owned(),
        source,
    })
}
