//! What is known of a clip that was begun or done before: its recipe, and the file made by it.
//!
//! A record lies in a folder of the clip's own, `OUT/.propainter/NAME/record.json`. It is written
//! before anything else is, and again, with the size and the time of the complete file, before that
//! file gets its final name. A rename keeps both. So a program that is killed at any moment leaves a
//! record that says what is there.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    output::Existing,
    run::{ElementSettings, MaskSource},
};

/// Version of the form of a record.
const VERSION: u64 = 1;

const FILE: &str = "record.json";

/// An error that keeps a record from being read or written.
#[derive(Debug, Error)]
#[error("{} cannot be {done}: {source}", file.display())]
pub struct RecordError {
    file: PathBuf,
    done: &'static str,
    source: io::Error,
}

impl RecordError {
    /// Returns what turns an error of reading `file` into one of this type.
    pub fn read(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        |source| Self {
            file,
            done: "read",
            source,
        }
    }

    fn written(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        |source| Self {
            file,
            done: "written",
            source,
        }
    }
}

/// Size and modification time of a file: what its content is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: i64,
}

impl Stamp {
    /// Returns the stamp of a file.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn of(file: &Path) -> Result<Self, RecordError> {
        // Opened, as a file that cannot be read may still be looked at.
        let metadata = File::open(file).and_then(|file| file.metadata());
        metadata
            .map(|metadata| Self::from(&metadata))
            .map_err(RecordError::read(file))
    }

    /// Returns whether `file` exists and bears this stamp.
    fn is_of(self, file: &Path) -> bool {
        fs::metadata(file).is_ok_and(|metadata| Self::from(&metadata) == self)
    }

    fn to_json(self) -> Value {
        json!({"bytes": self.bytes, "modified": self.modified})
    }

    fn of_json(value: &Value) -> Option<Self> {
        Some(Self {
            bytes: value.get("bytes")?.as_u64()?,
            modified: value.get("modified")?.as_i64()?,
        })
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            modified: metadata
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(metadata.mtime_nsec()),
        }
    }
}

/// Everything that decides what a clip becomes, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe(Map<String, Value>);

impl Recipe {
    /// Returns the recipe of a clip with its masks. `encoding` describes how it is encoded, and
    /// `weights` the networks that it is made with, if any.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn new(
        input: &Path,
        mask: &MaskSource,
        settings: &ElementSettings,
        encoding: &str,
        weights: Option<&str>,
    ) -> Result<Self, RecordError> {
        let mut masks = Sha256::new();
        for file in mask.files() {
            let Stamp { bytes, modified } = Stamp::of(&file)?;
            masks.update(format!("{}\0{bytes} {modified}\n", file.display()));
        }
        let settings: Map<String, Value> = settings
            .iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        let Value::Object(parts) = json!({
            "input": Stamp::of(input)?.to_json(),
            "masks": hex(&masks.finalize()),
            "settings": settings,
            "encoding": encoding,
            "weights": weights,
        }) else {
            unreachable!("the macro was given an object")
        };
        Ok(Self(parts))
    }

    /// Returns the name of the first part in which two recipes differ.
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<&'a str> {
        let names = self.0.keys().chain(other.0.keys());
        names
            .map(String::as_str)
            .find(|name| self.0.get(*name) != other.0.get(*name))
    }
}

/// Returns bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was found of a clip.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The output is what this recipe makes.
    Done,
    /// The output is complete, but for its name.
    Complete,
    /// The output is to be made; what was begun by this recipe may be used.
    Begun,
    /// The output is to be made from nothing.
    Nothing,
    /// A file is in the place of the output, and why it is not the one.
    Other(String),
}

/// The folder in which a clip is made, and its record.
#[derive(Debug)]
pub struct Record {
    folder: PathBuf,
    output: PathBuf,
    recipe: Recipe,
}

impl Record {
    /// Returns the record of a clip that is made in `folder` and becomes `output`.
    pub fn new(folder: PathBuf, output: PathBuf, recipe: Recipe) -> Self {
        Self {
            folder,
            output,
            recipe,
        }
    }

    /// Returns the folder in which the clip is made.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of the output.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Returns the bytes of all files in the folder and in its folders.
    pub fn bytes(&self) -> u64 {
        fn bytes(folder: &Path) -> u64 {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let sizes = entries.map(|entry| match entry.metadata() {
                Ok(found) if found.is_dir() => bytes(&entry.path()),
                found => found.map_or(0, |found| found.len()),
            });
            sizes.sum()
        }
        bytes(&self.folder)
    }

