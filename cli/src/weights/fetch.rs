//! `propainter-weights fetch`.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use propainter::weights::{Checkpoint, WeightsError};
use sha2::{Digest, Sha256};
use ureq::Agent;

use super::{Asset, Console, DownloadError, Failure, Fetch, Tool, download::Download, licence};

pub(super) fn run(
    tool: &Tool,
    arguments: &Fetch,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let Some(folder) = arguments.to.as_ref().or(tool.folders.first()) else {
        let problem = "there is no folder to put the files in: give --to, or set HOME";
        return Err(Failure::Other(problem.to_owned()));
    };
    let mut missing = Vec::new();
    for asset in &tool.assets {
        let path = folder.join(asset.name);
        if is_official(&path, asset)? {
            console.say(&format!("{}: the official file is there", path.display()))?;
        } else if path.exists() && !arguments.force {
            return Err(Failure::Other(format!(
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
    if !licence::accept(console, arguments.accept_licence)? {
        return Err(Failure::Declined);
    }
    fs::create_dir_all(folder).map_err(|source| DownloadError::Write {
        file: folder.clone(),
        source,
    })?;
    let agent = tool.patience.agent();
    for asset in missing {
        let url = format!(
            "{}/{}",
            arguments.base_url.trim_end_matches('/'),
            asset.name
        );
        console.say(&url)?;
        fetch(tool, &agent, &url, folder, asset)?;
        console.say(&format!(
            "  {}: {}, verified",
            folder.join(asset.name).display(),
            HumanBytes(asset.bytes)
        ))?;
    }
    Ok(())
}

/// Downloads one file beside its place, verifies it, and puts it there.
fn fetch(
    tool: &Tool,
    agent: &Agent,
    url: &str,
    folder: &Path,
    asset: &Asset,
) -> Result<(), Failure> {
    let path = folder.join(asset.name);
    let part = folder.join(format!("{}.part", asset.name));
    let progress = progress(asset);
    let download = Download {
        agent,
        patience: tool.patience,
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
        // Going on from there would give the same again.
        fs::remove_file(&part).map_err(write)?;
    }
    verified?;
    Ok(fs::rename(&part, &path).map_err(write)?)
}

fn verify(part: &Path, url: &str, asset: &Asset) -> Result<(), Failure> {
    let got = sha256(part).map_err(|source| unreadable(part, source))?;
    if got != asset.sha256 {
        return Err(Failure::Download(DownloadError::Digest {
            url: url.to_owned(),
            expected: asset.sha256.to_owned(),
            got,
        }));
    }
    Checkpoint::read(asset.network, part)?;
    Ok(())
}

/// Whether the file at `path` is, byte for byte, the official one.
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

/// On a terminal only; elsewhere it stays hidden.
fn progress(asset: &Asset) -> ProgressBar {
    let style = "{prefix}  {bar:32}  {bytes} of {total_bytes}  {bytes_per_sec}  {eta}  {msg}";
    let progress = ProgressBar::new(asset.bytes).with_prefix(asset.name);
    match ProgressStyle::with_template(style) {
        Ok(style) => progress.with_style(style),
        Err(_) => progress,
    }
}
