//! The engine's entry point: push frames and masks, get inpainted frames.

mod canvas;
mod config;
mod crops;
mod engine_builder;
mod feather;
pub mod forecast;
mod placeholder;
mod segments;
mod single_frame;
mod stats;
mod supervisor;
mod warm;

use std::{sync::Arc, time::Instant};

pub use config::{Config, CropMode, Mode, Model};
pub use segments::Segments;
pub use single_frame::fill_single_frame;
pub use stats::Stats;
pub use warm::Warm;

use crate::{
    Cancel, DeviceChoice, Error, Frame, InpaintedFrame, Mask, TimeLimit,
    effort::{Clock, Deadline},
    frame::device::DeviceStore,
    memory::Notice,
    scene_cuts::Detector,
};
use crops::Crops;
use engine_builder::EngineBuilder;

/// Inpaints a stream: takes frames with their masks, and returns one finished frame for each of
/// them, in order.
pub struct Session {
    config: Config,
    /// The engines, over whole frames or over crops of them.
    crops: Crops,
    /// Detects the scene cuts that end windows.
    detector: Option<Detector>,
    /// Finds the frames at which a segment may begin; no hole is filled then.
    finder: Option<Segments>,
    /// An error that followed finished frames, returned by the next call.
    deferred: Option<Error>,
    /// Notices of the opening.
    notices: Vec<Notice>,
    /// The notices that are given once, of those given.
    told: Vec<Notice>,
    cancel: Cancel,
    time_limit: Option<TimeLimit>,
    clock: Clock,
    stats: Stats,
    /// Frames of this stream that were pushed.
    pushed: usize,
}

/// Options of [`Session::open_with`].
#[derive(Clone, Default)]
pub struct OpenOptions<'a> {
    /// Ends the opening once it is set, and stays the session's token.
    pub cancel: Cancel,
    /// Networks that were loaded before; used if they are those of the configuration.
    pub warm: Option<&'a Warm>,
}

