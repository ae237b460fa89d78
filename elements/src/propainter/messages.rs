//! Errors and warnings on the bus, in the domain that fits.

use std::{any::Any, sync::Arc};

use gst::subclass::prelude::*;

use super::{
    duty::TRIES,
    imp::{CAT, Propainter},
    masks::LocationError,
    remarks::Remark,
};

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

impl Propainter {
    pub(super) fn post_failure(&self, failure: &Failure) {
        use propainter::{Error, weights::WeightsError};
        match failure {
            Failure::Session(error @ Error::Setting { .. }) => {
                gst::element_imp_error!(self, gst::LibraryError::Settings, ("{}", error));
            }
            Failure::Session(error @ Error::Weights(WeightsError::NotFound { .. })) => {
                gst::element_imp_error!(self, gst::ResourceError::NotFound, ("{}", error));
            }
            Failure::Session(error @ Error::Weights(_)) => {
                gst::element_imp_error!(self, gst::ResourceError::Read, ("{}", error));
            }
            Failure::Session(error @ Error::Device { .. }) => {
                gst::element_imp_error!(self, gst::ResourceError::OpenReadWrite, ("{}", error));
            }
            Failure::Session(error @ Error::Size { .. }) => {
                gst::element_imp_error!(self, gst::StreamError::Format, ("{}", error));
            }
            Failure::Session(
                error @ Error::Budget {
                    property,
                    budget,
                    needed,
                    ..
                },
            ) => {
                let details = gst::Structure::builder("propainter-budget")
                    .field("property", *property)
                    .field("budget", *budget)
                    .field("needed", *needed)
                    .build();
                gst::element_imp_error!(
                    self,
                    gst::ResourceError::NoSpaceLeft,
                    ("{}", error),
                    details: details
                );
            }
            Failure::Session(error @ Error::OutOfMemory { stage, problem }) => {
                let details = gst::Structure::builder("propainter-out-of-memory")
                    .field("stage", stage.to_string())
                    .field("problem", problem)
                    .build();
                gst::element_imp_error!(
                    self,
                    gst::ResourceError::NoSpaceLeft,
                    ("{}", error),
                    details: details
                );
            }
            Failure::Session(error @ (Error::Compute { .. } | Error::Cancelled)) => {
                gst::element_imp_error!(self, gst::ResourceError::Failed, ("{}", error));
            }
            Failure::Mask(error) if error.is_missing() => {
                gst::element_imp_error!(self, gst::ResourceError::NotFound, ("{}", error));
            }
            Failure::Mask(error) => {
                gst::element_imp_error!(self, gst::ResourceError::Read, ("{}", error));
            }
            Failure::Internal(problem) => {
                gst::element_imp_error!(
                    self,
                    gst::CoreError::Failed,
                    ("internal error: {}", problem)
                );
            }
        }
    }

    /// The stream goes on without the device, which is tried again or given up after
    /// `failures`.
    pub(super) fn warn_device(&self, error: &propainter::Error, failures: Option<u32>) {
        let what = match failures {
            Some(failures) => format!("it is opened again, try {failures} of {TRIES}"),
            None => format!("it is given up after {TRIES} failures"),
        };
        gst::element_imp_warning!(
            self,
            gst::ResourceError::Failed,
            (
                "{}; {}; meanwhile frames are filled without the networks",
                error,
                what
            )
        );
        self.post_element(
            gst::Structure::builder("propainter-device-failed")
                .field("problem", error.to_string())
                .field("given-up", failures.is_none())
                .build(),
        );
    }

    /// Tells what is odd about masks.
    pub(super) fn post_remarks(&self, remarks: impl IntoIterator<Item = Remark>) {
        for remark in remarks {
            match remark {
                Remark::Info(text) => gst::info!(CAT, imp = self, "{text}"),
                Remark::Odd(text) => {
                    gst::element_imp_warning!(self, gst::ResourceError::Settings, ("{}", text));
                }
                Remark::File(text) => {
                    gst::element_imp_warning!(self, gst::ResourceError::Read, ("{}", text));
                }
            }
        }
    }

    pub(super) fn post_bad_format(&self, problem: &str) {
        gst::error!(CAT, imp = self, "{problem}");
        gst::element_imp_error!(self, gst::StreamError::Format, ("{}", problem));
    }

    /// Upstream has gone and cannot be told that downstream refuses.
    pub(super) fn post_flow(&self, flow: gst::FlowError) {
        gst::element_imp_error!(
            self,
            gst::StreamError::Failed,
            ("downstream stopped the stream: {}", flow)
        );
    }
}