    /// Returns whether what the folder holds was begun by this recipe.
    pub fn is_begun(&self) -> bool {
        self.read().is_some_and(|(recipe, _)| recipe == self.recipe)
    }

    /// Returns the path of the complete file before it gets its final name.
    pub fn complete(&self) -> PathBuf {
        let extension = self.output.extension().unwrap_or_default();
        self.folder.join("complete").with_extension(extension)
    }

    /// Finds out what is there.
    pub fn find(&self) -> Found {
        let before = self.read();
        let recipe = before.as_ref().map(|(recipe, _)| recipe);
        let made = before.as_ref().and_then(|(_, made)| *made);
        let difference = recipe.map(|recipe| self.recipe.difference(recipe));
        let same = difference == Some(None);
        if self.output.symlink_metadata().is_ok() {
            return match (difference, made) {
                (Some(None), Some(made)) if made.is_of(&self.output) => Found::Done,
                (Some(Some(part)), Some(made)) if made.is_of(&self.output) => {
                    Found::Other(match part {
                        "input" => "the clip has changed since".to_owned(),
                        "masks" => "its masks have changed since".to_owned(),
                        "weights" => "it was made with other weights".to_owned(),
                        _ => format!("it was made with other {part}"),
                    })
                }
                _ => Found::Other("it was not made by this command".to_owned()),
            };
        }
        match made {
            Some(made) if same && made.is_of(&self.complete()) => Found::Complete,
            _ if same => Found::Begun,
            _ => Found::Nothing,
        }
    }

    /// Empties the folder and writes the recipe.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn begin(&self) -> Result<(), RecordError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(RecordError::written(&self.folder)(error));
            }
            _ => {}
        }
        fs::create_dir_all(&self.folder).map_err(RecordError::written(&self.folder))?;
        self.write(None)
    }

    /// Records the complete file, and then moves it to its final name.
    ///
    /// # Errors
    /// A file cannot be written, or another program has created the output meanwhile.
    pub fn finish(&self, existing: Existing) -> Result<(), RecordError> {
        let complete = self.complete();
        self.write(Some(Stamp::of(&complete)?))?;
        let moved = match existing {
            Existing::Replace => fs::rename(&complete, &self.output),
            Existing::Refuse => rename_noreplace(&complete, &self.output),
        };
        moved.map_err(RecordError::written(&self.output))?;
        sync_folder(&self.output).map_err(RecordError::written(&self.output))?;
        self.tidy()
    }

    /// Removes everything from the folder but the record.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn tidy(&self) -> Result<(), RecordError> {
        let remove = || -> io::Result<()> {
            for entry in fs::read_dir(&self.folder)? {
                let entry = entry?;
                match entry.file_type()?.is_dir() {
                    true => fs::remove_dir_all(entry.path())?,
                    false if entry.file_name() == FILE => {}
                    false => fs::remove_file(entry.path())?,
                }
            }
            Ok(())
        };
        remove().map_err(RecordError::written(&self.folder))
    }

    /// Reads the record; `None` where there is none of this version.
    fn read(&self) -> Option<(Recipe, Option<Stamp>)> {
        let text = fs::read_to_string(self.folder.join(FILE)).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        if value.get("version")?.as_u64()? != VERSION {
            return None;
        }
        let Value::Object(recipe) = value.get("recipe")?.clone() else {
            return None;
        };
        Some((Recipe(recipe), value.get("made").and_then(Stamp::of_json)))
    }

    /// Writes the record, so that at any moment either the old one or the new one is there.
    fn write(&self, made: Option<Stamp>) -> Result<(), RecordError> {
        let file = self.folder.join(FILE);
        let record = json!({
            "version": VERSION,
            "recipe": self.recipe.0,
            "made": made.map(Stamp::to_json),
        });
        let write = || -> io::Result<()> {
            let mut part = tempfile::NamedTempFile::new_in(&self.folder)?;
            part.write_all(format!("{record:#}\n").as_bytes())?;
            part.as_file().sync_all()?;
            part.persist(&file)?;
            sync_folder(&file)
        };
        write().map_err(RecordError::written(&file))
    }
}

/// Moves a file to a name that no file has.
fn rename_noreplace(from: &Path, to: &Path) -> io::Result<()> {
    let file = tempfile::TempPath::try_from_path(from)?;
    file.persist_noclobber(to).map_err(|error| {
        let failed = error.path.keep();
        failed.map_or_else(|error| error.error, |_| error.error)
    })
}

/// Puts the names in the folder of `file` on the disk.
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
