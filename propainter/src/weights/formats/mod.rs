//! Reads the tensors of a checkpoint file, before any network's layout is applied.
//!
//! A file is read whole after its size was checked, and everything else is a range within those
//! bytes. No count or size in the file decides an allocation before the bytes that it describes are
//! known to exist.

mod cursor;
mod elements;
mod legacy;
mod object;
mod pickle;
mod safetensors;
mod state_dict;
mod torch_globals;
mod value;
mod zip;

use std::{fmt, fs::File, io::Read, path::Path};

use super::WeightsError;
pub use elements::ElementType;
use elements::Entry;
pub use object::Object;

/// The reason why a file is no readable checkpoint, in a few words.
#[derive(Debug)]
struct Problem(String);

type Parsed<T> = Result<T, Problem>;

fn problem<T>(text: impl Into<String>) -> Parsed<T> {
    Err(Problem(text.into()))
}

/// The format of a checkpoint file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// PyTorch's zip archive with a pickle inside.
    Zip,
    /// PyTorch's older stream of pickles and raw storages.
    Legacy,
    /// A JSON header of names, types and ranges, then the tensors' bytes.
    Safetensors,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Zip => "PyTorch zip",
            Form::Legacy => "PyTorch stream",
            Form::Safetensors => "safetensors",
        })
    }
}

/// An open checkpoint file: its tensors by key, not yet converted.
pub struct StateFile {
    bytes: Vec<u8>,
    form: Form,
    entries: Vec<Entry>,
}

impl StateFile {
    /// Reads a file of at most `max_bytes` bytes, whatever its extension.
    ///
    /// # Errors
    /// [`WeightsError::Read`], [`WeightsError::TooLarge`] or [`WeightsError::Form`].
    pub fn read(path: &Path, max_bytes: u64) -> Result<Self, WeightsError> {
        Self::parse(path, read_bytes(path, max_bytes)?)
    }

    /// Reads a checkpoint file from its bytes; `path` is for messages.
    ///
    /// # Errors
    /// [`WeightsError::Form`].
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, WeightsError> {
        let parsed = match form(&bytes) {
            Ok(Form::Zip) => zip::entries(&bytes).map(|entries| (Form::Zip, entries)),
            Ok(Form::Legacy) => legacy::entries(&bytes).map(|entries| (Form::Legacy, entries)),
            Ok(Form::Safetensors) => {
                safetensors::entries(&bytes).map(|entries| (Form::Safetensors, entries))
            }
            Err(problem) => Err(problem),
        };
        match parsed {
            Ok((form, entries)) => Ok(Self {
                bytes,
                form,
                entries,
            }),
            Err(Problem(problem)) => Err(WeightsError::Form {
                file: path.to_owned(),
                problem,
            }),
        }
    }

    /// Returns the format of the file.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Returns the number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether the file has no tensors.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the key of tensor `index`, as the file has it.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn key(&self, index: usize) -> &str {
        &self.entries[index].key
    }

    /// Returns the shape of tensor `index`; empty for a scalar.
    ///
    /// # Panics
    /// As [`key`](Self::key).
    pub fn shape(&self, index: usize) -> &[usize] {
        &self.entries[index].shape
    }

    /// Returns the type of the elements of tensor `index`.
    ///
    /// # Panics
    /// As [`key`](Self::key).
    pub fn kind(&self, index: usize) -> ElementType {
        self.entries[index].kind
    }

    /// Returns the elements as `f32`, row-major; `None` for integers.
    pub fn floats(&self, index: usize) -> Option<Vec<f32>> {
        self.entries[index].floats(&self.bytes)
    }

    /// Returns the elements as `i64`, row-major; `None` for floats.
    pub fn integers(&self, index: usize) -> Option<Vec<i64>> {
        self.entries[index].integers(&self.bytes)
    }
}

/// Reads a file of PyTorch's zip format that holds more than a state dict, such as the state of an
/// optimiser; `max_bytes` as for [`StateFile::read`].
///
/// # Errors
/// As [`StateFile::read`].
pub fn read_object(path: &Path, max_bytes: u64) -> Result<Object, WeightsError> {
    let bytes = read_bytes(path, max_bytes)?;
    let object = match form(&bytes) {
        Ok(Form::Zip) => zip::object(&bytes),
        Ok(other) => problem(format!("it is in the format {other}, not PyTorch zip")),
        Err(problem) => Err(problem),
    };
    object.map_err(|Problem(problem)| WeightsError::Form {
        file: path.to_owned(),
        problem,
    })
}

fn read_bytes(path: &Path, max_bytes: u64) -> Result<Vec<u8>, WeightsError> {
    let failed = |source| WeightsError::Read {
        file: path.to_owned(),
        source,
    };
    let too_large = |bytes| WeightsError::TooLarge {
        file: path.to_owned(),
        bytes,
        limit: max_bytes,
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(WeightsError::Form {
            file: path.to_owned(),
            problem: "it is not a regular file".to_owned(),
        });
    }
    if metadata.len() > max_bytes {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    // The file may have grown since.
    file.take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Determines the format by the file's first bytes.
fn form(bytes: &[u8]) -> Parsed<Form> {
    match bytes {
        [] => problem("it is empty"),
        [b'P', b'K', 3, 4, ..] => Ok(Form::Zip),
        [0x80, 2..=5, ..] => Ok(Form::Legacy),
        [_, _, _, _, _, _, _, _, b'{', ..] => Ok(Form::Safetensors),
        [b'<', ..] => problem("it looks like a web page, perhaps a download's error message"),
        _ => problem("it is neither PyTorch's zip or stream format nor safetensors"),
    }
}
