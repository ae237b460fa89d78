//! A clip, what is made of it, and what can go wrong.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{
    output::{Existing, OutputError},
    recode::{Encoding, Part, RecodeError},
    y4m::Y4mError,
};

use super::{
    expand::ExpandError,
    images::{ImageError, options::FrameOptions},
    mask::{MaskError, MaskSource},
    settings::{ElementSettings, SettingsError},
    space::NoSpace,
};

/// A clip, and what is made of it.
#[derive(Clone, Debug)]
pub struct ClipJob {
    /// A video; a folder of images or numbered images; `-` for Y4M on the standard input.
    pub input: PathBuf,
    pub mask: MaskSource,
    /// A video; a folder if `frames` say so; `-` for Y4M on the standard output.
    pub output: PathBuf,
    pub settings: ElementSettings,
    pub encoding: Encoding,
    pub existing: Existing,
    /// What is known of frames that are in no video file.
    pub frames: FrameOptions,
    /// The part of the clip that is written, without sound; `None` for all of it.
    pub part: Option<Part>,
}

impl ClipJob {
    /// Returns the number of the frame that the element gets first.
    pub(super) fn first(&self) -> u64 {
        let part = self.part.as_ref();
        part.map_or(0, |part| part.segment.read.start as u64)
    }
}

/// An error that keeps a clip from being written.
#[derive(Debug, Error)]
pub enum RunError {
    #[error(transparent)]
    Recode(#[from] RecodeError),
    #[error(transparent)]
    Mask(#[from] MaskError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Expand(#[from] ExpandError),
    #[error(transparent)]
    Y4m(#[from] Y4mError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error("the Y4M cannot be written: {0}")]
    Pipe(io::Error),
    #[error(transparent)]
    Space(#[from] NoSpace),
    #[error("GStreamer: {0} (scripts/setup.sh installs the packages that are needed)")]
    Setup(#[from] gst::glib::Error),
    #[error("GStreamer: {0}")]
    Element(#[from] gst::glib::BoolError),
}

impl From<OutputError> for RunError {
    fn from(error: OutputError) -> Self {
        Self::Recode(error.into())
    }
}

/// Returns a new element with its properties set.
///
/// # Errors
/// GStreamer lacks something, or the element does not take a setting.
pub fn new_element(settings: &ElementSettings) -> Result<gst::Element, RunError> {
    gst::init()?;
    propainter_elements::plugin_register_static()?;
    let element = gst::ElementFactory::make("propainter");
    let element = element.name("propainter").build()?;
    settings.apply(&element)?;
    Ok(element)
}
