//! The log: one object of JSON a line, with the number of finished steps as `step`.
//!
//! Losses are means since the line before. What depends on the clock is under `time`, so that the rest
//! of two runs with one seed is the same.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::RunError;

/// The log of a run.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens the log of a run that goes on after `step`: later lines, of steps that are made again,
    /// are removed.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, step: u64) -> Result<Self, RunError> {
        let text = match path.is_file() {
            true => fs::read_to_string(path).map_err(RunError::read(path))?,
            false => String::new(),
        };
        // The line that was being written when the process ended has no end.
        let lines = text.split_inclusive('\n').take_while(|line| {
            line.ends_with('\n') && step_of(line).is_some_and(|number| number <= step)
        });
        let kept: usize = lines.map(str::len).sum();
        let open = || {
            let file = OpenOptions::new().append(true).create(true).open(path)?;
            if kept < text.len() {
                file.set_len(kept as u64)?;
            }
            Ok(file)
        };
        Ok(Self {
            path: path.to_owned(),
            file: open().map_err(RunError::write(path))?,
        })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, line: &Value) -> Result<(), RunError> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(RunError::write(&self.path))
    }
}

/// Returns the lines of a log.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Value>, RunError> {
    let text = fs::read_to_string(path).map_err(RunError::read(path))?;
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

fn step_of(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?["step"].as_u64()
}
