//! The plugin `propainter`: registers the elements, nothing else.

use gst::glib;

/// Counts what the plugin's own code allocates: on the CPU device, the tensors.
#[global_allocator]
static ALLOCATOR: propainter::memory::Counting = propainter::memory::Counting;

fn init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    propainter_elements::register(plugin)
}

gst::plugin_define!(
    propainter,
    env!("CARGO_PKG_DESCRIPTION"),
    init,
    env!("CARGO_PKG_VERSION"),
    // The code's; checkpoints are under their makers' terms.
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    "Unknown package origin"
);
