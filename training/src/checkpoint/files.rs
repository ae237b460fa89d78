//! The names of the files, and how they are replaced.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use propainter::weights::part_of;

use super::CheckpointError;

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

/// Makes `step` the latest.
pub(super) fn set_latest(folder: &Path, step: u64) -> Result<(), CheckpointError> {
    replace(&list(folder), |file| writeln!(file, "{step:06}"))
}

fn list(folder: &Path) -> PathBuf {
    folder.join("latest.ckpt")
}

/// Writes a file beside `path`, then renames it to `path`; after that it is on the disk.
pub(super) fn replace(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), CheckpointError> {
    let part = part_of(path);
    let written = File::create(&part).and_then(|file| {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        content(&mut file)?;
        file.into_inner()?.sync_all()?;
        fs::rename(&part, path)?;
        // The name is on the disk when its folder is.
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    });
    written.map_err(|source| {
        // The remains are useless; a failure to remove them is not reported.
        let _ = fs::remove_file(&part);
        CheckpointError::Write {
            file: path.to_owned(),
            source,
        }
    })
}
