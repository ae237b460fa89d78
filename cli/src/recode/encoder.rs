//! The choice of the encoder and its pixel format: those that lose least.

use std::cmp::Reverse;

use clap::Args;
use gst_video::{VideoFormat, VideoFormatInfo, VideoInfo};

use super::{
    Container, RecodeError, Source,
    codecs::{CODECS, Codec, FFV1, H264, H265},
};

/// What the user says about the encoder; by default the codec is that of the source.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Encoding")]
pub struct Encoding {
    /// Encoder: h264, h265, vp8, vp9, av1, ffv1 or prores, a GStreamer element, or `hardware` for
    /// one of the graphics hardware [default: the codec of the input]
    #[arg(long, value_name = "NAME")]
    pub encoder: Option<String>,
    /// Quality, 1 to 100 [default: a loss that is hard to see]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: Option<u8>,
    /// Lose nothing: FFV1, for .mkv
    #[arg(long, conflicts_with_all = ["encoder", "quality"])]
    pub lossless: bool,
}

/// An encoder with its pixel format.
#[derive(Debug)]
pub struct Encoder {
    /// Name of the element.
    pub name: String,
    pub codec: &'static Codec,
    pub format: VideoFormat,
    /// The features of the source's format that this one lacks.
    pub lost: Vec<&'static str>,
}

/// The word for `--encoder` that stands for any encoder of graphics hardware.
const HARDWARE: &str = "hardware";

impl Encoding {
    /// Returns whether nothing is to be lost.
    pub fn is_lossless(&self) -> bool {
        self.lossless || self.encoder.as_deref() == Some(FFV1.name)
    }

    /// Returns the encoders to choose from, the preferred one first.
    ///
    /// # Errors
    /// No encoder has the name that is asked for, or the container does not take its codec.
    fn candidates(&self, container: Container) -> Result<Vec<(&'static Codec, &str)>, RecodeError> {
        let taken = container.video_codecs();
        let named = |names: &'static [&'static str], codec: &'static Codec| {
            names.iter().map(move |&name| (codec, name))
        };
        let asked = match self.encoder.as_deref() {
            None if self.lossless => Some(FFV1.name),
            asked => asked,
        };
        let Some(asked) = asked else {
            let all = taken.iter().flat_map(|codec| named(codec.software, codec));
            return Ok(all.collect());
        };
        if asked == HARDWARE {
            let all = taken.iter().flat_map(|codec| named(codec.hardware, codec));
            return Ok(all.collect());
        }
        let by_name = CODECS.iter().find(|codec| codec.name == asked);
        let (codec, encoders) = match by_name {
            Some(codec) => (*codec, named(codec.software, codec).collect()),
            None => {
                let codec = codec_of(asked);
                let codec = codec.ok_or_else(|| RecodeError::UnknownEncoder(asked.to_owned()))?;
                (codec, vec![(codec, asked)])
            }
        };
        match container.takes(codec) {
            true => Ok(encoders),
            false => Err(RecodeError::CodecInContainer {
                codec: codec.title,
                others: taken.iter().map(|codec| codec.name).collect(),
            }),
        }
    }
}

/// Returns the codec that an element encodes to; `None` where it is not installed or no encoder of
/// a known codec.
fn codec_of(element: &str) -> Option<&'static Codec> {
    let factory = gst::ElementFactory::find(element)?;
    let encodes = factory.has_type(gst::ElementFactoryType::VIDEO_ENCODER);
    let templates = factory.static_pad_templates();
    let mut sources = templates
        .iter()
        .filter(|template| template.direction() == gst::PadDirection::Src);
    let caps = sources.next().filter(|_| encodes)?.caps();
    let media = caps.structure(0)?.name().as_str();
    CODECS.into_iter().find(|codec| codec.media == media)
}

impl Encoder {
    /// Chooses the encoder for the frames of `source` in a `container`.
    ///
    /// # Errors
    /// The encoder that is asked for is not installed or does not fit the container, or none of the
    /// encoders takes the frame size.
    pub fn choose(
        source: &Source,
        container: Container,
        encoding: &Encoding,
    ) -> Result<Self, RecodeError> {
        let info = VideoInfo::from_caps(&source.decoded)?;
        let from = info.format_info();
        let deep = from.depth().iter().any(|&depth| depth > 8);
        let coded = source.video.caps.structure(0).map(|s| s.name().as_str());
        let structure = source.decoded.structure(0);
        let mastered = structure.is_some_and(|caps| {
            caps.has_field("mastering-display-info") || caps.has_field("content-light-level")
        });
        let candidates = encoding.candidates(container)?;
        let names: Vec<_> = candidates.iter().map(|(_, name)| *name).collect();
        let names = names.join(", ");
        let (from, info) = (&from, &info);
        let candidates = candidates.into_iter().enumerate();
        let candidates = candidates.flat_map(|(rank, (codec, name))| {
            let other_codec = coded != Some(codec.media);
            // Few players play H.264 of more than 8 bits, and its encoder writes no mastering
            // metadata.
            let unusual = (deep || mastered) && *codec == H264;
            let metadata = u32::from(mastered && *codec == H264) * METADATA;
            formats(name).into_iter().filter_map(move |format| {
                let to = VideoFormatInfo::from_format(format);
                takes(codec, &to, info).then(|| {
                    let (loss, gain) = (loss(from, &to), gain(from, &to));
                    let key = (loss + metadata, other_codec, unusual, rank, gain);
                    (key, codec, name, format)
                })
            })
        });
        let best = candidates.min_by_key(|(key, ..)| *key);
        let (_, codec, name, format) = best.ok_or(match encoding.encoder.as_deref() {
            Some(HARDWARE) => RecodeError::NoHardware(names),
            _ => RecodeError::NoEncoder(names),
        })?;
        if encoding.quality.is_some() && !codec.has_quality() {
            return Err(RecodeError::NoQuality(codec.title));
        }
        Ok(Self {
            name: name.to_owned(),
            codec,
            format,
            lost: lost(from, &VideoFormatInfo::from_format(format)),
        })
    }

