//! The debug category of the element.

use std::sync::LazyLock;

/// The category that all log lines of the element go to.
pub static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "propainter",
        gst::DebugColorFlags::empty(),
        Some("Video inpainting"),
    )
});
