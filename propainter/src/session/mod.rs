//! The one door: frames and masks in, inpainted frames out.

mod config;
mod feather;
mod idle;
mod stats;
mod stop_gap;
mod workshop;

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    time::Instant,
};

pub use config::{Config, Mode, Model};
pub use stats::Stats;
pub use stop_gap::stop_gap;

use crate::{
    Cancel, DeviceChoice, Done, Error, Frame, Mask,
    engine::Engine,
    memory::{Notice, Usage, planner::Chosen},
    resize,
    scene_cuts::Detector,
};
use idle::Idle;
use workshop::Workshop;

/// A frame as it was pushed.
#[derive(Clone)]
struct Pushed {
    frame: Frame,
    mask: Mask,
    /// Whether a scene begins with it: what was before is final first, and not looked at.
    cut: bool,
}

/// A stream being inpainted: push frames with their masks, get final frames back, one for
/// one and in order.
pub struct Session {
    config: Config,
    workshop: Workshop,
    engine: Box<dyn Engine>,
    /// Frames the engine holds: another engine may have to begin with them anew.
    unsent: VecDeque<Pushed>,
    /// Where scene cuts end windows.
    cuts: Option<Detector>,
    notices: Vec<Notice>,
    /// An error that came after frames that were final: told at the next call.
    failed: Option<Error>,
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
        config::check(&config)?;
        config.limits.faults.opening(&cancel)?;
        let (workshop, engine) = guarded(|| Workshop::open(&config, &cancel))?;
        let cuts = (config.mode == Mode::Sliding && config.scene_cuts)
            .then(|| Detector::new(config.scene_threshold, config.shortest_scene()));
        Ok(Self {
            config,
            workshop,
            engine,
            unsent: VecDeque::new(),
            cuts,
            notices: Vec::new(),
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
            let cut = cuts.is_some_and(|cuts| cuts.begins(&frame, mask));
            session.stats.scene_cuts += u64::from(cut);
            let pushed = Pushed {
                frame,
                mask: mask.clone(),
                cut,
            };
            session.unsent.push_back(pushed.clone());
            session.recovering(done, |session, done| session.feed(&pushed, done))?;
            session.improve(done)
        })
    }

    /// End of stream: all frames still held.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn drain(&mut self) -> Result<Vec<Done>, Error> {
        self.timed(|session, done| {
            let mut drained = false;
            while !drained {
                // Another engine, where one has to follow, takes the frames up first.
                session.recovering(done, |session, done| {
                    session.settle(done)?;
                    drained = true;
                    Ok(())
                })?;
            }
            if let Some(cuts) = &mut session.cuts {
                cuts.flush();
            }
            Ok(())
        })
    }

    /// Forgets everything held; ready for a new start. Also clears the cancel token.
    pub fn flush(&mut self) {
        self.engine.flush();
        self.unsent.clear();
        if let Some(cuts) = &mut self.cuts {
            cuts.flush();
        }
        self.stats.held = 0;
        self.failed = None;
        self.cancel.reset();
    }

    /// Most frames held before the first comes out: frame i is out when frame
    /// i + look-ahead has been pushed. Less where a shorter window was planned.
    pub fn look_ahead(&self) -> usize {
        self.engine.look_ahead()
    }

    /// The engine at work: never [`Model::Auto`].
    pub fn model(&self) -> Model {
        self.workshop.model()
    }

    /// The device that the networks run on, by its name; as it was set for the weights-free
    /// engine.
    pub fn device(&self) -> DeviceChoice {
        self.workshop.device().unwrap_or(self.config.device)
    }

    /// Size the engine works at, (width, height).
    pub fn processing_size(&self) -> (usize, usize) {
        self.workshop.processing()
    }

    /// The token that ends a running call from another thread.
    pub fn cancel_token(&self) -> Cancel {
        self.cancel.clone()
    }

    pub fn stats(&self) -> Stats {
        let usage = self.engine.usage();
        Stats {
            memory: Usage {
                degraded: self.workshop.degraded(),
                ..usage
            },
            computing: usage.computing,
            ..self.stats
        }
    }

    /// The plan at work, in one line; none for the weights-free engine.
    pub fn plan(&self) -> Option<String> {
        let plan = self.engine.plan()?;
        Some(format!("{} {plan}", self.workshop.level()?))
    }

    /// What was decided about memory since the last call, oldest first.
    pub fn notices(&mut self) -> Vec<Notice> {
        self.gather();
        std::mem::take(&mut self.notices)
    }

    fn gather(&mut self) {
        let engine = self.engine.notices();
        self.notices.extend(self.workshop.notices());
        self.notices.extend(engine);
    }

    /// Does `step`; where the engine has no smaller plan left, begins anew with another one and
    /// all frames it held.
    fn recovering(
        &mut self,
        done: &mut Vec<Done>,
        step: impl FnOnce(&mut Self, &mut Vec<Done>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut result = step(self, done);
        while let Err(Error::OutOfMemory { .. }) = &result {
            let Some(chosen) = self.workshop.worse() else {
                break;
            };
            result = self.change(chosen).and_then(|()| self.feed_all(done));
        }
        result
    }

    /// Goes back to a better level, where it is time to.
    fn improve(&mut self, done: &mut Vec<Done>) -> Result<(), Error> {
        let Some(chosen) = self.workshop.better(self.engine.calm()) else {
            return Ok(());
        };
        let mut changed = self.change(chosen);
        if changed.is_err()
            && let Some(same) = self.workshop.same()
        {
            changed = self.change(same);
        }
        changed?;
        self.recovering(done, Self::feed_all)
    }

    /// Another engine instead of the one at work, which goes first.
    fn change(&mut self, chosen: Chosen) -> Result<(), Error> {
        self.gather();
        let usage = self.engine.usage();
        self.engine = Box::new(Idle {
            usage,
            look_ahead: self.engine.look_ahead(),
        });
        let workshop = &mut self.workshop;
        self.engine = guarded(|| workshop.build(chosen, usage))?;
        Ok(())
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
        self.stats.busy += start.elapsed();
        match result {
            Err(error) if done.is_empty() => Err(error),
            result => {
                self.failed = result.err();
                Ok(done)
            }
        }
    }

    /// Gives all frames that were not sent to the engine; scenes end where they did.
    fn feed_all(&mut self, done: &mut Vec<Done>) -> Result<(), Error> {
        let frames: Vec<_> = self.unsent.iter().cloned().collect();
        for pushed in &frames {
            self.feed(pushed, done)?;
        }
        Ok(())
    }

    fn feed(&mut self, pushed: &Pushed, done: &mut Vec<Done>) -> Result<(), Error> {
        if pushed.cut {
            self.settle(done)?;
        }
        let size @ (width, height) = self.workshop.processing();
        let growth = self.config.mask_dilation;
        let growth = growth.saturating_add(self.config.mask_feather);
        let hole = pushed.mask.resized(width, height).dilated(growth);
        let frame = resize::to_processing(&pushed.frame, size);
        let (engine, cancel) = (&mut self.engine, &self.cancel);
        let faults = &self.config.limits.faults;
        let finals = guarded(|| {
            faults.frame(cancel)?;
            engine.push(frame, hole, cancel)
        })?;
        self.finish(finals, done);
        Ok(())
    }

    /// All frames the engine holds become final; it begins anew.
    fn settle(&mut self, done: &mut Vec<Done>) -> Result<(), Error> {
        let (engine, cancel) = (&mut self.engine, &self.cancel);
        let finals = guarded(|| engine.drain(cancel))?;
        self.finish(finals, done);
        Ok(())
    }

    /// Brings finals to the size at which they were pushed, with a soft edge.
    fn finish(&mut self, finals: Vec<Done>, done: &mut Vec<Done>) {
        self.stats.frames_out += finals.len() as u64;
        self.stats.held -= finals.len();
        let feather = self.config.mask_feather;
        let sources = self.unsent.drain(..finals.len());
        for (Pushed { frame: source, .. }, small) in sources.zip(finals) {
            self.stats.untouched += u64::from(small.hole.is_empty());
            let pushed = (source.width(), source.height());
            let size = (small.frame.width(), small.frame.height());
            let mut large = if size == pushed {
                small
            } else {
                let (frame, hole) = resize::compose(source.clone(), &small.frame, &small.hole);
                Done { frame, hole }
            };
            let feather = feather::scaled(feather, pushed, size);
            feather::fade(&source, &mut large.frame, &large.hole, feather);
            done.push(large);
        }
    }
}

/// Runs a step of the engine. The tensor library panics where a device fails; that ends here
/// as an error, and the engine's state is forgotten by the flush that must follow.
fn guarded<T>(step: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let result = panic::catch_unwind(AssertUnwindSafe(step));
    result.unwrap_or_else(|panic| Err(Error::from_panic(&*panic)))
}
