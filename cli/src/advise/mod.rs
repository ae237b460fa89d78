//! `propainter advise`: the settings, memory, time and cost of clips on cards and on machines to rent.
//!
//! - [`clip`], [`holes`]: what is to be done
//! - [`cards`]: machines, by their data sheets
//! - [`plan`]: settings and memory, by the planner of the engine
//! - [`work`], [`time`]: operations and seconds; [`check_report`]: what was measured on a card
//! - [`advice`]: all of it for each machine
//! - [`prices`], [`cost`]: machines to rent, the cheapest first
//! - [`table`]: the answer as text and as JSON

pub mod advice;
pub mod cards;
pub mod check_report;
pub mod clip;
pub mod cost;
pub mod holes;
#[cfg_attr(not(feature = "networks"), path = "no_networks.rs")]
pub mod plan;
pub mod prices;
pub mod table;
pub mod time;
pub mod work;

use std::{io, path::PathBuf, thread, time::Duration};

use clap::Args;
use propainter::internals::schedule::WindowParams;
use thiserror::Error;

use self::{
    advice::{Advisor, Target},
    cards::{CARDS, Machine, UnknownCard},
    check_report::Report,
    clip::{Clip, ClipError, Masks, open_all},
    holes::HolesError,
    prices::{Prices, PricesError},
};
use crate::{Console, bench::Size};

/// The windows of the official procedure, which are the element's by default.
pub const OFFICIAL: WindowParams = WindowParams {
    subvideo_length: 80,
    neighbor_length: 10,
    ref_stride: 10,
    lookahead: None,
};

/// The settings that are wished for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    pub windows: WindowParams,
    /// Whether flow completion and the generator compute in 32 bits on a card, too.
    pub full: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            windows: OFFICIAL,
            full: false,
        }
    }
}

/// What the networks take on a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    pub windows: WindowParams,
    /// Processing size, (width, height), of each part of a frame that is seen.
    pub views: Vec<(usize, usize)>,
    /// Whether flow completion and the generator compute in 16 bits.
    pub half: bool,
    /// Bytes on the card, or of the processor's memory where there is none.
    pub device: u64,
    /// Bytes on the host beside a card.
    pub host: u64,
    /// The settings that are given up to fit.
    pub given_up: Vec<String>,
    /// The plan as one line.
    pub plan: String,
    /// Time that the plan adds to the fastest one, in thousandths.
    pub slowness: u32,
}

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

