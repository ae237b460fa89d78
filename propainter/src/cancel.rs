//! A token that ends the work of a session from another thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::Error;

/// A token that stops a session. All clones share its state. A session checks it between network
/// stages, so it stops after one stage at the latest.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Stops the session: its running call returns [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns whether the session is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Checks the token.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the session is to stop.
    pub fn check(&self) -> Result<(), Error> {
        if self.is_cancelled() {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    pub(crate) fn reset(&self) {
        self.0.store(false, Ordering::Release);
    }
}
