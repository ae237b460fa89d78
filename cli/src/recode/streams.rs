//! The streams beside the pictures: as they are where the container takes them, encoded anew
//! where it takes another form, else left out.

use gst::{glib::BoolError, prelude::*};

use super::{
    Container, RecodeError,
    source::{Kind, Stream},
    subtitles,
};

/// Streams wait for the pictures that the element holds.
pub const QUEUE: &str = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0";

/// A part of a pipeline with a pad at each end.
pub fn bin(description: &str) -> Result<gst::Element, RecodeError> {
    let bin = gst::parse::bin_from_description(description, true)?;
    Ok(bin.upcast())
}

/// A decoder whose one stream goes into `next`.
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
                ("{caps} cannot be passed on: {error}")
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
    kind: Kind,
) -> Result<(), BoolError> {
    branch.link_pads(Some("src"), mux, Some(pad_name(container, kind)))
}

fn pad_name(container: Container, kind: Kind) -> &'static str {
    match (container, kind) {
        (Container::MpegTs, _) => "sink_%d",
        (_, Kind::Video) => "video_%u",
        (_, Kind::Sound) => "audio_%u",
        (_, _) => "subtitle_%u",
    }
}

/// What a stream is called in a message.
pub fn name(stream: &Stream) -> String {
    let kind = match stream.kind {
        Kind::Video => "another video stream",
        Kind::Sound => "a sound stream",
        Kind::Subtitles => "a stream of subtitles",
        Kind::Other => "a stream of data",
    };
    format!("{kind} ({})", stream.codec())
}

/// The element that takes a stream, which ends in the muxer, and what is to be told about it;
/// `None` where the stream stays out.
pub fn branch(
    pipeline: &gst::Pipeline,
    stream: &Stream,
    mux: &gst::Element,
    container: Container,
) -> Result<Option<(gst::Element, Option<String>)>, RecodeError> {
    if let Some(parser) = as_it_is(stream, mux, container) {
        let copy = bin(&format!("{QUEUE} {parser}"))?;
        pipeline.add(&copy)?;
        link_to_muxer(&copy, mux, container, stream.kind)?;
        return Ok(Some((copy, None)));
    }
    let encode = match stream.kind {
        Kind::Sound => {
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
        Kind::Subtitles if subtitles::has_markup(&stream.caps) => {
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
    let note = format!("{} is encoded anew", name(stream));
    Ok(Some((entry, Some(note))))
}

/// What stands before the muxer where that takes the stream without encoding it anew.
fn as_it_is(stream: &Stream, mux: &gst::Element, container: Container) -> Option<&'static str> {
    let accepted = accepted(mux, container, stream.kind)?;
    let stored = stream.caps.structure(0)?;
    if stored.name() == "audio/mpeg" && stored.get::<i32>("mpegversion").is_ok_and(|v| v != 1) {
        // The parser turns one framing of AAC into the other.
        let mut any = stream.caps.clone();
        if let Some(structure) = any.make_mut().structure_mut(0) {
            structure.remove_fields(["stream-format", "codec_data", "framed"]);
        }
        return accepted.can_intersect(&any).then_some("! aacparse");
    }
    accepted.can_intersect(&stream.caps).then_some("")
}

/// What the muxer takes of a kind of streams; `None` where it has no pads for it.
pub fn accepted(mux: &gst::Element, container: Container, kind: Kind) -> Option<gst::Caps> {
    if !matches!(kind, Kind::Sound | Kind::Subtitles) {
        return None;
    }
    let name = pad_name(container, kind);
    let templates = mux.factory()?.static_pad_templates();
    let template = templates
        .iter()
        .find(|template| template.name_template() == name)?;
    Some(template.caps())
}

/// Whether sound is stored as it was sampled.
fn is_lossless(stream: &Stream) -> bool {
    let name = stream.caps.structure(0).map(|s| s.name().as_str());
    let lossless = ["audio/x-raw", "audio/x-flac", "audio/x-alac", "audio/x-tta"];
    name.is_some_and(|name| lossless.contains(&name))
}
