//! The folder of a run.
//!
//! | file | content |
//! |---|---|
//! | `settings.json` | version, training and settings; written once |
//! | `checkpoints/` | files of the training, `run_NNNNNN.json`, and `latest.ckpt` with the step |
//! | `log.jsonl` | the log |
//! | `curves.png`, `samples/` | pictures |
//! | `events.out.tfevents.*` | the log for TensorBoard |
//! | `lock` | locked while a process uses the folder |

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RunError, write};
use crate::{checkpoint, files::PART};

/// Time after which a lock counts as that of another run.
const PATIENCE: Duration = Duration::from_millis(500);

/// Version of the folder's files.
const VERSION: u32 = 1;

/// A run's folder, locked for this process.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    settings: Settings,
    /// The lock ends with the process, however that ends.
    _lock: File,
}

#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    version: u32,
    training: String,
    settings: Value,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Number of finished steps.
    pub step: u64,
    /// Number of batches that were taken; more than steps if some were skipped.
    pub batches: u64,
}

impl RunFolder {
    /// Creates the folder of a new run.
    ///
    /// # Errors
    /// The folder has a run or other files, or cannot be written.
    pub fn create(path: &Path, training: &str, settings: Value) -> Result<Self, RunError> {
        fs::create_dir_all(path).map_err(RunError::write(path))?;
        if path.join("settings.json").exists() {
            // Whoever holds the lock is the better news.
            lock(path)?;
            return Err(RunError::Exists(path.to_owned()));
        }
        let mut entries = fs::read_dir(path).map_err(RunError::read(path))?;
        if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "lock")) {
            return Err(RunError::NotEmpty(path.to_owned()));
        }
        let this = Self {
            path: path.to_owned(),
            settings: Settings {
                version: VERSION,
                training: training.to_owned(),
                settings,
            },
            _lock: lock(path)?,
        };
        for folder in [this.checkpoints(), this.samples()] {
            fs::create_dir_all(&folder).map_err(RunError::write(folder))?;
        }
        let text = serde_json::to_vec_pretty(&this.settings).map_err(io::Error::other);
        let file = path.join("settings.json");
        write(&file, &text.map_err(RunError::write(&file))?)?;
        Ok(this)
    }

    /// Removes what [`create`](Self::create) made, of a run that could not start.
    pub fn discard(self) {
        // What cannot be removed stays; the reason why the run could not start is the better news.
        let _ = fs::remove_file(self.path.join("settings.json"));
        let _ = fs::remove_dir(self.checkpoints());
        let _ = fs::remove_dir(self.samples());
        let _ = fs::remove_file(self.path.join("lock"));
        let _ = fs::remove_dir(&self.path);
    }

    /// Opens the folder of a run.
    ///
    /// # Errors
    /// There is no run, it is of another version, or another process uses it.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let file = path.join("settings.json");
        let text = match fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RunError::NoRun(path.to_owned()));
            }
            text => text.map_err(RunError::read(&file))?,
        };
        let damaged = |problem| RunError::File {
            file: file.clone(),
            problem,
        };
        let settings: Value =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let version = settings["version"].as_u64();
        if version != Some(u64::from(VERSION)) {
            let found = version.map_or("none".to_owned(), |version| version.to_string());
            return Err(damaged(format!(
                "the run has version {found}; this program reads version {VERSION}"
            )));
        }
        let settings =
            serde_json::from_value(settings).map_err(|error| damaged(error.to_string()))?;
        let this = Self {
            path: path.to_owned(),
            settings,
            _lock: lock(path)?,
        };
        this.remove_parts()?;
        Ok(this)
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name of the training.
    pub fn training(&self) -> &str {
        &self.settings.training
    }

    /// Returns the settings of the training.
    pub fn settings(&self) -> &Value {
        &self.settings.settings
    }

    /// Returns the folder of the checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Returns the folder of the samples.
    pub fn samples(&self) -> PathBuf {
        self.path.join("samples")
    }

    /// Returns the file of the log.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    /// Returns the file of the curves.
    pub fn curves(&self) -> PathBuf {
        self.path.join("curves.png")
    }

    /// Returns where the latest checkpoint is; `None` if there is none yet.
    ///
    /// # Errors
    /// The file that tells it cannot be read, or tells no number.
    pub fn latest(&self) -> Result<Option<Position>, RunError> {
        let Some(step) = checkpoint::latest(&self.checkpoints())? else {
            return Ok(None);
        };
        let file = self.position_file(step);
        match fs::read(&file) {
            // A run that was begun by another program has skipped nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Position {
                step,
                batches: step,
            })),
            text => {
                let text = text.map_err(RunError::read(&file))?;
                let position = serde_json::from_slice(&text);
                position.map(Some).map_err(|error| RunError::File {
                    file,
                    problem: error.to_string(),
                })
            }
        }
    }

    /// Writes where a run is at a step, beside the other files of its checkpoint.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_position(&self, position: Position) -> Result<(), RunError> {
        let file = self.position_file(position.step);
        let text = serde_json::to_vec(&position).map_err(io::Error::other);
        write(&file, &text.map_err(RunError::write(&file))?)
    }

    fn position_file(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("run_{step:06}.json"))
    }

    /// Removes what a process left behind that ended while it wrote.
    fn remove_parts(&self) -> Result<(), RunError> {
        for folder in [self.path.clone(), self.checkpoints(), self.samples()] {
            fs::create_dir_all(&folder).map_err(RunError::write(&folder))?;
            for entry in fs::read_dir(&folder)
                .map_err(RunError::read(&folder))?
                .flatten()
            {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.ends_with(PART) {
                    fs::remove_file(entry.path()).map_err(RunError::write(entry.path()))?;
                }
            }
        }
        Ok(())
    }
}

/// Locks a folder. The lock of a process that is about to end, or that is starting another one, may last
/// a moment longer than its run.
fn lock(path: &Path) -> Result<File, RunError> {
    let file = path.join("lock");
    let lock = File::create(&file).map_err(RunError::write(&file))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(PATIENCE / 20);
            }
            Err(TryLockError::WouldBlock) => return Err(RunError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(RunError::write(file)(error)),
        }
    }
}
