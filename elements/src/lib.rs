//! The GStreamer elements.
