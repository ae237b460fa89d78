//! The GStreamer element `propainter`, as a library for the plugin and the tests.

#![warn(missing_docs)]

mod propainter;

pub use propainter::Propainter;
#[doc(hidden)]
pub use propainter::fuzz;

use gst::glib;

/// Registers the elements with the plugin.
///
/// # Errors
/// The registry refuses.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    propainter::register(Some(plugin))
}

/// Registers the elements for this process, without a plugin file: what tests need.
/// GStreamer must be initialised.
///
/// # Errors
/// The registry refuses.
pub fn plugin_register_static() -> Result<(), glib::BoolError> {
    propainter::register(None)
}
