//! What GStreamer's muxers do not write, or not rightly.
//!
//! - [`chapters`], [`matroska_tags`]: chapters and tags
//! - [`orientation`]: rotation and mirroring for display
//! - [`mp4_boxes`]: the parts of MP4 and QuickTime files that GStreamer does not report

pub mod chapters;
pub mod matroska_tags;
pub mod mp4_boxes;
pub mod orientation;
