//! Loads the networks before a stream's first frame, and before its size is known.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    config::{Config, Model},
    crops,
    engine_builder::{self, Networks},
    supervisor::{EngineSupervisor, guarded},
};
use crate::{Border, Cancel, DeviceChoice, Error, Frame, Mask, Precision};

/// Networks on their device, with kernels that have run, for sessions to come.
pub struct Warm {
    networks: Arc<Networks>,
    request: Request,
    /// Time that reading the networks took.
    pub reading: Duration,
    /// Time that starting their kernels took; zero on the CPU, where kernels need no start.
    pub starting: Duration,
}

/// The settings that decide which networks are read, and onto which device.
#[derive(PartialEq)]
struct Request {
    weights: Option<PathBuf>,
    generated_weights: bool,
    device: DeviceChoice,
    precision: Precision,
}

impl Request {
    fn new(config: &Config) -> Self {
        Self {
            weights: config.weights.clone(),
            generated_weights: config.generated_weights,
            device: config.device,
            precision: config.limits.precision,
        }
    }
}

impl Warm {
    /// Reads the networks of a configuration, whose frame size is ignored. On a GPU also runs
    /// them on a few small frames, which compiles their kernels; `progress` is given the number of
    /// frames so far, from 1 on, and of all frames. Networks that another session of the process
    /// holds are shared, and not read or started again. Returns `None` if the configuration needs no
    /// networks.
    ///
    /// # Errors
    /// As [`Session::open`](super::Session::open).
    pub fn up(
        config: &Config,
        cancel: &Cancel,
        progress: &dyn Fn(usize, usize),
    ) -> Result<Option<Self>, Error> {
        if config.engine() != Model::Propainter || config.find_segments {
            return Ok(None);
        }
        let start = Instant::now();
        let networks = guarded(|| engine_builder::read(config, cancel))?;
        let reading = start.elapsed();
        let start = Instant::now();
        if !networks.on_cpu() {
            start_kernels(config, cancel, &networks, progress)?;
        }
        Ok(Some(Self {
            networks,
            request: Request::new(config),
            reading,
            starting: start.elapsed(),
        }))
    }

    /// Returns the networks if they are those of this configuration.
    pub(super) fn networks(&self, config: &Config) -> Option<Arc<Networks>> {
        (self.request == Request::new(config)).then(|| self.networks.clone())
    }
}

/// Inpaints a few frames with a hole and without a border, at the size of a stream's first crops
/// unless the configuration sets a processing size.
fn start_kernels(
    config: &Config,
    cancel: &Cancel,
    networks: &Arc<Networks>,
    progress: &dyn Fn(usize, usize),
) -> Result<(), Error> {
    let (width, height) = crops::MIN_SIZE;
    let config = Config {
        segment: None,
        width: config.processing_width.unwrap_or(width),
        height: config.processing_height.unwrap_or(height),
        border: Border::default(),
        ..config.clone()
    };
    let size = (config.width, config.height);
    networks.start(size, || run(config, cancel, networks.clone(), progress))
}

/// Inpaints a few frames with a hole, at the size of a configuration.
fn run(
    config: Config,
    cancel: &Cancel,
    networks: Arc<Networks>,
    progress: &dyn Fn(usize, usize),
) -> Result<(), Error> {
    let (width, height) = (config.width, config.height);
    // The clip ends after two windows: then all of it is computed, whatever waits for later frames.
    let frames = config.latency_frames() + config.hop();
    let frames = frames.min(2 * config.neighbor_length + 1);
    let mut supervisor = EngineSupervisor::open(config, cancel.clone(), Some(networks))?;
    let mut hole = Mask::empty(width, height);
    let (w, h) = (width as u64, height as u64);
    hole.add_rectangle(width as i64 / 4, height as i64 / 4, w / 2, h / 2);
    let mut done = Vec::new();
    for i in 0..frames {
        let rgb = (0..3 * width * height).map(|at| (at * 7 + i * 31) as u8);
        let frame = Frame::new(width, height, rgb.collect());
        supervisor.push(frame, hole.clone(), &mut done)?;
        progress(i + 1, frames);
    }
    supervisor.drain(&mut done)
}
