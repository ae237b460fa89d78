//! `propainter weights fetch`.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use indicatif::HumanBytes;
use propainter::weights::{Checkpoint, WeightsError};
use sha2::{Digest, Sha256};
use ureq::Agent;

use crate::{Console, progress};

use super::{
    Asset, CommandError, DownloadError, Environment, FetchOptions, download::Download, licence,
};

/// Downloads the official checkpoints that are missing, once the licence is accepted.
///
/// # Errors
/// The licence is not accepted, another file is in the place, or a download fails.
pub(super) fn run(
    environment: &Environment,
    options: &FetchOptions,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let Some(folder) = options.to.as_ref().or(environment.folders.first()) else {
        let problem = "no folder for the files is known: give --to, or set HOME";
        return Err(CommandError::Other(problem.to_owned()));
    };
    let mut missing = Vec::new();
    for asset in &environment.assets {
        let path = folder.join(asset.name);
        if is_official(&path, asset)? {
            console.say(&format!(
                "{}: the official file exists already",
                path.display()
            ))?;
        } else if path.exists() && !options.force {
            return Err(CommandError::Other(format!(
                "{} is not the official file; --force replaces it",
                path.display()
            )));
        } else {
            missing.push(asset);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !licence::accept(console, options.accept_licence)? {
        return Err(CommandError::Declined);
    }
    fs::create_dir_all(folder).map_err(|source| DownloadError::Write {
        file: folder.clone(),
        source,
    })?;
    let agent = environment.retry.agent();
    for asset in missing {
        let url = format!("{}/{}", options.base_url.trim_end_matches('/'), asset.name);
        console.say(&url)?;
        fetch(environment, &agent, &url, folder, asset)?;
        console.say(&format!(
            "  {}: {}, verified",
            folder.join(asset.name).display(),
            HumanBytes(asset.bytes)
        ))?;
    }
    Ok(())
}

/// Downloads one file beside its place, verifies it, and moves it there.
///
/// # Errors
/// The download or the verification fails, or the file cannot be written.
fn fetch(
    environment: &Environment,
    agent: &Agent,
    url: &str,
    folder: &Path,
    asset: &Asset,
) -> Result<(), CommandError> {
    let path = folder.join(asset.name);
    let part = folder.join(format!("{}.part", asset.name));
    let progress = progress::bytes(asset.name, asset.bytes);
    let download = Download {
        agent,
        retry: environment.retry,
        url,
        part: &part,
        bytes: asset.bytes,
        progress: &progress,
    };
    let result = download.run();
    progress.finish_and_clear();
    result?;
    let write = |source| DownloadError::Write {
        file: part.clone(),
        source,
    };
    let verified = verify(&part, url, asset);
    if verified.is_err() {
        // Resuming would end with the same content.
        fs::remove_file(&part).map_err(write)?;
    }
    verified?;
    Ok(fs::rename(&part, &path).map_err(write)?)
}

/// Compares the digest and reads the checkpoint.
fn verify(part: &Path, url: &str, asset: &Asset) -> Result<(), CommandError> {
    let got = sha256(part).map_err(|source| unreadable(part, source))?;
    if got != asset.sha256 {
        return Err(CommandError::Download(DownloadError::Digest {
            url: url.to_owned(),
            expected: asset.sha256.to_owned(),
            got,
        }));
    }
    Checkpoint::read(asset.network, part)?;
    Ok(())
}

/// Returns whether the file at `path` is, byte for byte, the official one.
///
/// # Errors
/// The file exists but cannot be read.
pub(super) fn is_official(path: &Path, asset: &Asset) -> Result<bool, WeightsError> {
    let digest = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() == asset.bytes => sha256(path),
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => Err(error),
    };
    match digest {
        Ok(digest) => Ok(digest == asset.sha256),
        Err(source) => Err(unreadable(path, source)),
    }
}

fn unreadable(path: &Path, source: io::Error) -> WeightsError {
    WeightsError::Read {
        file: path.to_owned(),
        source,
    }
}

/// Returns the SHA-256 of a file, in hexadecimal.
fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => digest.update(&buffer[..count]),
        }
    }
    let bytes = digest.finalize();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
