//! Files that a subcommand writes: first beside their place, then renamed once they are complete.
//!
//! Every subcommand opens what it writes through [`Output`], but for `check`, which goes on after an
//! interrupt to complete its report. So none of them empties a file that it reads, replaces a file
//! without `--force`, or leaves half a file under a final name.
//!
//! - [`paths`]: where an output goes, and whether that is allowed
//! - [`folder`]: a folder of files that get their names together
//! - [`interrupt`]: incomplete files are removed on SIGINT, SIGTERM and SIGHUP

pub mod folder;
pub mod interrupt;
pub mod paths;

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempPath;
use thiserror::Error;

pub use self::{
    folder::OutputFolder,
    interrupt::RemoveOnInterrupt,
    paths::{check, input_files},
};

/// What happens to a file that already exists at the output's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    Refuse,
    /// It is replaced once the new file is complete.
    Replace,
}

impl Existing {
    /// Returns what the option `--force` means.
    pub fn with_force(force: bool) -> Self {
        match force {
            true => Self::Replace,
            false => Self::Refuse,
        }
    }
}

/// An error that keeps a file from being written.
#[derive(Debug, Error)]
pub enum OutputError {
    #[error(
        "{} is read as {}, so it cannot be written: name another output", output.display(),
        match input == output { true => "input".to_owned(), false => input.display().to_string() }
    )]
    Input { output: PathBuf, input: PathBuf },
    #[error("{} exists: --force replaces it", .0.display())]
    Exists(PathBuf),
    #[error(
        "{} has been created by another program and is left unchanged; the new file is {}",
        output.display(), written.display()
    )]
    CreatedMeanwhile { output: PathBuf, written: PathBuf },
    #[error("{} is not a regular file, so it cannot be replaced: name another output", .0.display())]
    NotAFile(PathBuf),
    #[error("{} is a file, so no folder can be made there: name another output", .0.display())]
    NotAFolder(PathBuf),
    #[error(
        "{} is not empty: --force replaces the files in it that have the names of new ones", .0.display()
    )]
    NotEmpty(PathBuf),
    #[error("{}: there is no folder {}; create it first", output.display(), folder.display())]
    NoFolder { output: PathBuf, folder: PathBuf },
    #[error("{} cannot be written: {source}", output.display())]
    Write { output: PathBuf, source: io::Error },
}

/// An incomplete file. Dropped before [`Output::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Output {
    /// The path as the user gave it.
    named: PathBuf,
    /// The path with symbolic links followed.
    target: PathBuf,
    part: TempPath,
    replaces: bool,
    _remove_on_interrupt: RemoveOnInterrupt,
}

impl Output {
    /// Creates an empty file beside `path`. The caller writes to it by its [path](Output::part).
    ///
    /// # Errors
    /// `path` is one of the `inputs` under whatever name, exists and may not be replaced, or
    /// cannot be written.
    pub fn create(
        path: &Path,
        inputs: &[PathBuf],
        existing: Existing,
    ) -> Result<Self, OutputError> {
        let target = check(path, inputs, existing)?;
        let folder = paths::folder_of(&target);
        let write = |source| OutputError::Write {
            output: path.to_owned(),
            source,
        };
        let create = || {
            let mut builder = tempfile::Builder::new();
            builder.prefix(".propainter-").suffix(".part");
            // The usual permissions of a new file; the umask reduces them.
            builder.permissions(Permissions::from_mode(0o666));
            Ok(builder.tempfile_in(folder)?.into_temp_path())
        };
        let (part, remove_on_interrupt) = RemoveOnInterrupt::create(create).map_err(write)?;
        let before = fs::metadata(&target).ok();
        if let Some(before) = &before {
            // A private file stays private.
            fs::set_permissions(&part, before.permissions()).map_err(write)?;
        }
        Ok(Self {
            named: path.to_owned(),
            target,
            part,
            replaces: before.is_some(),
            _remove_on_interrupt: remove_on_interrupt,
        })
    }

    /// Returns the path of the incomplete file.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Returns the final path, as the user gave it.
    pub fn named(&self) -> &Path {
        &self.named
    }

    /// Returns whether a file exists that will be replaced.
    pub fn replaces(&self) -> bool {
        self.replaces
    }

    /// Moves the complete file to its final path.
    ///
    /// # Errors
    /// The file system refuses, or another program has created a file there meanwhile.
    pub fn commit(self) -> Result<(), OutputError> {
        let write = |source| OutputError::Write {
            output: self.named.clone(),
            source,
        };
        // The content must be on the disk before the name.
        let file = File::open(&self.part).map_err(write)?;
        file.sync_all().map_err(write)?;
        if self.replaces {
            let renamed = self.part.persist(&self.target);
            return renamed.map_err(|error| write(error.error));
        }
        match self.part.persist_noclobber(&self.target) {
            Ok(()) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                let kept = error.path.keep();
                Err(OutputError::CreatedMeanwhile {
                    output: self.named.clone(),
                    written: kept.map_err(|error| write(error.error))?,
                })
            }
            Err(error) => Err(write(error.error)),
        }
    }
}
