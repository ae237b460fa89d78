//! Subtitles as plain text: GStreamer reads them with Pango's markup, which muxers do not take.

use gst::prelude::*;

use super::{
    Container, RecodeError,
    source::Kind,
    streams::{QUEUE, accepted, bin},
};

const PLAIN: &str = "text/x-raw,format=(string)utf8";

/// Whether a stream is text with markup.
pub fn has_markup(caps: &gst::Caps) -> bool {
    let format = caps.structure(0).and_then(|s| s.get::<&str>("format").ok());
    format == Some("pango-markup")
}

/// An element that takes text with markup and gives text for the muxer; `None` where that takes
/// no text.
pub fn without_markup(
    mux: &gst::Element,
    container: Container,
) -> Result<Option<gst::Element>, RecodeError> {
    let plain: gst::Caps = PLAIN.parse()?;
    let takes = accepted(mux, container, Kind::Subtitles);
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
    let text = text.ok_or_else(|| gst::glib::bool_error!("the text has no pad"))?;
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

/// The buffer with its text as it is to be read.
fn rewritten(buffer: &gst::BufferRef, keeps_tags: bool) -> Option<gst::Buffer> {
    let map = buffer.map_readable().ok()?;
    let text = plain(std::str::from_utf8(&map).ok()?, keeps_tags);
    let mut changed = gst::Buffer::from_slice(text.into_bytes());
    let flags = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
    buffer.copy_into(changed.get_mut()?, flags, ..).ok()?;
    Some(changed)
}

/// `markup` with its entities resolved, and without its tags unless those stay.
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
    fn entities_are_resolved_once_and_tags_go_where_they_must() {
        let markup = "<i>a &lt; b</i> &amp;lt; &quot;c&quot;";
        assert_eq!(plain(markup, false), "a < b &lt; \"c\"");
        assert_eq!(plain(markup, true), "<i>a < b</i> &lt; \"c\"");
    }
}
