//! Errors that end a stream, and the warning about a device that fails.

use super::post_element;
use crate::propainter::{error::Failure, log::CAT, qos::circuit_breaker::MAX_FAILURES};

/// Posts a failure as an error in the domain that fits.
pub fn post_failure(element: &gst::Element, failure: &Failure) {
    use propainter::{Error, weights::WeightsError};
    match failure {
        Failure::Session(error @ Error::Setting { .. }) => {
            gst::element_error!(element, gst::LibraryError::Settings, ("{}", error));
        }
        Failure::Session(error @ Error::Weights(WeightsError::NotFound { .. })) => {
            gst::element_error!(element, gst::ResourceError::NotFound, ("{}", error));
        }
        Failure::Session(error @ Error::Weights(_)) => {
            gst::element_error!(element, gst::ResourceError::Read, ("{}", error));
        }
        Failure::Session(error @ (Error::Device { .. } | Error::DeviceLost { .. })) => {
            gst::element_error!(element, gst::ResourceError::OpenReadWrite, ("{}", error));
        }
        Failure::Session(error @ Error::Size { .. }) => {
            gst::element_error!(element, gst::StreamError::Format, ("{}", error));
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
            gst::element_error!(
                element,
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
            gst::element_error!(
                element,
                gst::ResourceError::NoSpaceLeft,
                ("{}", error),
                details: details
            );
        }
        Failure::Session(error @ (Error::Compute { .. } | Error::Cancelled)) => {
            gst::element_error!(element, gst::ResourceError::Failed, ("{}", error));
        }
        Failure::Mask(error) if error.is_missing() => {
            gst::element_error!(element, gst::ResourceError::NotFound, ("{}", error));
        }
        Failure::Mask(error) => {
            gst::element_error!(element, gst::ResourceError::Read, ("{}", error));
        }
        Failure::Internal(problem) => {
            gst::element_error!(
                element,
                gst::CoreError::Failed,
                ("internal error: {}", problem)
            );
        }
    }
}

/// Warns that the device failed. It is tried again after `failures` failures; `None` if it is
/// given up.
pub fn warn_device(element: &gst::Element, error: &propainter::Error, failures: Option<u32>) {
    let consequence = match (failures, error) {
        (Some(failures), _) => {
            format!("it is opened again, attempt {failures} of {MAX_FAILURES}")
        }
        (None, propainter::Error::DeviceLost { .. }) => "it is given up".to_owned(),
        (None, _) => format!("it is given up after {MAX_FAILURES} failures"),
    };
    gst::element_warning!(
        element,
        gst::ResourceError::Failed,
        (
            "{}; {}; meanwhile frames are filled without the networks",
            error,
            consequence
        )
    );
    post_element(
        element,
        gst::Structure::builder("propainter-device-failed")
            .field("problem", error.to_string())
            .field("given-up", failures.is_none())
            .build(),
    );
}

/// Posts that the element cannot work on the video it gets.
pub fn post_bad_format(element: &gst::Element, problem: &str) {
    gst::error!(CAT, obj = element, "{problem}");
    gst::element_error!(element, gst::StreamError::Format, ("{}", problem));
}

/// Posts that downstream stopped the stream, if upstream cannot be informed.
pub fn post_flow_error(element: &gst::Element, flow: gst::FlowError) {
    gst::element_error!(
        element,
        gst::StreamError::Failed,
        ("downstream stopped the stream: {}", flow)
    );
}
