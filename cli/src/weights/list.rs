//! `propainter weights list`.

use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use propainter::weights::{Checkpoint, Layout, Network, StateFile, WeightsError, find_in};

use crate::Console;

use super::{CommandError, Environment, ListOptions, fetch::is_official};

/// Lists every checkpoint in the searched folders.
///
/// # Errors
/// A checkpoint that is used, the first one found of each network, is missing or invalid.
pub(super) fn run(
    environment: &Environment,
    options: &ListOptions,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let from = options.from.iter();
    let folders: Vec<PathBuf> = from.chain(&environment.folders).cloned().collect();
    let mut complete = true;
    for network in Network::ALL {
        console.say(network.name())?;
        let used = find_in(network, &folders);
        if let Err(error) = &used {
            console.say(&format!("  {error}"))?;
            complete = false;
        }
        let names = network.file_names();
        let paths = folders
            .iter()
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)));
        for path in paths.filter(|path| path.is_file()) {
            let is_used = used.as_ref().is_ok_and(|used| *used == path);
            let state = match describe(environment, network, &path) {
                Ok(state) => state,
                Err(error) => {
                    complete &= !is_used;
                    error.to_string()
                }
            };
            let note = if is_used { "" } else { " (not used)" };
            console.say(&format!("  {}{note}: {state}", path.display()))?;
        }
    }
    if complete {
        Ok(())
    } else {
        Err(CommandError::Incomplete)
    }
}

/// Reads a checkpoint and returns its format and size.
///
/// # Errors
/// The checkpoint is invalid.
fn describe(
    environment: &Environment,
    network: Network,
    path: &Path,
) -> Result<String, WeightsError> {
    let file = StateFile::read(path, Layout::of(network).max_file_bytes())?;
    Checkpoint::from_state(network, path, &file)?;
    let floats = (0..file.len()).map(|index| file.kind(index));
    let kind = floats
        .filter(|kind| kind.is_float())
        .min_by_key(|kind| kind.size());
    let kind = kind.map_or("", |kind| kind.name());
    let bytes = path.metadata().map_or(0, |metadata| metadata.len());
    let mut assets = environment.assets.iter();
    let official =
        assets.any(|asset| asset.network == network && is_official(path, asset).unwrap_or(false));
    let note = if official { ", the official file" } else { "" };
    let form = file.form();
    Ok(format!("ok, {form} {kind}, {}{note}", HumanBytes(bytes)))
}
