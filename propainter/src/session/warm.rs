//! What can be done before a stream's first frame, and before its size is known.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Config, Model, crops, lane, workshop};
use crate::{Cancel, DeviceChoice, Error, Frame, Mask, Precision, windows::Networks};

/// Networks that are on their device, with kernels that have run, for sessions to come.
pub struct Warm {
    networks: Arc<Networks>,
    asked: Asked,
    /// Time it took to read the networks, and to start their kernels; nothing on the CPU, where
    /// they need no start.
    pub reading: Duration,
    pub starting: Duration,
}

/// What decides which networks are read, and where to.
#[derive(PartialEq)]
struct Asked {
    weights: Option<PathBuf>,
    device: DeviceChoice,
    precision: Precision,
}

impl Asked {
    fn of(config: &Config) -> Self {
        Self {
            weights: config.weights.clone(),
            device: config.device,
            precision: config.limits.precision,
        }
    }
}

impl Warm {
    /// Reads the networks of a configuration, whose size means nothing here, and on a card lets
    /// them fill a few small pictures: that compiles kernels and finds the fastest. `None` where
    /// the configuration needs no networks.
    ///
    /// # Errors
    /// As [`Session::open_unless`](super::Session::open_unless).
    pub fn up(config: &Config, cancel: &Cancel) -> Result<Option<Self>, Error> {
        if config.engine() != Model::Propainter {
            return Ok(None);
        }
        let start = Instant::now();
        let networks = lane::guarded(|| workshop::read(config, cancel))?;
        let reading = start.elapsed();
        let start = Instant::now();
        if !crate::kernels::device::is_cpu(&networks.device) {
            run(config, cancel, networks.clone())?;
        }
        Ok(Some(Self {
            networks,
            asked: Asked::of(config),
            reading,
            starting: start.elapsed(),
        }))
    }

    /// The networks, if they are those of this configuration.
    pub(super) fn networks(&self, config: &Config) -> Option<Arc<Networks>> {
        (self.asked == Asked::of(config)).then(|| self.networks.clone())
    }
}

/// A few pictures with a hole, as large as a stream's first ones will be if nothing else is said.
fn run(config: &Config, cancel: &Cancel, networks: Arc<Networks>) -> Result<(), Error> {
    let (width, height) = crops::LEAST;
    let config = Config {
        width: config.processing_width.unwrap_or(width),
        height: config.processing_height.unwrap_or(height),
        ..config.clone()
    };
    let (width, height) = (config.width, config.height);
    let frames = config.look_ahead() + config.hop();
    let mut lane = lane::Lane::open(config, cancel.clone(), Some(networks))?;
    let mut hole = Mask::empty(width, height);
    let (w, h) = (width as u64, height as u64);
    hole.add_rectangle(width as i64 / 4, height as i64 / 4, w / 2, h / 2);
    let mut done = Vec::new();
    for i in 0..frames {
        let rgb = (0..3 * width * height).map(|at| (at * 7 + i * 31) as u8);
        lane.push(
            Frame::new(width, height, rgb.collect()),
            hole.clone(),
            &mut done,
        )?;
    }
    lane.drain(&mut done)
}
