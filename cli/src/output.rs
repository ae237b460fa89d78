//! Files that a command writes: beside their place first, and renamed once they are whole.
//!
//! Every command opens what it writes through [`Output`], so that no command empties a file that
//! it reads, replaces a file without being told to, or leaves half a file under a final name.

use std::{
    collections::BTreeSet,
    fs::{self, File, Metadata, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
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
use thiserror::Error;

/// What becomes of a file that stands where the output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    Refuse,
    /// It is replaced when the new file is whole.
    Replace,
}

impl Existing {
    /// What the option `--force` says.
    pub fn with_force(force: bool) -> Self {
        match force {
            true => Self::Replace,
            false => Self::Refuse,
        }
    }
}

/// Why a file is not written.
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
        "{} came to exist meanwhile and is left as it is: what was written is {}",
        output.display(), written.display()
    )]
    Meanwhile { output: PathBuf, written: PathBuf },
    #[error("{} is not a regular file, so it cannot be replaced: name another output", .0.display())]
    NotAFile(PathBuf),
    #[error("{}: there is no folder {}; make it first", output.display(), folder.display())]
    NoFolder { output: PathBuf, folder: PathBuf },
    #[error("{} cannot be written: {source}", output.display())]
    Write { output: PathBuf, source: io::Error },
}

/// A file in the making. Dropped before [`Output::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Output {
    /// As the user named it.
    named: PathBuf,
    /// Where it goes, with links followed.
    target: PathBuf,
    part: TempPath,
    replaces: bool,
    _unfinished: Unfinished,
}

impl Output {
    /// Makes an empty file beside `path`, to be written by whoever takes its
    /// [name](Output::part).
    ///
    /// # Errors
    /// A `path` that is one of the `inputs` by whatever name, that exists and may not be
    /// replaced, or where nothing can be written.
    pub fn create(
        path: &Path,
        inputs: &[PathBuf],
        existing: Existing,
    ) -> Result<Self, OutputError> {
        let target = check(path, inputs, existing)?;
        let folder = folder_of(&target);
        let write = |source| OutputError::Write {
            output: path.to_owned(),
            source,
        };
        let make = || {
            let mut builder = tempfile::Builder::new();
            builder.prefix(".propainter-").suffix(".part");
            // As any program makes a file: the umask takes its share.
            builder.permissions(Permissions::from_mode(0o666));
            Ok(builder.tempfile_in(folder)?.into_temp_path())
        };
        let (part, unfinished) = Unfinished::made(make).map_err(write)?;
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
            _unfinished: unfinished,
        })
    }

    /// The file to write to until it is whole.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// The file's final name, as the user gave it.
    pub fn named(&self) -> &Path {
        &self.named
    }

    /// Whether a file is there that will be replaced.
    pub fn replaces(&self) -> bool {
        self.replaces
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// A file system that refuses, or a file that has come to be there meanwhile.
    pub fn commit(self) -> Result<(), OutputError> {
        let write = |source| OutputError::Write {
            output: self.named.clone(),
            source,
        };
        // The name must not be on the disk before the content.
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
                Err(OutputError::Meanwhile {
                    output: self.named.clone(),
                    written: kept.map_err(|error| write(error.error))?,
                })
            }
            Err(error) => Err(write(error.error)),
        }
    }
}

/// Where a file at `path` would go, with links followed.
///
/// # Errors
/// A `path` that is one of the `inputs` by whatever name, that exists and may not be replaced, or
/// that has no folder.
pub fn check(path: &Path, inputs: &[PathBuf], existing: Existing) -> Result<PathBuf, OutputError> {
    let target = followed(path).map_err(|source| OutputError::Write {
        output: path.to_owned(),
        source,
    })?;
    if let Ok(there) = fs::metadata(&target) {
        let same = |input: &&PathBuf| fs::metadata(input).is_ok_and(|input| same(&input, &there));
        if let Some(input) = inputs.iter().find(same) {
            return Err(OutputError::Input {
                output: path.to_owned(),
                input: input.clone(),
            });
        }
        if !there.is_file() {
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

/// Whether both are one file, under whatever names.
fn same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What a link points to in the end, whether that exists or not: a link stays a link.
fn followed(path: &Path) -> io::Result<PathBuf> {
    const LINKS: usize = 40; // as Linux
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        if !at.is_symlink() {
            return Ok(at);
        }
        let next = fs::read_link(&at)?;
        at = folder_of(&at).join(next);
    }
    Err(io::Error::other("too many links"))
}

/// The files that a mask's location stands for: itself, or those of a numbered sequence.
pub fn sequence(location: &Path) -> Vec<PathBuf> {
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

/// A file that is removed when the command is interrupted, for as long as this lives.
#[derive(Debug)]
pub struct Unfinished(PathBuf);

/// What to remove when the command is interrupted.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

static HANDLER: Once = Once::new();

impl Unfinished {
    /// A file that someone else is about to make.
    pub fn new(file: &Path) -> Self {
        HANDLER.call_once(clean_up_when_interrupted);
        unfinished().insert(file.to_owned());
        Self(file.to_owned())
    }

    /// A file that `make` makes; an interruption meanwhile waits until it is known.
    fn made(make: impl FnOnce() -> io::Result<TempPath>) -> io::Result<(TempPath, Self)> {
        HANDLER.call_once(clean_up_when_interrupted);
        let mut all = unfinished();
        let part = make()?;
        all.insert(part.to_path_buf());
        let this = Self(part.to_path_buf());
        Ok((part, this))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        unfinished().remove(&self.0);
    }
}

/// Starts a thread that waits for signals, removes what is unfinished, and ends the process with
/// the status that a shell gives for the signal.
fn clean_up_when_interrupted() {
    // Without it the process ends as it always would.
    let Ok(mut signals) = Signals::new([SIGHUP, SIGINT, SIGTERM]) else {
        return;
    };
    thread::spawn(move || {
        let Some(signal) = signals.forever().next() else {
            return;
        };
        // Held to the end: nothing new is begun.
        let all = unfinished();
        for file in all.iter() {
            // It may be gone, or have its name already.
            let _ = fs::remove_file(file);
        }
        // At once: a sink that is still being opened would make its file again.
        low_level::exit(128 + signal);
    });
}

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}
