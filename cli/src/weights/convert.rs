//! `propainter weights convert`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use indicatif::HumanBytes;
use propainter::weights::{
    Checkpoint, FilePrecision, Network, WeightsError, find_in, part_of, write_safetensors,
};

use crate::{
    Console,
    output::{self, Existing, OutputError, RemoveOnInterrupt},
};

use super::{CommandError, ConvertOptions, Environment};

/// Converts checkpoints to safetensors.
///
/// # Errors
/// A checkpoint is missing or invalid, or a file cannot be written.
pub(super) fn run(
    environment: &Environment,
    options: &ConvertOptions,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let precision = match options.fp32 {
        true => FilePrecision::Full,
        false => FilePrecision::Half,
    };
    for (network, file) in files(environment, options)? {
        let folder = options.to.as_deref();
        let folder = folder.or(file.parent()).unwrap_or(Path::new(""));
        let source = Checkpoint::read(network, &file)?;
        let (target, replaces) = write(&source, &file, folder, precision, options.force)?;
        let written = Checkpoint::read(network, &target)?;
        let bytes = fs::metadata(&target).map_or(0, |metadata| metadata.len());
        console.say(&format!(
            "{}: {}{}, values differ by at most {:.1e}",
            target.display(),
            if replaces { "replaced, " } else { "" },
            HumanBytes(bytes),
            largest_difference(&source, &written)
        ))?;
        let [preferred, _] = network.file_names();
        if target.with_file_name(preferred).exists() {
            console.say("  the .pth file in the same folder is preferred as long as it exists")?;
        }
    }
    Ok(())
}

/// Writes a checkpoint that was read from `file` into a folder, under the name of its network. Returns
/// the path, and whether a file was replaced.
///
/// # Errors
/// The file exists and may not be replaced, is `file` itself, or cannot be written.
pub(super) fn write(
    source: &Checkpoint,
    file: &Path,
    folder: &Path,
    precision: FilePrecision,
    force: bool,
) -> Result<(PathBuf, bool), CommandError> {
    let target = folder.join(format!("{}.safetensors", source.network().file_stem()));
    create_folder(folder)?;
    let existing = Existing::with_force(force);
    let inputs = [file.to_owned()];
    let target = output::check(&target, &inputs, existing).map_err(|error| {
        CommandError::Other(match error {
            OutputError::Input { .. } => format!(
                "{} would replace itself; give another folder with --to",
                file.display()
            ),
            other => other.to_string(),
        })
    })?;
    let replaces = target.exists();
    // The library writes beside the target and renames.
    let remove_on_interrupt = RemoveOnInterrupt::new(&part_of(&target));
    write_safetensors(source, &target, precision)?;
    drop(remove_on_interrupt);
    Ok((target, replaces))
}

/// Returns the checkpoints to convert: the given files, or the official ones that are installed.
fn files(
    environment: &Environment,
    options: &ConvertOptions,
) -> Result<Vec<(Network, PathBuf)>, CommandError> {
    if options.files.is_empty() {
        let chosen = Network::ALL.iter().filter(|network| {
            let name = options.network.as_deref();
            name.is_none_or(|name| name == network.name())
        });
        return chosen
            .map(|&network| Ok((network, find_in(network, &environment.folders)?)))
            .collect();
    }
    let network = |file: &PathBuf| {
        let stem = file.file_stem().and_then(|stem| stem.to_str());
        let mut networks = Network::ALL.into_iter();
        let network = networks.find(|network| match &options.network {
            Some(name) => network.name() == name,
            None => stem == Some(network.file_stem()),
        });
        let problem = || {
            let file = file.display();
            CommandError::Other(format!(
                "{file}: the name does not identify the network; give --network"
            ))
        };
        Ok((network.ok_or_else(problem)?, file.clone()))
    };
    options.files.iter().map(network).collect()
}

/// Creates a folder where it does not exist.
fn create_folder(folder: &Path) -> Result<(), WeightsError> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|source| WeightsError::Write {
        file: folder.to_owned(),
        source,
    })
}

/// Returns the largest absolute difference of two values.
fn largest_difference(a: &Checkpoint, b: &Checkpoint) -> f32 {
    let differences = a.tensors().into_iter().flat_map(|(key, tensor)| {
        let other = b.get(key).data.iter();
        tensor.data.iter().zip(other).map(|(a, b)| (a - b).abs())
    });
    differences.fold(0.0, f32::max)
}
