//! `propainter weights import`.

use std::path::Path;

use propainter::weights::{Checkpoint, FilePrecision};

use crate::Console;

use super::{CommandError, Environment, ImportOptions, convert};

/// Writes torchvision's RAFT as a checkpoint that is found.
///
/// # Errors
/// The file is no such checkpoint, or the new one cannot be written.
pub(super) fn run(
    environment: &Environment,
    options: &ImportOptions,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let source = Checkpoint::read_torchvision_raft(&options.file)?;
    let folder = options
        .to
        .as_deref()
        .or(environment.folders.first().map(|folder| &**folder));
    let folder = folder.unwrap_or(Path::new(""));
    let file = &options.file;
    let (target, replaces) =
        convert::write(&source, file, folder, FilePrecision::Full, options.force)?;
    let verb = if replaces { "replaced" } else { "wrote" };
    console.say(&format!("{verb} {}", target.display()))?;
    let [preferred, _] = source.network().file_names();
    if target.with_file_name(preferred).exists() {
        console.say("  the .pth file in the same folder is preferred as long as it exists")?;
    }
    Ok(())
}
