//! Writes a checkpoint as safetensors.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use half::f16;
use safetensors::{Dtype, View};

use super::{Checkpoint, HostTensor, TensorProblem, WeightsError};

/// The precision of the values in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilePrecision {
    /// fp16, rounded to nearest. Running statistics stay fp32: a variance may exceed the range of
    /// fp16, and they are few.
    #[default]
    Half,
    /// fp32, every value unchanged.
    Full,
}

/// Writes parameters and running statistics to `path`, for [`Checkpoint::read`]. The file appears
/// completely or not at all.
///
/// # Errors
/// A value that does not fit the precision; a file that cannot be written.
pub fn write_safetensors(
    checkpoint: &Checkpoint,
    path: &Path,
    precision: FilePrecision,
) -> Result<(), WeightsError> {
    let mut views = Vec::new();
    for (key, tensor) in checkpoint.tensors() {
        let half = precision == FilePrecision::Half && !key.contains(".running_");
        if half && let Some(problem) = too_large(&tensor.data) {
            return Err(WeightsError::Tensor {
                file: path.to_owned(),
                key: key.to_owned(),
                problem,
            });
        }
        views.push((key, Written { tensor, half }));
    }
    let about = HashMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("network".to_owned(), checkpoint.network().name().to_owned()),
    ]);
    let failed = |source| WeightsError::Write {
        file: path.to_owned(),
        source,
    };
    let bytes = safetensors::serialize(views, Some(about)).map_err(io::Error::other);
    replace(path, &bytes.map_err(failed)?).map_err(failed)
}

fn too_large(data: &[f32]) -> Option<TensorProblem> {
    let index = data
        .iter()
        .position(|&value| !f16::from_f32(value).is_finite())?;
    let value = data[index];
    Some(TensorProblem::TooLargeForHalf { index, value })
}

/// Returns the path that [`write_safetensors`] writes to until the file at `path` is complete.
pub fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Writes a file beside `path` and then renames it to `path`.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = part_of(path);
    // The remains of an interrupted run, or a link, are not written through.
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = File::create_new(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&part, path))
        .inspect_err(|_| {
            // The remains are useless; a failure to remove them is not reported.
            let _ = fs::remove_file(&part);
        })
}

/// A tensor in the form that is written.
struct Written<'a> {
    tensor: &'a HostTensor,
    half: bool,
}

impl View for Written<'_> {
    fn dtype(&self) -> Dtype {
        if self.half { Dtype::F16 } else { Dtype::F32 }
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data = &self.tensor.data;
        if self.half {
            let halves = data.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes());
            halves.collect()
        } else {
            data.iter().flat_map(|x| x.to_le_bytes()).collect()
        }
    }

    fn data_len(&self) -> usize {
        self.tensor.data.len() * if self.half { 2 } else { 4 }
    }
}
