//! `propainter-weights list`.

use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use propainter::weights::{Checkpoint, Layout, Network, StateFile, WeightsError, find_in};

use super::{Console, Failure, List, Tool, fetch::is_official};

/// Shows every checkpoint of the search path; fails unless those that count, the first of
/// each network, are there and whole.
pub(super) fn run(tool: &Tool, arguments: &List, console: &mut Console<'_>) -> Result<(), Failure> {
    let from = arguments.from.iter();
    let folders: Vec<PathBuf> = from.chain(&tool.folders).cloned().collect();
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
            let counts = used.as_ref().is_ok_and(|used| *used == path);
            let state = match describe(tool, network, &path) {
                Ok(state) => state,
                Err(error) => {
                    complete &= !counts;
                    error.to_string()
                }
            };
            let note = if counts { "" } else { " (not used)" };
            console.say(&format!("  {}{note}: {state}", path.display()))?;
        }
    }
    if complete {
        Ok(())
    } else {
        Err(Failure::Incomplete)
    }
}

/// Form and size of a checkpoint that is whole.
fn describe(tool: &Tool, network: Network, path: &Path) -> Result<String, WeightsError> {
    let file = StateFile::read(path, Layout::of(network).max_file_bytes())?;
    Checkpoint::from_state(network, path, &file)?;
    let floats = (0..file.len()).map(|index| file.kind(index));
    let kind = floats
        .filter(|kind| kind.is_float())
        .min_by_key(|kind| kind.size());
    let kind = kind.map_or("", |kind| kind.name());
    let bytes = path.metadata().map_or(0, |metadata| metadata.len());
    let mut assets = tool.assets.iter();
    let official =
        assets.any(|asset| asset.network == network && is_official(path, asset).unwrap_or(false));
    let note = if official { ", the official file" } else { "" };
    let form = file.form();
    Ok(format!("ok, {form} {kind}, {}{note}", HumanBytes(bytes)))
}
