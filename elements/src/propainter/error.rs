//! The failures that end a stream.

use std::{any::Any, sync::Arc};

use crate::propainter::masks::image_sequence::MaskFileError;

/// A failure that ends a stream.
#[derive(Debug)]
pub enum Failure {
    Session(propainter::Error),
    Mask(Arc<MaskFileError>),
    /// A bug: the session or the worker did not do what it guarantees.
    Internal(String),
}

impl From<propainter::Error> for Failure {
    fn from(error: propainter::Error) -> Self {
        Self::Session(error)
    }
}

impl From<Arc<MaskFileError>> for Failure {
    fn from(error: Arc<MaskFileError>) -> Self {
        Self::Mask(error)
    }
}

impl Failure {
    /// Returns the failure for a panic, with its message.
    pub fn from_panic(panic: Box<dyn Any + Send>) -> Self {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Self::Internal(text.unwrap_or_else(|| "panic".to_owned()))
    }
}
