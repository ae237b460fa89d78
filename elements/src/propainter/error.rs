//! The failures that end a stream.

use std::{any::Any, sync::Arc};

use crate::propainter::masks::combine::LocationError;

/// What ends a stream.
#[derive(Debug)]
pub enum Failure {
    Session(propainter::Error),
    Mask(Arc<LocationError>),
    /// The session or its engine broke a promise.
    Internal(String),
}

impl From<propainter::Error> for Failure {
    fn from(error: propainter::Error) -> Self {
        Self::Session(error)
    }
}

impl From<Arc<LocationError>> for Failure {
    fn from(error: Arc<LocationError>) -> Self {
        Self::Mask(error)
    }
}

impl Failure {
    /// What a panic left behind.
    pub fn from_panic(panic: Box<dyn Any + Send>) -> Self {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Self::Internal(text.unwrap_or_else(|| "panic".to_owned()))
    }
}
