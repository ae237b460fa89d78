//! Networks that are in memory once for all sessions of the process that use them.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::SystemTime,
};

use burn::tensor::Device;

use super::Networks;
use crate::{
    DType, DeviceChoice, Error, Precision,
    weights::{Network, WeightsSource},
};

/// What decides which networks are read: the files as they are now, and where they go.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    files: Vec<(PathBuf, u64, Option<SystemTime>)>,
    device: Device,
    numbers: DType,
    asked: Precision,
}

/// The networks of one key, for as long as a session holds them. Locked while they are read.
type Slot = Arc<Mutex<Weak<Networks>>>;

static TABLE: Mutex<Vec<(Key, Slot)>> = Mutex::new(Vec::new());

/// Returns the networks of these weights on a device, which the choice names; reads them where no session of the process holds them.
/// Generated weights are never shared, as measurements use them.
///
/// # Errors
/// As [`Networks::read`].
pub fn read(
    weights: &WeightsSource,
    (device, choice): (Device, DeviceChoice),
    numbers: DType,
    asked: Precision,
) -> Result<Arc<Networks>, Error> {
    let WeightsSource::Files(paths) = weights else {
        return Ok(Arc::new(Networks::read(
            weights, device, choice, numbers, asked,
        )?));
    };
    let files = Network::ALL.map(|network| {
        let path = paths.get(network);
        // A file that cannot be looked at is an error once it is read.
        let metadata = fs::metadata(path).ok();
        let bytes = metadata.as_ref().map_or(0, |metadata| metadata.len());
        let modified = metadata.and_then(|metadata| metadata.modified().ok());
        (path.to_owned(), bytes, modified)
    });
    let slot = slot(Key {
        files: files.to_vec(),
        device: device.clone(),
        numbers,
        asked,
    });
    let mut held = lock(&slot);
    if let Some(networks) = held.upgrade() {
        return Ok(networks);
    }
    let networks = Arc::new(Networks::read(weights, device, choice, numbers, asked)?);
    *held = Arc::downgrade(&networks);
    Ok(networks)
}

/// Returns the slot of a key; removes those that nobody uses.
fn slot(key: Key) -> Slot {
    let mut table = lock(&TABLE);
    // A slot that is in use elsewhere is being read, or about to be.
    table.retain(|(_, slot)| Arc::strong_count(slot) > 1 || lock(slot).strong_count() > 0);
    if let Some((_, slot)) = table.iter().find(|(known, _)| *known == key) {
        return slot.clone();
    }
    let slot = Slot::default();
    table.push((key, slot.clone()));
    slot
}

/// Locks what stays valid even if a holder of the lock panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