    /// Returns the encoder and its parser as a description for gst-launch-1.0.
    pub fn description(&self, source: &Source, encoding: &Encoding) -> String {
        let encoder = self.codec.encoder(&self.name, encoding.quality, source);
        format!("{encoder} ! {}", self.codec.parser)
    }
}

impl Source {
    /// Returns the profile number of a ProRes source; for another source the profile for its
    /// format.
    pub fn prores_profile(&self) -> u8 {
        let structure = self.video.caps.structure(0);
        match structure.and_then(|s| s.get::<&str>("variant").ok()) {
            Some("proxy") => 0,
            Some("lt") => 1,
            Some("standard") => 2,
            Some("hq") => 3,
            Some("4444xq") => 5,
            Some(_) => 4,
            None => {
                let info = VideoInfo::from_caps(&self.decoded).ok();
                let full =
                    info.is_some_and(|info| info.format_info().w_sub().iter().all(|&s| s == 0));
                if full { 4 } else { 3 }
            }
        }
    }
}

/// Returns the raw formats that an encoder takes; none where it is not installed.
fn formats(name: &str) -> Vec<VideoFormat> {
    let Some(factory) = gst::ElementFactory::find(name) else {
        return Vec::new();
    };
    let mut formats = Vec::new();
    let templates = factory.static_pad_templates();
    let sinks = templates.iter();
    for template in sinks.filter(|t| t.direction() == gst::PadDirection::Sink) {
        for structure in template.caps().iter() {
            let Ok(value) = structure.value("format") else {
                continue;
            };
            if let Ok(list) = value.get::<gst::List>() {
                let names = list.iter().filter_map(|name| name.get::<String>().ok());
                formats.extend(names.map(|name| VideoFormat::from_string(&name)));
            } else if let Ok(name) = value.get::<String>() {
                formats.push(VideoFormat::from_string(&name));
            }
        }
    }
    formats
}

/// Returns whether an encoder takes frames of this size: those of H.264 and H.265 need whole chroma
/// samples.
fn takes(codec: &Codec, to: &VideoFormatInfo, info: &VideoInfo) -> bool {
    let whole =
        |side: u32, shifts: &[u32]| shifts.iter().all(|&shift| side & ((1 << shift) - 1) == 0);
    let least = info.width().min(info.height());
    if *codec != H264 && *codec != H265 {
        return true;
    }
    let whole = whole(info.width(), to.w_sub()) && whole(info.height(), to.h_sub());
    whole && (*codec != H265 || least >= 16)
}

/// Weights of the losses of a conversion; each exceeds the sum of all below.
const COLOUR: u32 = 1 << 20;
const ALPHA: u32 = 1 << 18;
const BIT: u32 = 1 << 12;
const CHROMA: u32 = 1 << 8;
const METADATA: u32 = 1 << 6;
const MATRIX: u32 = 1 << 4;

/// Returns the bits per component.
fn depth(format: &VideoFormatInfo) -> u32 {
    format.depth().iter().copied().max().unwrap_or_default()
}

/// Returns the base-2 logarithms of the columns and rows that share a chroma sample.
fn subsampling(format: &VideoFormatInfo) -> (u32, u32) {
    let most = |shifts: &[u32]| shifts.iter().copied().max().unwrap_or_default();
    (most(format.w_sub()), most(format.h_sub()))
}

/// Returns the weighted loss of a conversion; 0 where nothing is lost.
fn loss(from: &VideoFormatInfo, to: &VideoFormatInfo) -> u32 {
    let (a, b) = (subsampling(from), subsampling(to));
    let chroma = match from.is_gray() {
        true => 0,
        false => b.0.saturating_sub(a.0) + b.1.saturating_sub(a.1),
    };
    COLOUR * u32::from(to.is_gray() && !from.is_gray())
        + ALPHA * u32::from(from.has_alpha() && !to.has_alpha())
        + BIT * depth(from).saturating_sub(depth(to))
        + CHROMA * chroma
        + MATRIX * u32::from(from.is_rgb() != to.is_rgb())
}

/// Returns what a format has in excess, as a sort key; the source's own format comes first.
fn gain(from: &VideoFormatInfo, to: &VideoFormatInfo) -> (u32, Reverse<bool>) {
    let (a, b) = (subsampling(from), subsampling(to));
    let chroma = a.0.saturating_sub(b.0) + a.1.saturating_sub(b.1);
    let alpha = u32::from(to.has_alpha() && !from.has_alpha());
    let excess = 16 * alpha + 4 * depth(to).saturating_sub(depth(from)) + chroma;
    (excess, Reverse(from.format() == to.format()))
}

/// Returns the names of the features that a conversion loses.
fn lost(from: &VideoFormatInfo, to: &VideoFormatInfo) -> Vec<&'static str> {
    let (a, b) = (subsampling(from), subsampling(to));
    let all = [
        (to.is_gray() && !from.is_gray(), "colour"),
        (from.has_alpha() && !to.has_alpha(), "transparency"),
        (depth(from) > depth(to), "bits"),
        (
            !from.is_gray() && (b.0 > a.0 || b.1 > a.1),
            "chroma samples",
        ),
        (from.is_rgb() && !to.is_rgb(), "RGB"),
    ];
    all.into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, name)| name)
        .collect()
}
