//! The video codecs that can be written, and the settings of their encoders.

use gst::prelude::*;

use super::Source;

/// A video codec that can be written.
#[derive(Debug, PartialEq, Eq)]
pub struct Codec {
    /// Name for `--encoder`.
    pub name: &'static str,
    /// Name for messages.
    pub title: &'static str,
    pub media: &'static str,
    /// The element between encoder and muxer.
    pub parser: &'static str,
    /// Encoders that compute on the CPU, the preferred one first.
    pub software: &'static [&'static str],
    /// Encoders of graphics hardware. Their plugins register only those that the hardware has.
    pub hardware: &'static [&'static str],
}

pub const H264: Codec = Codec {
    name: "h264",
    title: "H.264",
    media: "video/x-h264",
    parser: "h264parse",
    software: &["x264enc"],
    hardware: &[
        "nvh264enc",
        "vah264enc",
        "vah264lpenc",
        "qsvh264enc",
        "vaapih264enc",
        "v4l2h264enc",
    ],
};
pub const H265: Codec = Codec {
    name: "h265",
    title: "H.265",
    media: "video/x-h265",
    parser: "h265parse",
    software: &["x265enc"],
    hardware: &[
        "nvh265enc",
        "vah265enc",
        "vah265lpenc",
        "qsvh265enc",
        "vaapih265enc",
        "v4l2h265enc",
    ],
};
pub const VP8: Codec = Codec {
    name: "vp8",
    title: "VP8",
    media: "video/x-vp8",
    parser: "identity",
    software: &["vp8enc"],
    hardware: &["vaapivp8enc", "v4l2vp8enc"],
};
pub const VP9: Codec = Codec {
    name: "vp9",
    title: "VP9",
    media: "video/x-vp9",
    parser: "vp9parse",
    software: &["vp9enc"],
    hardware: &["vavp9enc", "qsvvp9enc", "vaapivp9enc"],
};
pub const AV1: Codec = Codec {
    name: "av1",
    title: "AV1",
    media: "video/x-av1",
    parser: "av1parse",
    software: &["av1enc"],
    hardware: &["nvav1enc", "vaav1enc", "qsvav1enc"],
};
pub const FFV1: Codec = Codec {
    name: "ffv1",
    title: "FFV1",
    media: "video/x-ffv",
    parser: "identity",
    software: &["avenc_ffv1"],
    hardware: &[],
};
pub const PRORES: Codec = Codec {
    name: "prores",
    title: "ProRes",
    media: "video/x-prores",
    parser: "identity",
    software: &["avenc_prores_ks"],
    hardware: &[],
};

/// All codecs that can be written.
pub const CODECS: [&Codec; 7] = [&H264, &H265, &VP8, &VP9, &AV1, &FFV1, &PRORES];

/// The quality of each encoder where none is asked for, as its own number, and the largest number,
/// which stands for the worst quality.
fn quantizer(codec: &Codec) -> Option<(u32, u32)> {
    match codec.name {
        "h264" | "h265" => Some((16, 51)),
        "vp8" => Some((8, 63)),
        "vp9" => Some((13, 63)),
        "av1" => Some((20, 63)),
        _ => None,
    }
}

impl Codec {
    /// Returns whether the encoders have a quality to choose.
    pub fn has_quality(&self) -> bool {
        quantizer(self).is_some()
    }

    /// Returns an encoder with its settings as a description for gst-launch-1.0. `quality` goes
    /// from 1 to 100; without it, the loss is hard to see.
    pub fn encoder(&self, element: &str, quality: Option<u8>, source: &Source) -> String {
        let (usual, worst) = quantizer(self).unwrap_or_default();
        let q = quality.map_or(usual, |quality| {
            (u32::from(100 - quality.min(100)) * worst + 50) / 100
        });
        match element {
            // The muxer loses the last frames of a stream with B-frames and a variable frame rate.
            "x264enc" => format!("x264enc pass=qual quantizer={q} option-string=bframes=0"),
            "x265enc" => {
                format!("x265enc option-string=crf={q}:bframes=0:log-level=none")
            }
            // With lag these encoders drop frames.
            "vp9enc" => format!(
                "vp9enc min-quantizer={q} max-quantizer={q} target-bitrate=50000000 \
                 lag-in-frames=0 cpu-used=4 row-mt=true"
            ),
            "vp8enc" => format!(
                "vp8enc min-quantizer={q} max-quantizer={q} target-bitrate=50000000 \
                 lag-in-frames=0 cpu-used=4 deadline=1000000"
            ),
            "av1enc" => format!(
                "av1enc end-usage=vbr min-quantizer={} max-quantizer={q} target-bitrate=500000 \
                 lag-in-frames=0 cpu-used=6",
                q / 2
            ),
            "avenc_prores_ks" => format!("avenc_prores_ks profile={}", source.prores_profile()),
            other => other.to_owned() + &hardware_settings(other, q),
        }
    }
}

/// Returns the settings of an encoder of graphics hardware: constant quality and no B-frames, by
/// those of their many names that it knows.
fn hardware_settings(element: &str, q: u32) -> String {
    let Ok(element) = gst::ElementFactory::make(element).build() else {
        return String::new();
    };
    let q = q.to_string();
    let wanted: [(&str, &str); 12] = [
        ("rate-control", "cqp"),
        ("rc-mode", "constqp"),
        ("qp-const", &q),
        ("qpi", &q),
        ("qpp", &q),
        ("qp-i", &q),
        ("qp-p", &q),
        ("init-qp", &q),
        ("quantizer", &q),
        ("b-frames", "0"),
        ("bframes", "0"),
        ("max-bframes", "0"),
    ];
    let known = wanted.iter().filter(|(name, value)| {
        element.find_property(name).is_some_and(|property| {
            gst::glib::Value::deserialize_with_pspec(value, &property).is_ok()
        })
    });
    known
        .map(|(name, value)| format!(" {name}={value}"))
        .collect()
}
