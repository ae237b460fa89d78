//! The branches of a pipeline that end in the muxer.

use gst::{glib::BoolError, prelude::*};

use super::{Container, RecodeError, source::StreamKind};

/// A queue without limits: the streams beside the video wait for the frames that the element holds.
pub const QUEUE: &str = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0";

/// What decoded frames go through before the element. A file may correct the beginning of its times
/// after the first frames, for which the element would start afresh: it gets running times instead.
pub const BEFORE: &str = "queue ! identity single-segment=true ! videoconvert";

/// Builds a part of a pipeline with a pad at each end.
pub fn bin(description: &str) -> Result<gst::Element, RecodeError> {
    let bin = gst::parse::bin_from_description(description, true)?;
    Ok(bin.upcast())
}

/// Links a branch's end to the muxer.
pub fn link_to_muxer(
    branch: &gst::Element,
    mux: &gst::Element,
    container: Container,
    kind: StreamKind,
) -> Result<(), BoolError> {
    branch.link_pads(Some("src"), mux, Some(pad_name(container, kind)))
}

/// Returns the name of the muxer's pad template for a kind of stream.
fn pad_name(container: Container, kind: StreamKind) -> &'static str {
    match (container, kind) {
        (Container::MpegTs, _) => "sink_%d",
        (_, StreamKind::Video) => "video_%u",
        (_, StreamKind::Sound) => "audio_%u",
        (_, _) => "subtitle_%u",
    }
}

/// Returns the caps that the muxer takes for a kind of stream; `None` where it has no pads for it.
pub fn accepted(mux: &gst::Element, container: Container, kind: StreamKind) -> Option<gst::Caps> {
    if !matches!(kind, StreamKind::Sound | StreamKind::Subtitles) {
        return None;
    }
    let name = pad_name(container, kind);
    let templates = mux.factory()?.static_pad_templates();
    let template = templates
        .iter()
        .find(|template| template.name_template() == name)?;
    Some(template.caps())
}
