//! The report: what each step found, as JSON for programs and as a table for people.
//!
//! Both files are written anew after every step, so what is on disk is always whole.

use std::{
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value, json};

use super::CheckError;

/// The version of the JSON's keys. It changes when a key changes or goes, not when one is added.
const FORMAT: u32 = 1;

/// What a step measured, by stable keys.
pub type Values = Map<String, Value>;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is right, or it was measured and there is nothing to be wrong.
    Passed,
    /// It is wrong, for this reason.
    Failed(String),
    /// It was not run, for this reason.
    NotRun(String),
}

impl Outcome {
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    pub fn is_not_run(&self) -> bool {
        matches!(self, Self::NotRun(_))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::NotRun(_) => "not run",
        }
    }

    fn problem(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed(problem) | Self::NotRun(problem) => Some(problem),
        }
    }
}

/// One step of the check.
#[derive(Debug)]
pub struct Entry {
    pub section: &'static str,
    pub name: String,
    pub outcome: Outcome,
    pub took: Duration,
    pub values: Values,
    /// The values as a person reads them.
    pub summary: String,
}

impl Entry {
    /// Returns the line of the table.
    pub fn line(&self) -> String {
        let Self { section, name, .. } = self;
        let seconds = self.took.as_secs_f64();
        let state = self.outcome.name();
        let mut line = format!("{state:<8} {section:<9} {name:<44} {seconds:>6.1} s");
        for text in [self.summary.as_str(), self.outcome.problem().unwrap_or("")] {
            // A cause may be many lines long; the JSON has them all.
            if let Some(first) = text.lines().next() {
                line += "  ";
                line.extend(first.chars().take(160));
            }
        }
        line
    }

    fn json(&self) -> Value {
        let mut entry = json!({
            "section": self.section,
            "name": self.name,
            "status": self.outcome.name(),
            "seconds": self.took.as_secs_f64(),
            "values": self.values,
        });
        if let Some(problem) = self.outcome.problem() {
            entry["problem"] = problem.into();
        }
        entry
    }
}

/// The report of one run.
#[derive(Debug)]
pub struct Report {
    folder: PathBuf,
    /// The sections that the run is limited to; empty if it has all.
    only: Vec<String>,
    started: SystemTime,
    entries: Vec<Entry>,
    state: &'static str,
    took: Duration,
}

impl Report {
    /// Creates the folder and an empty report in it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(folder: &Path, only: &[String]) -> Result<Self, CheckError> {
        fs::create_dir_all(folder).map_err(CheckError::Report)?;
        let report = Self {
            folder: folder.to_owned(),
            only: only.to_owned(),
            started: SystemTime::now(),
            entries: Vec::new(),
            state: "running",
            took: Duration::ZERO,
        };
        report.write()?;
        Ok(report)
    }

    /// Returns whether the run has this section.
    pub fn has(&self, section: &str) -> bool {
        section == "device" || self.only.is_empty() || self.only.iter().any(|only| only == section)
    }

    /// Adds a step and writes the report.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn add(&mut self, entry: Entry, took: Duration) -> Result<(), CheckError> {
        self.entries.push(entry);
        self.took = took;
        self.write()
    }

    /// Sets how the run ended, and writes the report.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn end(&mut self, state: &'static str) -> Result<(), CheckError> {
        self.state = state;
        self.write()
    }

    /// Returns the number of steps that ended so.
    pub fn count(&self, is_so: fn(&Outcome) -> bool) -> usize {
        let entries = self.entries.iter();
        entries.filter(|entry| is_so(&entry.outcome)).count()
    }

    /// Returns why the device cannot be used, if that is so.
    pub fn device_problem(&self) -> Option<&str> {
        let device = self
            .entries
            .iter()
            .filter(|entry| entry.section == "device");
        let mut failed = device.filter(|entry| entry.outcome.is_failed());
        failed.next().and_then(|entry| entry.outcome.problem())
    }

    /// Returns the path of the table.
    pub fn text_path(&self) -> PathBuf {
        self.folder.join("report.txt")
    }

    fn write(&self) -> Result<(), CheckError> {
        let mut json = serde_json::to_string_pretty(&self.json()).unwrap_or_default();
        json.push('\n');
        for (name, text) in [("report.json", json), ("report.txt", self.table())] {
            self.write_file(name, &text).map_err(CheckError::Report)?;
        }
        Ok(())
    }

    /// Replaces a file in one step. An [`Output`](crate::output::Output) would end the program at
    /// Ctrl-C; the check lists what was not run first.
    fn write_file(&self, name: &str, text: &str) -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".propainter-").suffix(".part");
        // The usual permissions of a new file; the umask reduces them.
        builder.permissions(Permissions::from_mode(0o666));
        let mut file = builder.tempfile_in(&self.folder)?;
        file.write_all(text.as_bytes())?;
        // A card that fails may take the machine with it.
        file.as_file().sync_all()?;
        file.persist(self.folder.join(name))?;
        Ok(())
    }

    fn json(&self) -> Value {
        let unix = self.started.duration_since(SystemTime::UNIX_EPOCH);
        let steps: Vec<Value> = self.entries.iter().map(Entry::json).collect();
        json!({
            "format": FORMAT,
            "version": env!("CARGO_PKG_VERSION"),
            "started": unix.unwrap_or_default().as_secs(),
            "seconds": self.took.as_secs_f64(),
            "state": self.state,
            "right": self.is_right(),
            "only": self.only,
            "passed": self.count(|outcome| *outcome == Outcome::Passed),
            "failed": self.count(Outcome::is_failed),
            "not_run": self.count(Outcome::is_not_run),
            "steps": steps,
        })
    }

    fn is_right(&self) -> bool {
        self.state == "complete"
            && self
                .entries
                .iter()
                .all(|entry| entry.outcome == Outcome::Passed)
    }

    fn table(&self) -> String {
        let mut text = format!(
            "propainter {} check, {}, {:.1} s: {} passed, {} failed, {} not run\n\n",
            env!("CARGO_PKG_VERSION"),
            self.state,
            self.took.as_secs_f64(),
            self.count(|outcome| *outcome == Outcome::Passed),
            self.count(Outcome::is_failed),
            self.count(Outcome::is_not_run),
        );
        for entry in &self.entries {
            text += &entry.line();
            text.push('\n');
        }
        text
    }
}