impl Session {
    /// Opens a session as [`open_with`](Self::open_with) does, with the default options.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub fn open(config: Config) -> Result<Self, Error> {
        Self::open_with(config, OpenOptions::default())
    }

    /// Checks the settings, finds and reads the checkpoints, opens the device, and plans its
    /// memory.
    ///
    /// # Errors
    /// A setting out of range, checkpoints that are missing or wrong, a device that does
    /// not open, a budget that is too small: the message names it and the remedy.
    /// [`Error::Cancelled`] once the token is set.
    pub fn open_with(config: Config, options: OpenOptions<'_>) -> Result<Self, Error> {
        let OpenOptions { cancel, warm } = options;
        config::check(&config)?;
        config.limits.faults.opening(&cancel)?;
        let notices = config.without_networks().into_iter().collect();
        // The model found now is used to the end, and not searched for again.
        let config = Config {
            model: config.model_to_open(),
            ..config
        };
        let (config, finder) = segments::exact(config)?;
        let networks = warm.and_then(|warm| warm.networks(&config));
        let clock = config.limits.faults.clock();
        let crops = Crops::open(config.clone(), cancel.clone(), networks)?;
        Ok(Self {
            finder,
            detector: detector(&config),
            config,
            crops,
            deferred: None,
            notices,
            told: Vec::new(),
            cancel,
            time_limit: None,
            clock,
            stats: Stats::default(),
            pushed: 0,
        })
    }

    /// Takes one frame with its mask and returns the frames that became final. The mask is the
    /// hole before dilation, at any size: it is scaled to the frame's.
    ///
    /// # Errors
    /// [`Error::Size`] leaves the session as it was; after any other error it needs a
    /// [`flush`](Self::flush).
    pub fn push(&mut self, frame: Frame, mask: &Mask) -> Result<Vec<InpaintedFrame>, Error> {
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
        segments::check_push(&self.config, self.pushed)?;
        self.timed(|session, done| {
            session.pushed += 1;
            session.stats.frames_in += 1;
            session.stats.held += 1;
            if let Some(finder) = &mut session.finder {
                if let Some(notice) = finder.notice(&frame, mask) {
                    session.notices.push(notice);
                }
                let none = Mask::empty(frame.width(), frame.height());
                return session.crops.push(frame, &none, done);
            }
            let detector = session.detector.as_mut();
            // The bytes of a frame on a device may not come.
            let begins = || Ok(detector.is_some_and(|detector| detector.begins(&frame, mask)));
            if supervisor::guarded(begins)? {
                session.stats.scene_cuts += 1;
                session.crops.begin_scene(done)?;
            }
            session.crops.push(frame, mask, done)
        })
    }

    /// Ends the stream and returns all frames still held.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn drain(&mut self) -> Result<Vec<InpaintedFrame>, Error> {
        segments::check_end(&self.config, self.pushed)?;
        self.timed(|session, done| {
            session.crops.end_scene(done)?;
            session.begin_stream();
            Ok(())
        })
    }

    /// Ends the stream as [`drain`](Self::drain) does, but returns only some of the frames held at
    /// each call, and none once none is left.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn drain_some(&mut self) -> Result<Vec<InpaintedFrame>, Error> {
        segments::check_end(&self.config, self.pushed)?;
        self.timed(|session, done| {
            if session.crops.drain_some(done)? {
                session.crops.end_scene(done)?;
                session.begin_stream();
            }
            Ok(())
        })
    }

    /// Lets the next frame begin a stream.
    fn begin_stream(&mut self) {
        self.pushed = 0;
        if let Some(detector) = &mut self.detector {
            detector.flush();
        }
    }

    /// Drops all frames held and clears the cancel token; the next frame begins a stream.
    pub fn flush(&mut self) {
        self.crops.flush();
        self.begin_stream();
        self.stats.held = 0;
        self.deferred = None;
        self.cancel.reset();
    }

    /// Limits the time of the calls to come; `None` lets them take as long as they take, which is
    /// the default. To keep to the limit, the engine without networks searches less, so its fills
    /// then depend on the speed of the machine. The networks ignore it.
    pub fn set_time_limit(&mut self, limit: Option<TimeLimit>) {
        self.time_limit = limit;
    }

    /// Limits the latency to `frames` later frames from now on, at least 1, and returns the frames
    /// that became final thereby. Applies [`Config::with_latency_within`] to a running stream.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn limit_latency(&mut self, frames: usize) -> Result<Vec<InpaintedFrame>, Error> {
        segments::check_latency(&self.config)?;
        self.timed(|session, done| {
            session.config = session.config.with_latency_within(frames);
            if session.detector.is_none() {
                session.detector = detector(&session.config);
            }
            session.crops.limit_latency(&session.config, done)
        })
    }

    /// Returns the number of later frames that a frame waits for at most: frame i is out once
    /// frame i + latency has been pushed. Lower if a shorter window was planned.
    pub fn latency_frames(&self) -> usize {
        self.crops.latency_frames()
    }

    /// Returns the engine in use, never [`Model::Auto`].
    pub fn model(&self) -> Model {
        let builder = self.crops.builder();
        builder.map_or_else(|| self.config.engine(), EngineBuilder::model)
    }

    /// Returns the device that the networks run on, by its name; for the classical engine the
    /// device of the configuration.
    pub fn device(&self) -> DeviceChoice {
        let device = self.crops.builder().and_then(EngineBuilder::device);
        device.unwrap_or(self.config.device)
    }

    /// Returns the processing size, (width, height) in pixels; that of the first crop if there are
    /// several.
    pub fn processing_size(&self) -> (usize, usize) {
        let size = self.crops.builder().map(EngineBuilder::processing);
        size.unwrap_or_default()
    }

    /// Returns the token that ends a running call from another thread.
    pub fn cancel_token(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Returns the counters and times since the session was opened.
    pub fn stats(&self) -> Stats {
        let memory = self.crops.usage();
        Stats {
            memory,
            computing: memory.computing,
            views: self.crops.views(),
            ..self.stats
        }
    }

    /// Returns where frames may be put on the device of the networks, if it is a GPU and nothing needs
    /// their bytes on the host.
    #[doc(hidden)]
    pub fn device_store(&self) -> Option<Arc<dyn DeviceStore>> {
        let store = || self.crops.device_store();
        self.finder.is_none().then(store)?
    }

    /// Returns the memory plan in force as one line.
    pub fn plan(&self) -> Option<String> {
        self.crops.plan()
    }

    /// Takes the decisions about memory since the last call, oldest first.
    pub fn notices(&mut self) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut self.notices);
        for notice in self.crops.notices() {
            // Every crop's engine finds the same device.
            let once = matches!(
                notice,
                Notice::FellBack { .. } | Notice::BudgetCapped { .. }
            );
            if once && self.told.contains(&notice) {
                continue;
            }
            if once {
                self.told.push(notice.clone());
            }
            notices.push(notice);
        }
        notices
    }

    /// Runs a call and measures its time. An error that follows finished frames is returned by the
    /// next call, so that those frames are not lost.
    fn timed(
        &mut self,
        call: impl FnOnce(&mut Self, &mut Vec<InpaintedFrame>) -> Result<(), Error>,
    ) -> Result<Vec<InpaintedFrame>, Error> {
        if let Some(error) = self.deferred.take() {
            return Err(error);
        }
        let deadline = self.time_limit.map(|limit| Deadline {
            tier: self.config.limits.faults.tier(),
            ..Deadline::new(&self.clock, limit)
        });
        self.crops.set_deadline(deadline);
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
                self.deferred = result.err();
                Ok(done)
            }
        }
    }
}

/// Returns the detector of the scene cuts that end the windows of a configuration.
fn detector(config: &Config) -> Option<Detector> {
    (config.mode == Mode::Sliding && config.scene_cuts).then(|| config.detector())
}
