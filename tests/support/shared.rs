//! What is too large for the repository: all golden vectors, and film.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::skip;

/// The folder of it: `PROPAINTER_SHARED`, or `shared` beside the repository.
pub fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    env::var_os("PROPAINTER_SHARED").map_or_else(beside, PathBuf::from)
}

/// Returns a file or folder of the film; `None` where it is absent, and the test is skipped.
///
/// # Panics
/// As [`skip::without`].
pub fn media(name: &str) -> Option<PathBuf> {
    let folder = folder().join("media");
    let path = folder.join(name);
    if !path.exists() {
        skip::without(name, &[folder]);
        return None;
    }
    Some(path)
}
