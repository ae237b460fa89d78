//! What the threads that read and write frames tell.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crate::run::job::RunError;

/// What went wrong in the threads, and the number of frames that were written.
#[derive(Default)]
pub struct Ends {
    pub read: Option<RunError>,
    pub write: Option<io::Error>,
    pub frames: u64,
}

pub type Shared = Arc<Mutex<Ends>>;

/// Reads or changes what is told.
pub fn change<T>(ends: &Shared, change: impl FnOnce(&mut Ends) -> T) -> T {
    change(&mut ends.lock().unwrap_or_else(PoisonError::into_inner))
}
