//! The containers that can be written, by the extension of the file.

use std::path::Path;

use super::{
    RecodeError,
    codecs::{AV1, Codec, FFV1, H264, H265, PRORES, VP8, VP9},
};

/// A container that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Mp4,
    Mov,
    Matroska,
    Webm,
    MpegTs,
}

impl Container {
    /// Returns the container that the extension of `file` names.
    ///
    /// # Errors
    /// The extension names none.
    pub fn of(file: &Path) -> Result<Self, RecodeError> {
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        match extension.to_lowercase().as_str() {
            "mp4" | "m4v" => Ok(Self::Mp4),
            "mov" | "qt" => Ok(Self::Mov),
            "mkv" => Ok(Self::Matroska),
            "webm" => Ok(Self::Webm),
            "ts" | "mts" => Ok(Self::MpegTs),
            _ => Err(RecodeError::Extension(file.to_owned())),
        }
    }

    /// Returns the name of the muxer.
    pub fn muxer(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4mux",
            Self::Mov => "qtmux",
            Self::Matroska => "matroskamux",
            Self::Webm => "webmmux",
            Self::MpegTs => "mpegtsmux",
        }
    }

    /// Returns the video codecs, the one for ordinary files first.
    pub fn video_codecs(self) -> &'static [&'static Codec] {
        match self {
            Self::Mp4 => &[&H264, &H265, &AV1],
            Self::MpegTs => &[&H264, &H265],
            Self::Mov => &[&H264, &H265, &PRORES],
            Self::Matroska => &[&H264, &H265, &VP9, &FFV1, &VP8, &AV1],
            Self::Webm => &[&VP9, &VP8, &AV1],
        }
    }

    /// Returns whether a codec can be stored, if perhaps only on request.
    pub fn takes(self, codec: &Codec) -> bool {
        let on_request = self == Self::Matroska && *codec == PRORES;
        on_request || self.video_codecs().contains(&codec)
    }

    /// Returns the encoder for sound that cannot be copied, as a description for gst-launch-1.0.
    pub fn sound_encoder(self, channels: i32, lossless: bool) -> String {
        let bitrate = 96_000 * channels.clamp(1, 8);
        match self {
            Self::Mov if lossless => "audio/x-raw,format=(string){S16LE,S24LE,S32LE}".to_owned(),
            Self::Mp4 | Self::Mov | Self::MpegTs => {
                format!("avenc_aac bitrate={bitrate} ! aacparse")
            }
            Self::Matroska => "flacenc ! flacparse".to_owned(),
            Self::Webm => format!("opusenc bitrate={}", bitrate.min(510_000)),
        }
    }

    /// Returns whether the file stores the orientation, which [`super::metadata::orientation`] writes.
    pub fn stores_orientation(self) -> bool {
        matches!(self, Self::Mp4 | Self::Mov)
    }

    /// Returns whether the file stores chapters: those of MP4 are written by [`super::chapters`].
    pub fn stores_chapters(self) -> bool {
        self != Self::MpegTs
    }
}
