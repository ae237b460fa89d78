//! The other streams of a file: copied where the container takes them, re-encoded where it takes
//! another codec, else left out.

use gst::{glib::BoolError, prelude::*};

use super::{
    Container, RecodeError,
    source::{Stream, StreamKind},
    subtitles,
};

/// A queue without limits: these streams wait for the frames that the element holds.
pub const QUEUE: &str = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0";

/// Builds a part of a pipeline with a pad at each end.
pub fn bin(description: &str) -> Result<gst::Element, RecodeError> {
    let bin = gst::parse::bin_from_description(description, true)?;
    Ok(bin.upcast())
}

/// Adds a decoder whose stream goes into `next`.
pub fn decoded_into(
    pipeline: &gst::Pipeline,
    next: &gst::Element,
) -> Result<gst::Element, BoolError> {
    let decode = gst::ElementFactory::make("decodebin").build()?;
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

/// Links a branch's end to the muxer.
pub fn link_to_muxer(
    branch: &gst::Element,
    mux: &gst::Element,
    container: Container,
    kind: StreamKind,
) -> Result<(), BoolError> {
    branch.link_pads(Some("src"), mux, Some(pad_name(container, kind)))
}

fn pad_name(container: Container, kind: StreamKind) -> &'static str {
    match (container, kind) {
        (Container::MpegTs, _) => "sink_%d",
        (_, StreamKind::Video) => "video_%u",
        (_, StreamKind::Sound) => "audio_%u",
        (_, _) => "subtitle_%u",
    }
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
    let entry = decoded_into(pipeline, &encode)?;
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

/// Returns whether sound is stored without loss.
fn is_lossless(stream: &Stream) -> bool {
    let name = stream.caps.structure(0).map(|s| s.name().as_str());
    let lossless = ["audio/x-raw", "audio/x-flac", "audio/x-alac", "audio/x-tta"];
    name.is_some_and(|name| lossless.contains(&name))
}
