//! The GStreamer element `propainter`, as a library for the plugin and the tests.

#![warn(missing_docs)]

mod propainter;

pub use propainter::Propainter;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub use propainter::fuzz;

use gst::glib;
use parking_lot::Mutex;

/// Registers the element with the plugin.
///
/// # Errors
/// The registry refuses.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    propainter::register(Some(plugin))
}

/// Registers the element for this process, without a plugin file, as tests and programs need it.
/// GStreamer must be initialised. Later calls do nothing: to register the element again would change its
/// factory while other threads make elements with it.
///
/// # Errors
/// The registry refuses.
pub fn plugin_register_static() -> Result<(), glib::BoolError> {
    static REGISTERED: Mutex<bool> = Mutex::new(false);
    let mut registered = REGISTERED.lock();
    if !*registered {
        propainter::register(None)?;
        *registered = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_register_at_once_all_make_elements() {
        gst::init().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        plugin_register_static().unwrap();
                        gst::ElementFactory::make("propainter").build().unwrap();
                    }
                });
            }
        });
    }
}