/// An error that ends the subcommand.
#[derive(Debug, Error)]
pub enum AdviseError {
    #[error("GStreamer: {0} (scripts/setup.sh installs the packages that are needed)")]
    Setup(#[from] gst::glib::Error),
    #[error(transparent)]
    Clip(#[from] ClipError),
    #[error(transparent)]
    Holes(#[from] HolesError),
    #[error("--card: {0}")]
    Card(#[from] UnknownCard),
    #[error("{0}")]
    NoNetworks(&'static str),
    #[error("the report {}: {problem}", file.display())]
    Report { file: PathBuf, problem: String },
    #[error(transparent)]
    Prices(#[from] PricesError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Prints the advice.
///
/// # Errors
/// A clip, a mask, a report or a price list cannot be used, or a card is not known.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), AdviseError> {
    let cores = thread::available_parallelism().map_or(1, |count| count.get() as u32);
    let cores = options.cores.unwrap_or(cores);
    // What is quickly wrong is told before a video is opened.
    let prices = options.prices.as_deref().map(Prices::read).transpose()?;
    let targets = targets(options, cores)?;
    let clips = clips(options)?;
    let advisor = Advisor {
        clips: &clips,
        whole: options.whole,
        wish: Wish {
            windows: WindowParams {
                subvideo_length: options.subvideo_length as usize,
                neighbor_length: options.neighbor_length as usize,
                ref_stride: options.ref_stride as usize,
                lookahead: None,
            },
            full: options.precision == "fp32",
        },
        efficiency: options.efficiency,
    };
    let mut advice: Vec<_> = targets
        .iter()
        .flat_map(|target| advisor.advise(target))
        .collect();
    // Of several cards, those that do it first come first.
    if options.card.is_empty() {
        advice.sort_by(|a, b| a.order().total_cmp(&b.order()));
    }
    let offers = prices.as_ref().map(|prices| {
        let candidates = advisor.candidates(prices, &targets);
        cost::offers(&candidates, options.deadline)
    });
    let answer = table::Answer {
        clips: &clips,
        advice: &advice,
        offers: offers.as_deref(),
        currency: prices.as_ref().map_or("", |prices| &prices.currency),
        options,
    };
    match options.json {
        true => console.say(&format!("{:#}", answer.json()))?,
        false => answer
            .lines()
            .iter()
            .try_for_each(|line| console.say(line))?,
    }
    Ok(())
}

/// Returns the clips that the command line names.
fn clips(options: &Options) -> Result<Vec<Clip>, AdviseError> {
    let masks = match &options.mask {
        Some(location) => Masks::Location(location.clone()),
        None => Masks::Assumed {
            share: options.mask_share,
            length: options.mask_frames,
        },
    };
    let frames = options.frames.map(|frames| frames as usize);
    let Some(Size { width, height }) = options.size else {
        gst::init()?;
        let input = options.input.clone().unwrap_or_default();
        return Ok(open_all(&input, &masks, frames)?);
    };
    let size = (width, height);
    Ok(vec![Clip {
        name: "a clip".to_owned(),
        size,
        frames: frames.unwrap_or(1),
        rate: None,
        holes: masks.of(size)?,
    }])
}

/// Returns the machines that the command line names, or all, those of reports first.
fn targets(options: &Options, cores: u32) -> Result<Vec<Target>, AdviseError> {
    let mut targets: Vec<Target> = Vec::new();
    for file in &options.report {
        let report = Report::read(file).map_err(|problem| AdviseError::Report {
            file: file.clone(),
            problem,
        })?;
        targets.push(Target::reported(report));
    }
    let named: Vec<Machine> = match (&options.card[..], plan::MISSING) {
        ([], Some(_)) => vec![Machine::Cpu { cores }],
        ([], None) => {
            let cards = CARDS.iter().map(Machine::Card);
            cards.chain([Machine::Cpu { cores }]).collect()
        }
        (names, _) => {
            let named = names.iter().map(|name| Machine::named(name, cores));
            named.collect::<Result<_, _>>()?
        }
    };
    let is_cpu = |machine: &Machine| matches!(machine, Machine::Cpu { .. });
    match plan::MISSING {
        Some(missing) if !targets.is_empty() || !named.iter().all(is_cpu) => {
            return Err(AdviseError::NoNetworks(missing));
        }
        _ => {}
    }
    // With reports and no names, those cards that were measured are not estimated as well.
    for machine in named {
        let known = targets.iter().any(|target| target.machine == machine);
        if !known {
            targets.push(Target::of(machine));
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{Cli, Command};

    fn options(arguments: &[&str]) -> Result<Options, String> {
        let words = ["propainter", "advise"].iter().chain(arguments);
        match Cli::try_parse_from(words).map_err(|error| error.to_string())? {
            Cli {
                command: Command::Advise(options),
            } => Ok(options),
            _ => panic!("another subcommand"),
        }
    }

    fn answer(arguments: &[&str]) -> Result<String, String> {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let mut console = Console {
            input: &mut io::empty(),
            out: &mut out,
            errors: &mut errors,
            is_terminal: false,
        };
        let result = run(&options(arguments)?, &mut console);
        result.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    const CLIP: [&str; 6] = [
        "--size",
        "1280x720",
        "--frames",
        "500",
        "--mask-share",
        "0.05",
    ];

    fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&CLIP[..], more].concat()
    }

    #[test]
    fn bad_input_is_named() {
        for (arguments, words) in [
            (vec![], "CLIP"),
            (vec!["--size", "1280x720"], "--frames"),
            (
                vec!["--size", "64x64", "--frames", "9", "--mask-share", "0"],
                "above 0",
            ),
            (
                vec!["--size", "64x64", "--frames", "9", "--mask-frames", "1.5"],
                "up to 1",
            ),
            (with(&["--card", "cpu", "--deadline", "soon"]), "2h"),
            (with(&["--card", "rtx9999"]), "rtx3060"),
            (
                with(&["--card", "cpu", "--prices", "/none.toml"]),
                "/none.toml",
            ),
            (with(&["--report", "/none.json"]), "/none.json"),
            (vec!["/none.mp4", "--card", "cpu"], "/none.mp4"),
        ] {
            let error = answer(&arguments).unwrap_err();
            assert!(error.contains(words), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn a_processor_gets_advice_in_every_build() {
        let text = answer(&with(&[
            "--card",
            "cpu",
            "--cores",
            "4",
            "--deadline",
            "1min",
        ]))
        .unwrap();
        assert!(text.contains("1280×720, 500 frames"), "{text}");
        assert!(text.contains("model=propagation"), "{text}");
        let json = answer(&with(&["--card", "cpu", "--json"])).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["clips"][0]["frames"], 500);
        let engines = json["advice"].as_array().unwrap().iter();
        let classical = engines.filter(|advice| advice["model"] == "propagation");
        let seconds: Vec<_> = classical.map(|a| a["seconds"].as_f64().unwrap()).collect();
        assert!(
            matches!(seconds[..], [s] if s > 1.0 && s < 60.0),
            "{seconds:?}"
        );
    }

    #[cfg(not(feature = "networks"))]
    #[test]
    fn without_networks_a_card_is_answered_with_what_to_build() {
        let error = answer(&with(&["--card", "8gb"])).unwrap_err();
        assert!(
            error.contains("networks") && error.contains("make"),
            "{error}"
        );
        let text = answer(&with(&[])).unwrap();
        assert!(text.contains("make"), "{text}");
    }
}
