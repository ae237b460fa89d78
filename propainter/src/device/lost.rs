//! The CUDA devices whose context is lost, for the rest of the process.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::DeviceChoice;

/// The lost devices by number, each with the message that said so.
fn devices() -> MutexGuard<'static, BTreeMap<usize, String>> {
    static LOST: Mutex<BTreeMap<usize, String>> = Mutex::new(BTreeMap::new());
    LOST.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DeviceChoice {
    /// Notes that the device's context is lost. It is not opened again in this process: after such a
    /// fault every call of the driver fails until the process ends.
    pub fn mark_lost(self, problem: &str) {
        if let Self::Cuda(n) = self {
            devices().entry(n).or_insert_with(|| problem.to_owned());
        }
    }

    /// Returns the message with which the device's context was lost; `None` if it is not.
    pub fn lost(self) -> Option<String> {
        match self {
            Self::Cuda(n) => devices().get(&n).cloned(),
            Self::Auto | Self::Cpu => None,
        }
    }
}
