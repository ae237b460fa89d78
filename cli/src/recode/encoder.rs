//! Which encoder writes the pictures, and in which pixel format: the one that loses least.

use std::cmp::Reverse;

use gst_video::{VideoFormat, VideoFormatInfo, VideoInfo};

use super::{Container, RecodeError, Source};

/// An encoder, what it is fed, and what is lost by that.
#[derive(Debug)]
pub struct Encoder {
    pub name: &'static str,
    pub format: VideoFormat,
    /// What the pictures' format has and this one has not.
    pub lost: Vec<&'static str>,
}

/// Settings that keep pictures as they look, the parser that a muxer wants, and the codec that it
/// writes.
fn known(name: &str) -> (&'static str, &'static str, &'static str) {
    match name {
        // The muxer cuts the last frames of a stream whose order changes and whose rate varies:
        // no frame refers to a later one.
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
        // With frames of lag both leave some out.
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
    /// Chooses for the pictures of `source` in a `container`.
    ///
    /// # Errors
    /// No encoder is installed that the container takes.
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
            let (_, _, codec) = known(name);
            let other_codec = coded != Some(codec);
            // H.264 of more than 8 bits is little played, and its encoder here writes no
            // mastering metadata.
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

    /// The encoder and its parser, in gst-launch's words.
    pub fn description(&self, source: &Source) -> String {
        let (settings, parser, _) = known(self.name);
        match self.name {
            "avenc_prores_ks" => format!("{settings} profile={}", prores(source)),
            _ => format!("{settings} ! {parser}"),
        }
    }
}

/// The number of the profile that a ProRes source has, or the one for its format.
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

/// The raw formats that an encoder takes; none where it is not installed.
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

/// Whether an encoder takes pictures of this size: H.264's and H.265's here want whole chroma
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

/// Weights of what a conversion loses, each more than all below.
const COLOUR: u32 = 1 << 20;
const ALPHA: u32 = 1 << 18;
const BIT: u32 = 1 << 12;
const CHROMA: u32 = 1 << 8;
const METADATA: u32 = 1 << 6;
const MATRIX: u32 = 1 << 4;

fn depth(format: &VideoFormatInfo) -> u32 {
    format.depth().iter().copied().max().unwrap_or_default()
}

/// Columns and rows, as powers of two, that share a chroma sample.
fn subsampling(format: &VideoFormatInfo) -> (u32, u32) {
    let most = |shifts: &[u32]| shifts.iter().copied().max().unwrap_or_default();
    (most(format.w_sub()), most(format.h_sub()))
}

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

/// What a format has in excess; planes like the source's come first.
fn gain(from: &VideoFormatInfo, to: &VideoFormatInfo) -> (u32, Reverse<bool>) {
    let (a, b) = (subsampling(from), subsampling(to));
    let chroma = a.0.saturating_sub(b.0) + a.1.saturating_sub(b.1);
    let alpha = u32::from(to.has_alpha() && !from.has_alpha());
    let excess = 16 * alpha + 4 * depth(to).saturating_sub(depth(from)) + chroma;
    (excess, Reverse(from.format() == to.format()))
}

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
        .map(|(_, what)| what)
        .collect()
}
