//! The options of the subcommand.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use propainter::internals::schedule::WindowParams;

use super::{Wish, rent::cost, speed::time};
use crate::bench::Size;

/// Tells which settings fit which card, how long a clip takes, and what it costs
///
/// Memory is that of the byte model, which plans real runs too. Times are estimates from data sheets
/// until a report of `propainter check` is given. Decoding and encoding are not included.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  propainter advise clip.mp4 --mask logo.png\n  propainter advise --size \
                  1280x720 --frames 500 --mask-share 0.05 --card 8gb,rtx3060\n  propainter advise \
                  clips/ --mask masks/ --prices docs/prices.toml --deadline 2h"
)]
pub struct Options {
    /// Video, or folder of videos
    #[arg(
        value_name = "CLIP",
        required_unless_present = "size",
        conflicts_with = "size"
    )]
    pub input: Option<PathBuf>,
    /// Mask, as `propainter run` takes it; for a folder of videos also a folder of masks of the same
    /// names
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mask_share", "mask_frames", "size"])]
    pub mask: Option<PathBuf>,
    /// Size of the frames, in place of a video
    #[arg(long, value_name = "WIDTHxHEIGHT", requires = "frames")]
    pub size: Option<Size>,
    /// Number of frames
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub frames: Option<u32>,
    /// Share of the frame that is masked, above 0 and up to 1, in one rectangle
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    pub mask_share: f64,
    /// Share of the frames that have a mask, above 0 and up to 1
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    pub mask_frames: f64,
    /// See frames whole, as the official procedure does, and not only around the mask
    #[arg(long)]
    pub whole: bool,
    /// Frames of a sub-video
    #[arg(long, value_name = "FRAMES", default_value_t = 80, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub subvideo_length: u32,
    /// Local frames of a window
    #[arg(long, value_name = "FRAMES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub neighbor_length: u32,
    /// Distance between reference frames
    #[arg(long, value_name = "FRAMES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub ref_stride: u32,
    /// Precision on a card; a processor computes in fp32
    #[arg(long, default_value = "fp16", value_parser = ["fp16", "fp32"])]
    pub precision: String,
    /// Cards to advise for: names, sizes such as 8gb, or cpu; all known ones by default
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub card: Vec<String>,
    /// Cores of the processor; those of this machine by default
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub cores: Option<u32>,
    /// Report of `propainter check`, whose speed counts for its card; may be given several times
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
    /// Share of a card's peak that is assumed where nothing was measured, above 0 and up to 1
    #[arg(long, value_name = "SHARE", default_value_t = time::EFFICIENCY, hide_default_value = true, value_parser = share)]
    pub efficiency: f64,
    /// Price list; docs/prices.toml is an example
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
    /// Time in which all must be done, such as 2h or 90min: tells how many machines that takes
    #[arg(long, value_name = "TIME", value_parser = cost::parse_deadline)]
    pub deadline: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Parses a share.
fn share(text: &str) -> Result<f64, String> {
    let value = text.parse().ok();
    let value = value.filter(|share: &f64| *share > 0.0 && *share <= 1.0);
    value.ok_or_else(|| {
        format!("'{text}' is no share; write a number above 0 and up to 1, 0.05 for 5 %")
    })
}

impl Options {
    /// Returns the settings that are wished for.
    pub fn wish(&self) -> Wish {
        Wish {
            windows: WindowParams {
                subvideo_length: self.subvideo_length as usize,
                neighbor_length: self.neighbor_length as usize,
                ref_stride: self.ref_stride as usize,
                lookahead: None,
            },
            full: self.precision == "fp32",
        }
    }
}
