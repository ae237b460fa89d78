//! The GStreamer element `propainter`, as a library for the plugin and the tests.

#![warn(missing_docs)]

mod propainter;

pub use propainter::Propainter;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub use propainter::fuzz;

use gst::glib;

/// Registers the element with the plugin.
///
/// # Errors
/// The registry refuses.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    propainter::register(Some(plugin))
}

/// Registers the element for this process, without a plugin file, as tests need it. GStreamer must
/// be initialised.
///
/// # Errors
/// The registry refuses.
pub fn plugin_register_static() -> Result<(), glib::BoolError> {
    propainter::register(None)
}
