//! Pictures of one size through one engine, and through another one where memory runs out.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use super::{Config, feather, idle::Idle, workshop::Workshop};
use crate::{
    Cancel, Done, Error, Frame, Mask,
    engine::Engine,
    memory::{Notice, Usage, planner::Chosen},
    resize,
    windows::Networks,
};

pub struct Lane {
    config: Config,
    workshop: Workshop,
    engine: Box<dyn Engine>,
    /// Frames the engine holds: another engine may have to begin with them anew.
    unsent: VecDeque<(Frame, Mask)>,
    notices: Vec<Notice>,
    cancel: Cancel,
}

impl Lane {
    /// Opens an engine for pictures of the configuration's size; `networks` that
    /// another engine has are not read again.
    ///
    /// # Errors
    /// As [`Session::open_unless`](super::Session::open_unless).
    pub fn open(
        config: Config,
        cancel: Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<Self, Error> {
        let (workshop, engine) = guarded(|| Workshop::open(&config, &cancel, networks))?;
        Ok(Self {
            config,
            workshop,
            engine,
            unsent: VecDeque::new(),
            notices: Vec::new(),
            cancel,
        })
    }

    pub fn workshop(&self) -> &Workshop {
        &self.workshop
    }

    pub fn look_ahead(&self) -> usize {
        self.engine.look_ahead()
    }

    pub fn usage(&self) -> Usage {
        Usage {
            degraded: self.workshop.degraded(),
            ..self.engine.usage()
        }
    }

    /// The plan at work, in one line.
    pub fn plan(&self) -> Option<String> {
        let plan = self.engine.plan()?;
        Some(format!("{} {plan}", self.workshop.level()?))
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        self.gather();
        std::mem::take(&mut self.notices)
    }

    /// Takes a picture with its hole, of any size; adds to `done` what became final.
    pub fn push(&mut self, frame: Frame, mask: Mask, done: &mut Vec<Done>) -> Result<(), Error> {
        self.unsent.push_back((frame.clone(), mask.clone()));
        self.recovering(done, |lane, done| lane.feed(&frame, &mask, done))?;
        self.improve(done)
    }

    /// All pictures that are held become final.
    pub fn drain(&mut self, done: &mut Vec<Done>) -> Result<(), Error> {
        let mut drained = false;
        while !drained {
            // Another engine, where one has to follow, takes the frames up first.
            self.recovering(done, |lane, done| {
                let (engine, cancel) = (&mut lane.engine, &lane.cancel);
                let finals = guarded(|| engine.drain(cancel))?;
                lane.finish(finals, done);
                drained = true;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Takes the windows of `config`, in which frames wait for fewer later ones; adds to `done` what
    /// became final.
    pub fn limit_look_ahead(&mut self, config: &Config, done: &mut Vec<Done>) -> Result<(), Error> {
        self.config.take_windows(config);
        let most = self.config.look_ahead();
        let (engine, cancel) = (&mut self.engine, &self.cancel);
        if let Some(finals) = guarded(|| engine.limit_look_ahead(most, cancel))? {
            self.finish(finals, done);
            return Ok(());
        }
        match self.workshop.plan_anew(&self.config)? {
            Some(chosen) => self.change(chosen)?,
            None => return Ok(()),
        }
        self.recovering(done, Self::feed_all)
    }

    pub fn flush(&mut self) {
        self.engine.flush();
        self.unsent.clear();
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

    /// Gives all frames that were not sent to the engine.
    fn feed_all(&mut self, done: &mut Vec<Done>) -> Result<(), Error> {
        let frames: Vec<_> = self.unsent.iter().cloned().collect();
        for (frame, mask) in &frames {
            self.feed(frame, mask, done)?;
        }
        Ok(())
    }

    fn feed(&mut self, frame: &Frame, mask: &Mask, done: &mut Vec<Done>) -> Result<(), Error> {
        let size @ (width, height) = self.workshop.processing();
        let growth = self.config.mask_dilation;
        let growth = growth.saturating_add(self.config.mask_feather);
        let hole = mask.resized(width, height).dilated(growth);
        let frame = resize::to_processing(frame, size);
        let (engine, cancel) = (&mut self.engine, &self.cancel);
        let faults = &self.config.limits.faults;
        let finals = guarded(|| {
            faults.frame(cancel)?;
            engine.push(frame, hole, cancel)
        })?;
        self.finish(finals, done);
        Ok(())
    }

    /// Brings finals to the size at which they were pushed, with a soft edge.
    fn finish(&mut self, finals: Vec<Done>, done: &mut Vec<Done>) {
        let feather = self.config.mask_feather;
        let sources = self.unsent.drain(..finals.len());
        for ((source, _), small) in sources.zip(finals) {
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
pub fn guarded<T>(step: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let result = panic::catch_unwind(AssertUnwindSafe(step));
    result.unwrap_or_else(|panic| Err(Error::from_panic(&*panic)))
}
