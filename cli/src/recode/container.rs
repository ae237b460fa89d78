//! Containers, by the extension of the file to write.

use std::path::Path;

use super::RecodeError;

/// A kind of file that a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Mp4,
    Mov,
    Matroska,
    Webm,
    MpegTs,
}

impl Container {
    /// The container that `file`'s extension names.
    ///
    /// # Errors
    /// An extension that names none.
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

    /// The element that writes it.
    pub fn muxer(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4mux",
            Self::Mov => "qtmux",
            Self::Matroska => "matroskamux",
            Self::Webm => "webmmux",
            Self::MpegTs => "mpegtsmux",
        }
    }

    /// Elements that encode video for it, the one for ordinary files first.
    pub fn video_encoders(self) -> &'static [&'static str] {
        match self {
            Self::Mp4 | Self::MpegTs => &["x264enc", "x265enc"],
            Self::Mov => &["x264enc", "x265enc", "avenc_prores_ks"],
            Self::Matroska => &["x264enc", "x265enc", "vp9enc", "avenc_ffv1"],
            Self::Webm => &["vp9enc", "vp8enc"],
        }
    }

    /// The encoder for sound that it does not take as it is.
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

    /// Whether the way up of the picture is stored as a tag, which [`super::orientation`] writes.
    pub fn stores_orientation(self) -> bool {
        matches!(self, Self::Mp4 | Self::Mov)
    }

    /// Whether the muxer stores chapters.
    pub fn stores_chapters(self) -> bool {
        matches!(self, Self::Matroska | Self::Webm)
    }
}
