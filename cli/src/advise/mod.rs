//! `propainter advise`: the settings, memory, time and cost of clips on cards and on machines to rent.
//!
//! - [`clip`]: what is to be done
//! - [`cards`]: machines, by their data sheets
//! - [`plan`]: settings and memory, by the planner of the engine
//! - [`speed`]: operations and seconds, computed or measured
//! - [`advice`]: all of it for each machine
//! - [`rent`]: machines to rent, the cheapest first
//! - [`table`]: the answer as text and as JSON

pub mod advice;
pub mod cards;
pub mod clip;
mod options;
#[cfg_attr(not(feature = "networks"), path = "no_networks.rs")]
pub mod plan;
pub mod rent;
pub mod speed;
pub mod table;

use std::{io, path::PathBuf, thread};

use propainter::internals::schedule::WindowParams;
use thiserror::Error;

pub use self::options::Options;
use self::{
    advice::{Advisor, Target},
    cards::{CARDS, Machine, UnknownCard},
    clip::{Clip, ClipError, Masks, holes::HolesError, open_all},
    rent::{
        cost,
        prices::{Prices, PricesError},
    },
    speed::check_report::Report,
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
        wish: options.wish(),
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
