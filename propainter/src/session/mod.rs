//! The one door: frames and masks in, inpainted frames out.

mod config;
mod crops;
mod feather;
mod idle;
mod lane;
#[cfg_attr(not(feature = "networks"), path = "networks_absent.rs")]
mod networks_builder;
mod stats;
mod stop_gap;
mod warm;
mod weights_free;
mod workshop;

use std::time::Instant;

pub use config::{Config, Mode, Model, Roi};
pub use stats::Stats;
pub use stop_gap::stop_gap;
pub use warm::Warm;

use crate::{Cancel, DeviceChoice, Done, Error, Frame, Mask, memory::Notice, scene_cuts::Detector};
use crops::Crops;
use workshop::Workshop;

/// A stream being inpainted: push frames with their masks, get final frames back, one for
/// one and in order.
pub struct Session {
    config: Config,
    /// What works, on whole frames or on crops of them.
    crops: Crops,
    /// Where scene cuts end windows.
    cuts: Option<Detector>,
    /// An error that came after frames that were final: told at the next call.
    failed: Option<Error>,
    /// What was decided when it was opened.
    notices: Vec<Notice>,
    cancel: Cancel,
    stats: Stats,
}

impl Session {
    /// Checks the settings, finds and reads the checkpoints, opens the device, and plans its
    /// memory.
    ///
    /// # Errors
    /// A setting out of range, checkpoints that are missing or wrong, a device that does
    /// not open, a budget that is too small; the message says which and what to do.
    pub fn open(config: Config) -> Result<Self, Error> {
        Self::open_unless(config, Cancel::default())
    }

    /// As [`open`](Self::open), until `cancel` is set; it stays the session's token.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`Error::Cancelled`].
    pub fn open_unless(config: Config, cancel: Cancel) -> Result<Self, Error> {
        Self::open_with(config, cancel, None)
    }

    /// As [`open_unless`](Self::open_unless), with networks that are warm, if they are those of
    /// this configuration.
    ///
    /// # Errors
    /// As [`open_unless`](Self::open_unless).
    pub fn open_with(config: Config, cancel: Cancel, warm: Option<&Warm>) -> Result<Self, Error> {
        config::check(&config)?;
        config.limits.faults.opening(&cancel)?;
        let notices = config.without_networks().into_iter().collect();
        // What is found now is at work to the end, and not looked for again.
        let config = Config {
            model: config.to_open(),
            ..config
        };
        let networks = warm.and_then(|warm| warm.networks(&config));
        let crops = Crops::open(config.clone(), cancel.clone(), networks)?;
        Ok(Self {
            cuts: detector(&config),
            config,
            crops,
            notices,
            failed: None,
            cancel,
            stats: Stats::default(),
        })
    }

    /// Takes one frame with its hole (before dilation, of any size: it is brought to the
    /// frame's) and returns the frames that became final.
    ///
    /// # Errors
    /// [`Error::Size`] leaves the session as it was; after any other error it needs a
    /// [`flush`](Self::flush).
    pub fn push(&mut self, frame: Frame, mask: &Mask) -> Result<Vec<Done>, Error> {
        let (got, expected) = (
            (frame.width(), frame.height()),
            (self.config.width, self.config.height),
        );
        if got != expected {
            return Err(Error::Size {
                what: "a frame",
                got,
                expected,
            });
        }
        self.timed(|session, done| {
            session.stats.frames_in += 1;
            session.stats.held += 1;
            let cuts = session.cuts.as_mut();
            if cuts.is_some_and(|cuts| cuts.begins(&frame, mask)) {
                session.stats.scene_cuts += 1;
                session.crops.end_scene(done)?;
            }
            session.crops.push(frame, mask, done)
        })
    }

