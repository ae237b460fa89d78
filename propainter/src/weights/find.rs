//! Finds the checkpoints.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{Network, WeightsError};

/// The environment variable that names a folder of checkpoints.
const VARIABLE: &str = "PROPAINTER_WEIGHTS";

/// The paths of the three checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Path of the checkpoint of RAFT.
    pub raft: PathBuf,
    /// Path of the checkpoint of flow completion.
    pub flow_completion: PathBuf,
    /// Path of the checkpoint of the generator.
    pub generator: PathBuf,
}

impl Paths {
    /// Returns the path of the checkpoint of `network`.
    pub fn get(&self, network: Network) -> &Path {
        match network {
            Network::Raft => &self.raft,
            Network::FlowCompletion => &self.flow_completion,
            Network::Generator => &self.generator,
        }
    }
}

/// Finds the three checkpoints, each in the first of the [`search_folders`] that has it.
///
/// # Errors
/// [`WeightsError::NotFound`] for the first network that is in none of them.
pub fn find(property: Option<&Path>) -> Result<Paths, WeightsError> {
    let folders = search_folders(property);
    Ok(Paths {
        raft: find_in(Network::Raft, &folders)?,
        flow_completion: find_in(Network::FlowCompletion, &folders)?,
        generator: find_in(Network::Generator, &folders)?,
    })
}

/// Returns the checkpoint of one network in the first of `folders` that has it.
/// [`Network::file_names`] lists the names that are accepted.
///
/// # Errors
/// [`WeightsError::NotFound`] if no folder has it.
pub fn find_in(network: Network, folders: &[PathBuf]) -> Result<PathBuf, WeightsError> {
    let names = network.file_names();
    folders
        .iter()
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|path| path.is_file())
        .ok_or_else(|| WeightsError::NotFound {
            network,
            looked: folders.to_vec(),
        })
}

/// Returns the folders that are searched for checkpoints, in this order: the `property`, the folder
/// that the environment variable `PROPAINTER_WEIGHTS` names, and the user's data folder
/// (`$XDG_DATA_HOME/propainter`, `~/.local/share/propainter`).
pub fn search_folders(property: Option<&Path>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = property.map(Path::to_owned).into_iter().collect();
    folders.extend(environment(|name| env::var_os(name)));
    folders
}

/// Returns the folders that an environment names. An empty variable counts as unset, and a relative
/// `XDG_DATA_HOME` or `HOME` is ignored, as the XDG base directory rules require.
fn environment(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let absolute = |name| set(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let data = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("propainter"));
    set(VARIABLE)
        .map(PathBuf::from)
        .into_iter()
        .chain(data)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(variables: &[(&str, &str)]) -> Vec<PathBuf> {
        environment(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_variable_comes_before_the_data_folder() {
        assert_eq!(
            folders(&[
                ("PROPAINTER_WEIGHTS", "w"),
                ("XDG_DATA_HOME", "/d"),
                ("HOME", "/h")
            ]),
            [PathBuf::from("w"), PathBuf::from("/d/propainter")]
        );
    }

    #[test]
    fn the_data_folder_falls_back_to_the_home() {
        let home = [PathBuf::from("/h/.local/share/propainter")];
        assert_eq!(folders(&[("HOME", "/h")]), home);
        assert_eq!(folders(&[("XDG_DATA_HOME", ""), ("HOME", "/h")]), home);
        assert_eq!(
            folders(&[("XDG_DATA_HOME", "relative"), ("HOME", "/h")]),
            home
        );
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let none: [PathBuf; 0] = [];
        assert_eq!(folders(&[("PROPAINTER_WEIGHTS", ""), ("HOME", "")]), none);
    }
}
