//! The other streams of a file: copied where the container takes them, re-encoded where it takes
//! another codec, else left out.

use std::path::Path;

use gst::{glib::BoolError, prelude::*};

use super::{
    Container, RecodeError, Source,
    branches::{QUEUE, accepted, bin, link_to_muxer},
    metadata::mp4_boxes,
    source::{Stream, StreamKind, id_of},
    subtitles,
};

/// Adds the decoder `decode`, whose stream goes into `next`.
pub fn decoded_into(
    pipeline: &gst::Pipeline,
    decode: gst::Element,
    next: &gst::Element,
) -> Result<gst::Element, BoolError> {
    pipeline.add(&decode)?;
    let next = next.downgrade();
    decode.connect_pad_added(move |decode, pad| {
        let Some(sink) = next.upgrade().and_then(|next| next.static_pad("sink")) else {
            return;
        };
        if let Err(error) = pad.link(&sink) {
            let caps = super::source::caps_of(pad);
            gst::element_error!(
                decode,
                gst::CoreError::Negotiation,
                ("{caps} cannot be linked: {error}")
            );
        }
    });
    Ok(decode)
}

/// Returns the name of a stream for messages.
pub fn name(stream: &Stream) -> String {
    let kind = match stream.kind {
        StreamKind::Video => "another video stream",
        StreamKind::Sound => "a sound stream",
        StreamKind::Subtitles => "a stream of subtitles",
        StreamKind::Other => "a stream of data",
    };
    format!("{kind} ({})", stream.codec())
}

/// Adds the branches of the streams beside the video, and the chapters. Returns the element that
/// takes each stream.
pub fn others(
    pipeline: &gst::Pipeline,
    source: &Source,
    mux: &gst::Element,
    container: Container,
    video: &Path,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, gst::Element)>, RecodeError> {
    let mut entries = Vec::new();
    for stream in &source.streams {
        match branch(pipeline, stream, mux, container)? {
            Some((entry, note)) => {
                entries.push((stream.id.clone(), entry));
                notes.extend(note);
            }
            None => notes.push(format!("{} is not in the new file", name(stream))),
        }
    }
    let unreported = mp4_boxes::Unreported::read(video);
    if let Some(chapters) = &source.chapters
        && let Some(setter) = mux.dynamic_cast_ref::<gst::TocSetter>()
    {
        setter.set_toc(Some(chapters));
    }
    let has_chapters = unreported.chapters || source.chapters.is_some();
    if has_chapters && (source.chapters.is_none() || !container.stores_chapters()) {
        notes.push("the chapters are not in the new file".to_owned());
    }
    if source.attachments > 0 {
        notes.push("the attachments, such as fonts, are not in the new file".to_owned());
    }
    if source.time_code || unreported.time_code {
        notes.push("the time code is not in the new file".to_owned());
    }
    Ok(entries)
}

/// Links each stream of a file to the element that takes it, after `seen` has got its pad. A stream
/// that is left out stays unlinked.
pub fn route(
    parse: &gst::Element,
    pipeline: &gst::Pipeline,
    entries: Vec<(String, gst::Element)>,
    seen: impl Fn(&str, &gst::Pad) + Send + Sync + 'static,
) {
    let weak = pipeline.downgrade();
    parse.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else {
            return;
        };
        let id = id_of(pad);
        seen(&id, pad);
        if let Some((_, entry)) = entries.iter().find(|(of, _)| *of == id)
            && let Err(error) = link(pad, entry)
        {
            gst::element_error!(pipeline, gst::CoreError::Pad, ("{error}"));
        }
    });
}

/// Links a pad to an element's pad `sink`.
fn link(pad: &gst::Pad, element: &gst::Element) -> Result<(), RecodeError> {
    let sink = element.static_pad("sink");
    let sink = sink.ok_or_else(|| gst::glib::bool_error!("{} has no sink pad", element.name()))?;
    let linked = pad.link(&sink);
    linked.map_err(|error| gst::glib::bool_error!("{}", error))?;
    Ok(())
}

/// Adds the branch of a stream, which ends in the muxer. Returns its first element and a note
/// about it; `None` where the stream is left out.
///
/// # Errors
/// An element is not installed or cannot be linked.
pub fn branch(
    pipeline: &gst::Pipeline,
    stream: &Stream,
    mux: &gst::Element,
    container: Container,
) -> Result<Option<(gst::Element, Option<String>)>, RecodeError> {
    if let Some(parser) = copied(stream, mux, container) {
        let copy = bin(&format!("{QUEUE} {parser}"))?;
        pipeline.add(&copy)?;
        link_to_muxer(&copy, mux, container, stream.kind)?;
        return Ok(Some((copy, None)));
    }
    let encode = match stream.kind {
        StreamKind::Sound => {
            let channels = stream
                .caps
                .structure(0)
                .and_then(|s| s.get::<i32>("channels").ok());
            let lossless = is_lossless(stream);
            bin(&format!(
                "{QUEUE} ! audioconvert ! audioresample ! {}",
                container.sound_encoder(channels.unwrap_or(2), lossless)
            ))?
        }
        StreamKind::Subtitles if subtitles::has_markup(&stream.caps) => {
            let Some(plain) = subtitles::without_markup(mux, container)? else {
                return Ok(None);
            };
            pipeline.add(&plain)?;
            link_to_muxer(&plain, mux, container, stream.kind)?;
            return Ok(Some((plain, None)));
        }
        _ => return Ok(None),
    };
    pipeline.add(&encode)?;
    link_to_muxer(&encode, mux, container, stream.kind)?;
    let decode = gst::ElementFactory::make("decodebin").build()?;
    let entry = decoded_into(pipeline, decode, &encode)?;
    let note = format!("{} is re-encoded", name(stream));
    Ok(Some((entry, Some(note))))
}

/// Returns the parser in front of the muxer where the stream can be copied.
fn copied(stream: &Stream, mux: &gst::Element, container: Container) -> Option<&'static str> {
    let accepted = accepted(mux, container, stream.kind)?;
    let stored = stream.caps.structure(0)?;
    if stored.name() == "audio/mpeg" && stored.get::<i32>("mpegversion").is_ok_and(|v| v != 1) {
        // The parser converts between the framings of AAC.
        let mut any = stream.caps.clone();
        if let Some(structure) = any.make_mut().structure_mut(0) {
            structure.remove_fields(["stream-format", "codec_data", "framed"]);
        }
        return accepted.can_intersect(&any).then_some("! aacparse");
    }
    accepted.can_intersect(&stream.caps).then_some("")
}

/// Returns whether sound is stored without loss.
fn is_lossless(stream: &Stream) -> bool {
    let name = stream.caps.structure(0).map(|s| s.name().as_str());
    let lossless = ["audio/x-raw", "audio/x-flac", "audio/x-alac", "audio/x-tta"];
    name.is_some_and(|name| lossless.contains(&name))
}