    /// End of stream: all frames still held.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn drain(&mut self) -> Result<Vec<Done>, Error> {
        self.timed(|session, done| {
            session.crops.end_scene(done)?;
            session.ended();
            Ok(())
        })
    }

    /// As [`drain`](Self::drain), some of the frames at each call; none where none is left.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn drain_some(&mut self) -> Result<Vec<Done>, Error> {
        self.timed(|session, done| {
            if session.crops.drain_some(done)? {
                session.crops.end_scene(done)?;
                session.ended();
            }
            Ok(())
        })
    }

    /// What comes next has nothing before it.
    fn ended(&mut self) {
        if let Some(cuts) = &mut self.cuts {
            cuts.flush();
        }
    }

    /// Forgets everything held; ready for a new start. Also clears the cancel token.
    pub fn flush(&mut self) {
        self.crops.flush();
        if let Some(cuts) = &mut self.cuts {
            cuts.flush();
        }
        self.stats.held = 0;
        self.failed = None;
        self.cancel.reset();
    }

    /// Makes frames wait for no more than `frames` later ones from now on, 1 and up, and returns
    /// what became final by that: [`Config::with_look_ahead_within`] for a stream that runs.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn limit_look_ahead(&mut self, frames: usize) -> Result<Vec<Done>, Error> {
        self.timed(|session, done| {
            session.config = session.config.with_look_ahead_within(frames);
            if session.cuts.is_none() {
                session.cuts = detector(&session.config);
            }
            session.crops.limit_look_ahead(&session.config, done)
        })
    }

    /// Most frames held before the first comes out: frame i is out when frame
    /// i + look-ahead has been pushed. Less where a shorter window was planned.
    pub fn look_ahead(&self) -> usize {
        self.crops.look_ahead()
    }

    /// The engine at work: never [`Model::Auto`].
    pub fn model(&self) -> Model {
        let workshop = self.crops.workshop();
        workshop.map_or_else(|| self.config.engine(), Workshop::model)
    }

    /// The device that the networks run on, by its name; as it was set for the weights-free
    /// engine.
    pub fn device(&self) -> DeviceChoice {
        let device = self.crops.workshop().and_then(Workshop::device);
        device.unwrap_or(self.config.device)
    }

    /// Size the engine works at, (width, height); of the first crop, where there are several.
    pub fn processing_size(&self) -> (usize, usize) {
        let size = self.crops.workshop().map(Workshop::processing);
        size.unwrap_or_default()
    }

    /// The token that ends a running call from another thread.
    pub fn cancel_token(&self) -> Cancel {
        self.cancel.clone()
    }

    pub fn stats(&self) -> Stats {
        let memory = self.crops.usage();
        Stats {
            memory,
            computing: memory.computing,
            views: self.crops.views(),
            ..self.stats
        }
    }

    /// The plan at work, in one line.
    pub fn plan(&self) -> Option<String> {
        self.crops.plan()
    }

    /// What was decided about memory since the last call, oldest first.
    pub fn notices(&mut self) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut self.notices);
        notices.extend(self.crops.notices());
        notices
    }

    /// Runs a call: its time counts, and an error after frames that were final comes with the
    /// next one, so that they are not lost.
    fn timed(
        &mut self,
        call: impl FnOnce(&mut Self, &mut Vec<Done>) -> Result<(), Error>,
    ) -> Result<Vec<Done>, Error> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let start = Instant::now();
        let mut done = Vec::new();
        let result = call(self, &mut done);
        let stats = &mut self.stats;
        stats.busy += start.elapsed();
        stats.frames_out += done.len() as u64;
        stats.held = stats.held.saturating_sub(done.len());
        let empty = done.iter().filter(|done| done.hole.is_empty());
        stats.untouched += empty.count() as u64;
        match result {
            Err(error) if done.is_empty() => Err(error),
            result => {
                self.failed = result.err();
                Ok(done)
            }
        }
    }
}

/// What finds the scene cuts that end the windows of a configuration.
fn detector(config: &Config) -> Option<Detector> {
    (config.mode == Mode::Sliding && config.scene_cuts)
        .then(|| Detector::new(config.scene_threshold, config.shortest_scene()))
}
