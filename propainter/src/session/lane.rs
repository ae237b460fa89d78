//! Pictures of one size through one engine, and through another one where memory runs out.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use super::{
    Config, feather,
    idle::Idle,
    networks_builder::{Chosen, Networks},
    workshop::Workshop,
};
use crate::{
    Cancel, Done, Error, Frame, Mask,
    engine::Engine,
    memory::{Notice, Usage},
    resize,
};

pub struct Lane {
    config: Config,
    workshop: Workshop,
    engine: Box<dyn Engine>,
    /// Of the frames that the engine holds, in order.
    unsent: VecDeque<Unsent>,
    /// The last mask that came, and the hole that the engine saw for it at a size.
    hole: Option<(Mask, Mask)>,
    notices: Vec<Notice>,
    /// What engines that are gone have done, as far as the next one does not know.
    before: Usage,
    cancel: Cancel,
}

/// A frame that is not out yet.
struct Unsent {
    /// As it was pushed, where it is needed once more: its hole is to be filled in it, or fades
    /// into it, or another engine may have to begin with it anew.
    frame: Option<Frame>,
    mask: Option<Mask>,
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
            hole: None,
            notices: Vec::new(),
            before: Usage::default(),
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
        let usage = self.engine.usage().after(&self.before);
        Usage {
            degraded: self.workshop.degraded().union(usage.degraded),
            ..usage
        }
    }

    /// The plan at work, in one line.
    pub fn plan(&self) -> Option<String> {
        let plan = self.engine.plan()?;
        Some(match self.workshop.level() {
            Some(level) => format!("{level} {plan}"),
            None => plan,
        })
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        self.gather();
        std::mem::take(&mut self.notices)
    }

    /// Takes a picture with its hole, of any size; adds to `done` what became final.
    pub fn push(&mut self, frame: Frame, mask: Mask, done: &mut Vec<Done>) -> Result<(), Error> {
        self.admit(&mask, done)?;
        let pushed = (frame.width(), frame.height());
        let again = self.workshop.may_begin_anew();
        let scaled = self.config.whole && self.workshop.processing() != pushed;
        let kept = again || scaled || self.config.mask_feather > 0;
        self.unsent.push_back(Unsent {
            frame: kept.then(|| frame.clone()),
            mask: again.then(|| mask.clone()),
        });
        self.recovering(done, |lane, done| lane.feed(frame, &mask, done))?;
        self.improve(done)
    }

    /// Sees to it that the engine has room for a frame with such a hole. Where it has not, all
    /// that it holds becomes final, and one at a smaller size follows.
    fn admit(&mut self, mask: &Mask, done: &mut Vec<Done>) -> Result<(), Error> {
        loop {
            let hole = self.hole(mask, self.workshop.processing());
            let engine = &mut self.engine;
            let error = match guarded(|| engine.admit(&hole)) {
                Err(error @ Error::Budget { .. }) => error,
                result => return result,
            };
            self.drain(done)?;
            let Some(engine) = self.workshop.smaller() else {
                return Err(error);
            };
            self.gather();
            self.before = self.engine.usage().after(&self.before);
            self.engine = engine;
        }
    }

    /// All pictures that are held become final.
    pub fn drain(&mut self, done: &mut Vec<Done>) -> Result<(), Error> {
        loop {
            let before = self.unsent.len();
            self.drain_some(done)?;
            if self.unsent.is_empty() || self.unsent.len() == before {
                return Ok(());
            }
        }
    }

    /// Some of them do, if there are any.
    pub fn drain_some(&mut self, done: &mut Vec<Done>) -> Result<(), Error> {
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
        if let Some(chosen) = self.workshop.plan_anew(&self.config)? {
            self.change(chosen)?;
            return self.recovering(done, Self::feed_all);
        }
        let most = self.config.look_ahead();
        let (engine, cancel) = (&mut self.engine, &self.cancel);
        let finals = guarded(|| engine.limit_look_ahead(most, cancel))?;
        self.finish(finals, done);
        Ok(())
    }

    pub fn flush(&mut self) {
        self.engine.flush();
        self.unsent.clear();
        self.hole = None;
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
        let frames = self.unsent.iter();
        let frames = frames.filter_map(|unsent| unsent.frame.clone().zip(unsent.mask.clone()));
        for (frame, mask) in frames.collect::<Vec<_>>() {
            self.feed(frame, &mask, done)?;
        }
        Ok(())
    }

    fn feed(&mut self, frame: Frame, mask: &Mask, done: &mut Vec<Done>) -> Result<(), Error> {
        let size = self.workshop.processing();
        let hole = self.hole(mask, size);
        let small = resize::to_processing(&frame, size);
        // What comes next takes memory, too.
        drop(frame);
        let (engine, cancel) = (&mut self.engine, &self.cancel);
        let faults = &self.config.limits.faults;
        let finals = guarded(|| {
            faults.frame(cancel)?;
            engine.push(small, hole, cancel)
        })?;
        self.finish(finals, done);
        Ok(())
    }

    /// The hole at processing size, grown; the same one for the same mask.
    fn hole(&mut self, mask: &Mask, (width, height): (usize, usize)) -> Mask {
        let last = self.hole.take().filter(|(last, hole)| {
            (hole.width(), hole.height()) == (width, height) && last == mask
        });
        let growth = self.config.mask_dilation;
        let growth = growth.saturating_add(self.config.mask_feather);
        let (mask, hole) = last.unwrap_or_else(|| {
            let hole = mask.resized(width, height).dilated(growth);
            (mask.clone(), hole)
        });
        self.hole = Some((mask, hole.clone()));
        hole
    }

    /// Brings finals to the size at which they were pushed, with a soft edge.
    fn finish(&mut self, finals: Vec<Done>, done: &mut Vec<Done>) {
        let feather = self.config.mask_feather;
        let pushed = (self.config.width, self.config.height);
        let unsent = self.unsent.drain(..finals.len().min(self.unsent.len()));
        for (Unsent { frame, .. }, small) in unsent.zip(finals) {
            let size = (small.frame.width(), small.frame.height());
            let fades = frame.as_ref().filter(|_| feather > 0).cloned();
            let mut large = if size == pushed {
                small
            } else {
                // Without it, nothing outside the hole is asked for.
                let nothing = || Frame::new(pushed.0, pushed.1, vec![0; 3 * pushed.0 * pushed.1]);
                let source = frame.unwrap_or_else(nothing);
                let (frame, hole) = resize::compose(source, &small.frame, &small.hole);
                Done { frame, hole }
            };
            if let Some(source) = fades {
                let feather = feather::scaled(feather, pushed, size);
                feather::fade(&source, &mut large.frame, &large.hole, feather);
            }
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
