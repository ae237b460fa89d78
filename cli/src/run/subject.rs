//! The options that tell what is removed from a clip, and what is added to it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    RunError,
    expand::{Aspect, Expand, Size},
    mask::{MaskSource, Rectangle},
    settings::ElementSettings,
};

/// Properties that tell what to remove or add without `--mask`.
const MASKS: [&str; 8] = [
    "expand-left",
    "expand-right",
    "expand-top",
    "expand-bottom",
    "mask-location",
    "mask-regions",
    "mask-roi-type",
    "mask-from-alpha",
];

/// Options that tell what is removed, what is added, and how.
#[derive(Debug, Args)]
pub struct Subject {
    /// Mask: an image, a video, a folder of images, or numbered images such as mask%05d.png; white
    /// marks what to remove. For a folder of videos: a folder with a mask for each, named after it
    /// (clip.png, clip.mkv, a folder clip), or one mask for all
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,
    /// Rectangle to remove, in pixels: left edge, upper edge, width and height; several are joined
    #[arg(long, value_name = "X,Y,W,H", conflicts_with = "mask-regions")]
    pub rectangle: Vec<Rectangle>,
    /// Make the picture wider or taller, to this aspect ratio
    #[arg(long, value_name = "W:H", conflicts_with = "expand_to")]
    pub expand: Option<Aspect>,
    /// Make the picture wider and taller, to this size
    #[arg(long, value_name = "WxH")]
    pub expand_to: Option<Size>,
    #[command(flatten)]
    pub properties: ElementSettings,
}

impl Subject {
    /// Returns the properties of the element for a clip.
    ///
    /// # Errors
    /// The clip cannot be read, or is larger than it is to become.
    pub fn settings(&self, clip: &Path) -> Result<ElementSettings, RunError> {
        let mut settings = self.properties.clone();
        let ratio = self.expand.map(|Aspect(w, h)| Expand::Aspect(w, h));
        let size = self.expand_to.map(|Size(w, h)| Expand::Size(w, h));
        if let Some(expand) = ratio.or(size) {
            expand.apply(&mut settings, clip)?;
        }
        if !self.rectangle.is_empty() {
            settings.set("mask-regions", &Rectangle::regions(&self.rectangle))?;
        }
        Ok(settings)
    }

    /// Returns where the masks of a clip come from; `None` if nothing tells what to remove or to add.
    ///
    /// # Errors
    /// The mask cannot be read.
    pub fn masks(&self) -> Result<Option<MaskSource>, RunError> {
        let is_set = |name: &&str| self.properties.get(name).is_some();
        let expands = self.expand.is_some() || self.expand_to.is_some();
        let without = expands || !self.rectangle.is_empty() || MASKS.iter().any(is_set);
        match &self.mask {
            Some(location) => Ok(Some(MaskSource::find(location)?)),
            None => Ok(without.then_some(MaskSource::None)),
        }
    }

    /// Returns whether no option is given.
    pub fn is_empty(&self) -> bool {
        let clip = self.mask.is_none() && self.expand.is_none() && self.expand_to.is_none();
        clip && self.rectangle.is_empty() && self.properties.iter().next().is_none()
    }
}
