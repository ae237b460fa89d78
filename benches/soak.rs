//! Pushes frames through the element and checks that memory stays flat; see `scripts/soak.sh`.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use propainter_tests::{
    golden::weights_folder,
    soak::{Options, growth, run},
};

/// Runs a long stream of 192×128 pixels and prints what is resident as it goes. Fails where
/// that grows by 1 KB a frame or more after the first third.
#[derive(Parser)]
#[command(name = "soak")]
struct Arguments {
    /// Frames; a few hundred are too few to tell growth from noise
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(300..))]
    frames: u64,
    /// The networks with tiny settings, in place of the classical engine
    #[arg(long)]
    networks: bool,
    /// Folder of their checkpoints; without it generated ones, where the tests have them
    #[arg(long, requires = "networks")]
    weights: Option<PathBuf>,
    /// More settings of the element: property=value
    settings: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let weights = arguments.networks.then(|| {
        let found = arguments.weights;
        found.or_else(|| weights_folder().map(Into::into))
    });
    if let Some(None) = weights {
        eprintln!("soak: no checkpoints; name their folder with --weights");
        return ExitCode::FAILURE;
    }
    let options = Options {
        weights: weights.flatten(),
        settings: arguments.settings,
        ..Options::new(arguments.frames)
    };
    gst::init().expect("GStreamer starts");
    propainter_elements::plugin_register_static().expect("the element registers");
    println!("| frames | resident MiB | device MiB |\n|---|---|---|");
    let samples = run(&options, |sample| println!("{sample}"));
    let growth = growth(&samples);
    println!("\ngrowth after the first third: {growth:.1} bytes a frame");
    if growth < 1024.0 {
        ExitCode::SUCCESS
    } else {
        eprintln!("soak: memory grows");
        ExitCode::FAILURE
    }
}
