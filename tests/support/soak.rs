//! Many frames through the element, and what is resident meanwhile.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use gst::prelude::*;
use propainter::memory;

/// A run.
#[derive(Clone, Debug)]
pub struct Options {
    pub frames: u64,
    /// Frames from sample to sample.
    pub every: u64,
    /// The folder of the networks' weights; `None` runs the classical engine.
    pub weights: Option<PathBuf>,
    /// More settings of the element, `property=value`.
    pub settings: Vec<String>,
}

impl Options {
    pub fn new(frames: u64) -> Self {
        Self {
            frames,
            every: (frames / 60).max(1),
            weights: None,
            settings: Vec::new(),
        }
    }

    /// 192×128, with a hole that is filled in every frame.
    fn pipeline(&self) -> Vec<String> {
        let mut words: Vec<String> = format!(
            "videotestsrc num-buffers={} pattern=ball \
             ! video/x-raw,format=I420,width=192,height=128,framerate=25/1 \
             ! propainter name=inpaint mask-regions=<<80,40,32,32>> device=cpu",
            self.frames
        )
        .split_whitespace()
        .map(str::to_owned)
        .collect();
        match &self.weights {
            None => words.push("model=propagation".to_owned()),
            Some(folder) => {
                words.push(format!("weights={}", folder.display()));
                let tiny = [
                    "model=propainter",
                    "width=64",
                    "height=64",
                    "raft-iterations=1",
                    "subvideo-length=10",
                    "neighbor-length=4",
                ];
                words.extend(tiny.map(str::to_owned));
            }
        }
        words.extend(self.settings.iter().cloned());
        words.extend(["!", "fakesink", "name=sink"].map(str::to_owned));
        words
    }
}

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Frames that have come out.
    pub frames: u64,
    /// Bytes of the process.
    pub resident: u64,
    /// Bytes on the session's device, by its own figures.
    pub device: u64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "| {:6} | {:8.2} | {:8.2} |",
            self.frames,
            mib(self.resident),
            mib(self.device)
        )
    }
}

/// Runs to the end and tells each sample as it is taken. GStreamer is initialised and has the
/// element.
///
/// # Panics
/// The pipeline fails, or loses a frame.
pub fn run(options: &Options, mut tell: impl FnMut(&Sample)) -> Vec<Sample> {
    let words = options.pipeline();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let pipeline = gst::parse::launchv(&words).expect("a valid pipeline");
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("a pipeline");
    let named = |name| pipeline.by_name(name).expect("it was named");
    let element = named("inpaint");
    let (sender, samples) = mpsc::channel();
    let (frames, every, total) = (AtomicU64::new(0), options.every, options.frames);
    let weak = element.downgrade();
    named("sink")
        .static_pad("sink")
        .expect("a sink pad")
        .add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let frames = frames.fetch_add(1, Relaxed) + 1;
            if frames % every == 0 {
                let stats = weak
                    .upgrade()
                    .map(|e| e.property::<gst::Structure>("stats"));
                let count = |name: &str| stats.as_ref().and_then(|s| s.get::<u64>(name).ok());
                // Once the source has ended, what is held only shrinks.
                if count("frames-in").is_some_and(|input| input < total) {
                    // Nobody listens once the run has failed.
                    let _ = sender.send(Sample {
                        frames,
                        resident: memory::resident().unwrap_or(0),
                        device: count("vram-used").unwrap_or(0),
                    });
                }
            }
            gst::PadProbeReturn::Ok
        });
    pipeline.set_state(gst::State::Playing).expect("playing");
    let bus = pipeline.bus().expect("a pipeline has a bus");
    let mut all = Vec::new();
    loop {
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = bus.pop_filtered(&ends);
        while let Ok(sample) = samples.try_recv() {
            tell(&sample);
            all.push(sample);
        }
        match end.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => {
                panic!("{} {:?}", error.error(), error.debug());
            }
            Some(_) => break,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    let stats: gst::Structure = element.property("stats");
    pipeline.set_state(gst::State::Null).expect("stopped");
    let out: u64 = stats.get("frames-out").expect("a count");
    assert_eq!(out, options.frames, "a frame is lost");
    all
}

/// Bytes a frame by which what is resident grows after the first third: the slope of the line
/// of least squares.
pub fn growth(samples: &[Sample]) -> f64 {
    let settled = &samples[samples.len() / 3..];
    let points: Vec<(f64, f64)> = settled
        .iter()
        .map(|sample| (sample.frames as f64, sample.resident as f64))
        .collect();
    slope(&points)
}

fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut across, mut along) = (0.0, 0.0);
    for point in points {
        across += (point.0 - x) * (point.1 - y);
        along += (point.0 - x).powi(2);
    }
    across / along
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(resident: impl Fn(u64) -> u64) -> Vec<Sample> {
        (1..=60)
            .map(|i| Sample {
                frames: 10 * i,
                resident: resident(10 * i),
                device: 0,
            })
            .collect()
    }

    #[test]
    fn growth_is_the_slope_after_the_warm_up() {
        let steady = samples(|frames| 1_000_000 + 300 * frames);
        assert!((growth(&steady) - 300.0).abs() < 1e-6);
        let settling = samples(|frames| 9_000_000 + 50_000 * frames.min(200));
        assert!(growth(&settling).abs() < 1e-6);
        let shaking = samples(|frames| 9_000_000 + 4096 * (frames % 3));
        assert!(growth(&shaking).abs() < 16.0);
    }
}
