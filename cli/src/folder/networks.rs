//! The networks of a folder's clips: held in memory from the first clip to the last, and known by
//! the content of their checkpoints.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use clap::ValueEnum;
use gst::prelude::*;
use propainter::{Config, weights};
use sha2::{Digest, Sha256};

use crate::{
    engine::Model,
    run::{ElementSettings, RunError},
};

use super::{
    FolderError,
    record::{RecordError, hex},
};

/// The networks that settings ask for, if any.
#[derive(Debug)]
pub struct Networks {
    digest: Option<String>,
}

impl Networks {
    /// Finds the checkpoints that settings ask for.
    ///
    /// # Errors
    /// A checkpoint cannot be read. Where one is missing, each clip tells.
    pub fn of(settings: &ElementSettings) -> Result<Self, FolderError> {
        let model = settings
            .get("model")
            .and_then(|name| Model::from_str(name, false).ok());
        let folder = settings.get("weights").filter(|folder| !folder.is_empty());
        let config = Config {
            model: model.map_or_else(propainter::Model::default, propainter::Model::from),
            weights: folder.map(Into::into),
            ..Config::new(8, 8)
        };
        let found = match config.engine() {
            propainter::Model::Propainter => weights::find(config.weights.as_deref()).ok(),
            _ => None,
        };
        let Some(paths) = found else {
            return Ok(Self { digest: None });
        };
        let mut digest = Sha256::new();
        for network in weights::Network::ALL {
            let file = paths.get(network);
            add(&mut digest, file).map_err(RecordError::read(file))?;
        }
        Ok(Self {
            digest: Some(hex(&digest.finalize())),
        })
    }

    /// Returns the SHA-256 of the checkpoints; `None` where none are used.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Reads the networks and holds them until the result is dropped, so that clips one after
    /// another share them. Does nothing for a single clip.
    ///
    /// # Errors
    /// The element is not registered, or does not take the settings.
    pub fn hold(&self, settings: &ElementSettings, clips: usize) -> Result<Option<Held>, RunError> {
        if self.digest.is_none() || clips < 2 {
            return Ok(None);
        }
        let element = gst::ElementFactory::make("propainter").build()?;
        settings.apply(&element)?;
        // An element reads its networks from READY on. If it cannot, each clip tells.
        let _ = element.set_state(gst::State::Ready);
        Ok(Some(Held(element)))
    }
}

/// Networks that stay in memory for as long as this value lives.
#[derive(Debug)]
pub struct Held(gst::Element);

impl Drop for Held {
    fn drop(&mut self) {
        // A failure to stop has no remedy.
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// Adds the content of a file to a digest.
fn add(digest: &mut Sha256, file: &Path) -> io::Result<()> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(file)?);
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(());
        }
        digest.update(bytes);
        let read = bytes.len();
        file.consume(read);
    }
}
