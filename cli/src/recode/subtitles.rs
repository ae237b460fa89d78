//! Subtitles as plain text: GStreamer reads them with Pango markup, which muxers do not take.

use gst::prelude::*;

use super::{
    Container, RecodeError,
    branches::{QUEUE, accepted, bin},
    source::StreamKind,
};

const PLAIN: &str = "text/x-raw,format=(string)utf8";

/// Returns whether a stream is text with markup.
pub fn has_markup(caps: &gst::Caps) -> bool {
    let format = caps.structure(0).and_then(|s| s.get::<&str>("format").ok());
    format == Some("pango-markup")
}

/// Returns an element that removes the markup for the muxer; `None` where the muxer takes no text.
///
/// # Errors
/// An element is not installed.
pub fn without_markup(
    mux: &gst::Element,
    container: Container,
) -> Result<Option<gst::Element>, RecodeError> {
    let plain: gst::Caps = PLAIN.parse()?;
    let takes = accepted(mux, container, StreamKind::Subtitles);
    if !takes.is_some_and(|caps| caps.can_intersect(&plain)) {
        return Ok(None);
    }
    // SubRip, as Matroska stores it, has tags for bold, italic and underlined text.
    let keeps_tags = matches!(container, Container::Matroska | Container::Webm);
    let element = bin(&format!(
        "{QUEUE} ! identity name=text ! capssetter replace=true caps=\"{PLAIN}\""
    ))?;
    let text = element
        .dynamic_cast_ref::<gst::Bin>()
        .and_then(|bin| bin.by_name("text"))
        .and_then(|text| text.static_pad("src"));
    let text = text.ok_or_else(|| gst::glib::bool_error!("the element text has no pad"))?;
    text.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && let Some(changed) = rewritten(buffer, keeps_tags)
        {
            *buffer = changed;
        }
        gst::PadProbeReturn::Ok
    });
    Ok(Some(element))
}

/// Returns the buffer with plain text; `None` where it does not hold UTF-8.
fn rewritten(buffer: &gst::BufferRef, keeps_tags: bool) -> Option<gst::Buffer> {
    let map = buffer.map_readable().ok()?;
    let text = plain(std::str::from_utf8(&map).ok()?, keeps_tags);
    let mut changed = gst::Buffer::from_slice(text.into_bytes());
    let flags = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
    buffer.copy_into(changed.get_mut()?, flags, ..).ok()?;
    Some(changed)
}

/// Returns `markup` with its entities resolved, and without its tags unless `keeps_tags`.
fn plain(markup: &str, keeps_tags: bool) -> String {
    let mut text = String::with_capacity(markup.len());
    let mut inside = false;
    for character in markup.chars() {
        match character {
            '<' if !keeps_tags => inside = true,
            '>' if inside => inside = false,
            _ if inside => {}
            other => text.push(other),
        }
    }
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"), // last, so that nothing is resolved twice
    ];
    let resolve = |text: String, (entity, is): &(&str, &str)| text.replace(entity, is);
    entities.iter().fold(text, resolve)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn entities_are_resolved_once_and_tags_are_removed_on_request() {
        let markup = "<i>a &lt; b</i> &amp;lt; &quot;c&quot;";
        assert_eq!(plain(markup, false), "a < b &lt; \"c\"");
        assert_eq!(plain(markup, true), "<i>a < b</i> &lt; \"c\"");
    }
}
