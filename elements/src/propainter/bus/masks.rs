//! Warnings about masks that look wrong.

use crate::propainter::{log::CAT, masks::diagnostics::Diagnostic};

/// Logs or posts what was found out about masks.
pub fn post_diagnostics(element: &gst::Element, diagnostics: impl IntoIterator<Item = Diagnostic>) {
    for diagnostic in diagnostics {
        match diagnostic {
            Diagnostic::Info(text) => gst::info!(CAT, obj = element, "{text}"),
            Diagnostic::Warning(text) => {
                gst::element_warning!(element, gst::ResourceError::Settings, ("{}", text));
            }
            Diagnostic::FileWarning(text) => {
                gst::element_warning!(element, gst::ResourceError::Read, ("{}", text));
            }
        }
    }
}
