//! What can go wrong while a file is written.

use std::{io, path::PathBuf};

use gst::prelude::*;
use thiserror::Error;

use crate::output::OutputError;

/// An error that keeps a file from being written.
#[derive(Debug, Error)]
pub enum RecodeError {
    #[error("{} cannot be read: {source}", file.display())]
    Open { file: PathBuf, source: io::Error },
    #[error(
        "{}: the extension names no container that can be written: use .mp4, .m4v, .mov, .mkv, \
         .webm or .ts", .0.display()
    )]
    Extension(PathBuf),
    #[error("no video frame was decoded; is {} a video?", .0.display())]
    NoVideo(PathBuf),
    #[error(
        "none of the encoders {0} is installed and takes this size; scripts/setup.sh installs them"
    )]
    NoEncoder(String),
    #[error(
        "GStreamer finds no encoder of graphics hardware for this file ({0}): leave out \
         --encoder hardware, or install the plugin of the hardware"
    )]
    NoHardware(String),
    #[error(
        "there is no encoder {0}: name h264, h265, vp8, vp9, av1, ffv1, prores, hardware, or an \
         encoder that gst-inspect-1.0 lists"
    )]
    UnknownEncoder(String),
    #[error(
        "a file with this extension takes no {codec} here: use --encoder {}, or write another file \
         (FFV1: .mkv; ProRes: .mov)", others.join(", ")
    )]
    CodecInContainer {
        codec: &'static str,
        others: Vec<&'static str>,
    },
    #[error("{0} has no quality to choose: leave out --quality")]
    NoQuality(&'static str),
    #[error("{0}: the file system is full: free some space, or name an output elsewhere")]
    NoSpace(String),
    #[error("{element}: {message}")]
    Stream { element: String, message: String },
    #[error("GStreamer: {0} (scripts/setup.sh installs the packages that are needed)")]
    Setup(#[from] gst::glib::Error),
    #[error("GStreamer: {0} (scripts/setup.sh installs the packages that are needed)")]
    Pipeline(#[from] gst::glib::BoolError),
    #[error("GStreamer: {0}")]
    State(#[from] gst::StateChangeError),
    #[error("orientation, chapters and tags cannot be stored: {0}")]
    Complete(io::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl RecodeError {
    /// Returns the error that a message on the bus reports. It names the outermost bin that the
    /// element is in, which [`super::named`] names after its file.
    pub fn of_message(error: &gst::message::Error) -> Self {
        let parents = std::iter::successors(error.src().cloned(), gst::Object::parent);
        let inner = parents.take_while(|object| !object.is::<gst::Pipeline>());
        Self::Stream {
            element: inner
                .last()
                .map_or_else(String::new, |bin| bin.name().to_string()),
            message: error.error().to_string(),
        }
    }
}
