//! Errors and warnings on the bus, in the domain that fits.

use gst::subclass::prelude::*;

use crate::propainter::{
    error::Failure, imp::Propainter, log::CAT, masks::diagnostics::Remark,
    qos::circuit_breaker::TRIES,
};

impl Propainter {
    pub(crate) fn post_failure(&self, failure: &Failure) {
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
    pub(crate) fn warn_device(&self, error: &propainter::Error, failures: Option<u32>) {
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
    pub(crate) fn post_remarks(&self, remarks: impl IntoIterator<Item = Remark>) {
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

    pub(crate) fn post_bad_format(&self, problem: &str) {
        gst::error!(CAT, imp = self, "{problem}");
        gst::element_imp_error!(self, gst::StreamError::Format, ("{}", problem));
    }

    /// Upstream has gone and cannot be told that downstream refuses.
    pub(crate) fn post_flow(&self, flow: gst::FlowError) {
        gst::element_imp_error!(
            self,
            gst::StreamError::Failed,
            ("downstream stopped the stream: {}", flow)
        );
    }
}
