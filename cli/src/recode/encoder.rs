//! The choice of the encoder and its pixel format: those that lose least.

use std::cmp::Reverse;

use gst_video::{VideoFormat, VideoFormatInfo, VideoInfo};

use super::{Container, RecodeError, Source};

/// What the user says about the encoder; as the source is by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {}

/// An encoder with its pixel format.
#[derive(Debug)]
pub struct Encoder {
    pub name: &'static str,
    pub format: VideoFormat,
    /// The features of the source's format that this one lacks.
    pub lost: Vec<&'static str>,
}

/// Returns the encoder with settings of high quality, the parser that a muxer needs, and the media
/// type of the codec.
fn settings_of(name: &str) -> (&'static str, &'static str, &'static str) {
    match name {
        // The muxer loses the last frames of a stream with B-frames and a variable frame rate.
        "x264enc" => (
            "x264enc pass=qual quantizer=16 option-string=bframes=0",
            "h264parse",
            "video/x-h264",
        ),
        "x265enc" => (
            "x265enc option-string=crf=16:bframes=0:log-level=none",
            "h265parse",
            "video/x-h265",
        ),
        // With lag both encoders drop frames.
        "vp9enc" => (
            "vp9enc end-usage=cq cq-level=18 target-bitrate=50000000 lag-in-frames=0 cpu-used=4 \
             row-mt=true",
            "vp9parse",
            "video/x-vp9",
        ),
        "vp8enc" => (
            "vp8enc end-usage=cq cq-level=10 target-bitrate=50000000 lag-in-frames=0 cpu-used=4 \
             deadline=1000000",
            "identity",
            "video/x-vp8",
        ),
        "avenc_ffv1" => ("avenc_ffv1", "identity", "video/x-ffv"),
        _ => ("avenc_prores_ks", "identity", "video/x-prores"),
    }
}

impl Encoder {
    /// Chooses the encoder for the frames of `source` in a `container`.
    ///
    /// # Errors
    /// No encoder of the container is installed and takes the frame size.
    pub fn choose(source: &Source, container: Container) -> Result<Self, RecodeError> {
        let info = VideoInfo::from_caps(&source.decoded)?;
        let from = info.format_info();
        let deep = from.depth().iter().any(|&depth| depth > 8);
        let coded = source.video.caps.structure(0).map(|s| s.name().as_str());
        let structure = source.decoded.structure(0);
        let mastered = structure.is_some_and(|caps| {
            caps.has_field("mastering-display-info") || caps.has_field("content-light-level")
        });
        let names = container.video_encoders();
        let (from, info) = (&from, &info);
        let candidates = names.iter().enumerate().flat_map(|(rank, &name)| {
            let (_, _, codec) = settings_of(name);
            let other_codec = coded != Some(codec);
            // Few players play H.264 of more than 8 bits, and its encoder writes no mastering
            // metadata.
            let unusual = (deep || mastered) && name == "x264enc";
            let metadata = u32::from(mastered && name == "x264enc") * METADATA;
            formats(name).into_iter().filter_map(move |format| {
                let to = VideoFormatInfo::from_format(format);
                takes(name, &to, info).then(|| {
                    let (loss, gain) = (loss(from, &to), gain(from, &to));
                    let key = (loss + metadata, other_codec, unusual, rank, gain);
                    (key, name, format)
                })
            })
        });
        let best = candidates.min_by_key(|(key, ..)| *key);
        let (_, name, format) = best.ok_or(RecodeError::NoEncoder(names.join(", ")))?;
        Ok(Self {
            name,
            format,
            lost: lost(from, &VideoFormatInfo::from_format(format)),
        })
    }

    /// Returns the parser that a muxer needs, as a description for gst-launch-1.0.
    pub fn parser(&self) -> &'static str {
        settings_of(self.name).1
    }

    /// Returns the encoder and its parser as a description for gst-launch-1.0.
    pub fn description(&self, source: &Source) -> String {
        let (settings, parser, _) = settings_of(self.name);
        match self.name {
            "avenc_prores_ks" => format!("{settings} profile={}", prores(source)),
            _ => format!("{settings} ! {parser}"),
        }
    }
}

/// Returns the profile number of a ProRes source; for another source the profile for its format.
fn prores(source: &Source) -> u8 {
    let structure = source.video.caps.structure(0);
    match structure.and_then(|s| s.get::<&str>("variant").ok()) {
        Some("proxy") => 0,
        Some("lt") => 1,
        Some("standard") => 2,
        Some("hq") => 3,
        Some("4444xq") => 5,
        Some(_) => 4,
        None => {
            let info = VideoInfo::from_caps(&source.decoded).ok();
            let full = info.is_some_and(|info| info.format_info().w_sub().iter().all(|&s| s == 0));
            if full { 4 } else { 3 }
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
fn takes(name: &str, to: &VideoFormatInfo, info: &VideoInfo) -> bool {
    let whole =
        |side: u32, shifts: &[u32]| shifts.iter().all(|&shift| side & ((1 << shift) - 1) == 0);
    let least = info.width().min(info.height());
    match name {
        "x265enc" if least < 16 => false,
        "x264enc" | "x265enc" => {
            whole(info.width(), to.w_sub()) && whole(info.height(), to.h_sub())
        }
        _ => true,
    }
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
