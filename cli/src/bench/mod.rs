//! `propainter bench`: the speed of the engine on a generated clip, without GStreamer.

mod size;

use std::{
    io,
    time::{Duration, Instant},
};

use clap::Args;
use propainter::{Config, DeviceChoice, Error, Session, internals::synthetic::Scene};
use thiserror::Error;

use crate::{
    Console,
    engine::{EngineOptions, Model},
    memory, progress, units,
};

pub use self::size::Size;

/// Measures the speed and the memory of the engine on a generated clip.
///
/// Pushes the clip through one session several times, after a warm-up of one pass. The report
/// states frames per second (of the median pass), milliseconds per frame (median, least and most
/// of the passes), the longest call, which delays a live stream, the peak memory and the plan.
#[derive(Debug, Args)]
pub struct Options {
    /// Size of the frames, 16x16 to 7680x7680 pixels
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "432x240")]
    pub size: Size,
    /// Number of frames in the clip
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..))]
    pub frames: u32,
    /// Number of measured passes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub passes: u32,
    /// Skip the warm-up, so that the first pass includes the start of the engine
    #[arg(long)]
    pub cold: bool,
    #[command(flatten)]
    pub engine: EngineOptions,
}

/// An error that ends the benchmark.
#[derive(Debug, Error)]
pub enum BenchError {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// The times of one pass over the clip.
struct Pass {
    /// Time in the session; drawing the frames is not included.
    total: Duration,
    longest_call: Duration,
}

/// Runs the benchmark and prints its report.
///
/// # Errors
/// The engine cannot be opened or fails, or the report cannot be written.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), BenchError> {
    let Size { width, height } = options.size;
    let mut session = Session::open(Config {
        model: options.engine.model.into(),
        weights: options.engine.weights.clone(),
        device: options.engine.device,
        ..Config::new(width, height)
    })?;
    let scene = Scene::new(width, height, 7);
    let passes = options.passes + u32::from(!options.cold);
    let progress = progress::frames(u64::from(passes) * u64::from(options.frames));
    if !options.cold {
        pass(&mut session, &scene, options.frames, &progress)?;
    }
    memory::reset_peak();
    let measured =
        (0..options.passes).map(|_| pass(&mut session, &scene, options.frames, &progress));
    let measured = measured.collect::<Result<Vec<_>, _>>();
    progress.finish_and_clear();
    report(options, &session, &measured?, console)?;
    Ok(())
}

/// Pushes the clip through the session and drains it, so that the next pass starts anew.
fn pass(
    session: &mut Session,
    scene: &Scene,
    frames: u32,
    progress: &indicatif::ProgressBar,
) -> Result<Pass, Error> {
    let mut calls = Vec::new();
    for index in 0..frames as usize {
        let (frame, mask) = (scene.frame(index), scene.mask(index));
        let start = Instant::now();
        session.push(frame, &mask)?;
        calls.push(start.elapsed());
        progress.inc(1);
    }
    loop {
        let start = Instant::now();
        let done = session.drain_some()?;
        calls.push(start.elapsed());
        if done.is_empty() {
            break;
        }
    }
    Ok(Pass {
        total: calls.iter().sum(),
        longest_call: calls.into_iter().max().unwrap_or_default(),
    })
}

fn report(
    options: &Options,
    session: &Session,
    passes: &[Pass],
    console: &mut Console<'_>,
) -> io::Result<()> {
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
    let per_frame = |pass: &Pass| milliseconds(pass.total) / f64::from(options.frames);
    let mut times: Vec<f64> = passes.iter().map(per_frame).collect();
    times.sort_by(f64::total_cmp);
    let (least, most) = (times.first().copied(), times.last().copied());
    let median = median(&times);
    let longest = passes.iter().map(|pass| pass.longest_call).max();

    let model = Model::from(session.model());
    let device = match model {
        Model::Propagation => DeviceChoice::Cpu,
        _ => session.device(),
    };
    let memory = session.stats().memory.device_peak;
    let device_memory = match device {
        DeviceChoice::Cpu => String::new(),
        _ => format!(", {} on the device", units::bytes(memory)),
    };
    let Size { width, height } = options.size;
    let lines = [
        format!(
            "{width}×{height}, {} frames, passes: {}, model {}, device {device}",
            options.frames,
            passes.len(),
            model.name()
        ),
        format!("speed: {:.2} frames per second", 1e3 / median),
        format!(
            "time per frame: median {median:.2} ms, min {:.2} ms, max {:.2} ms",
            least.unwrap_or_default(),
            most.unwrap_or_default()
        ),
        format!(
            "longest call: {:.2} ms",
            milliseconds(longest.unwrap_or_default())
        ),
        memory::report() + &device_memory,
        format!(
            "plan: {}",
            session.plan().unwrap_or_else(|| "none".to_owned())
        ),
    ];
    lines.iter().try_for_each(|line| console.say(line))
}

/// Returns the median of sorted values; 0 where there are none.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
    }
}
