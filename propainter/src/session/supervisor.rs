//! Runs one engine over frames of one size, and replaces it when memory runs out.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use super::{
    canvas::Canvas,
    config::Config,
    engine_builder::{Chosen, EngineBuilder, Networks},
    feather,
    placeholder::PlaceholderEngine,
};
use crate::{
    Cancel, Error, Frame, InpaintedFrame, Mask,
    device::cuda_faults::lost_context,
    effort::Deadline,
    engine::Engine,
    memory::{Notice, Usage},
};

/// One engine and the frames that it holds. Scales frames to processing size and back, and lets
/// another engine start over with the frames held when memory runs out.
pub struct EngineSupervisor {
    config: Config,
    canvas: Canvas,
    /// Dropped before the builder, which then gives the device's memory back.
    engine: Box<dyn Engine>,
    builder: EngineBuilder,
    /// The frames that the engine holds, in order.
    pending: VecDeque<Pending>,
    /// The last mask pushed, and the hole made of it at one processing size.
    last_hole: Option<(Mask, Mask)>,
    notices: Vec<Notice>,
    /// Usage of dropped engines that the engine in use does not include.
    before: Usage,
    cancel: Cancel,
}

/// A frame that the engine holds.
struct Pending {
    /// The frame as it was pushed, if it is needed again: its hole is filled in it, the fill fades
    /// into it, or another engine may start over with it.
    frame: Option<Frame>,
    mask: Option<Mask>,
}

impl EngineSupervisor {
    /// Opens an engine for frames of the configuration's size. Does not read `networks` again
    /// where another engine has them already.
    ///
    /// # Errors
    /// As [`Session::open`](super::Session::open).
    pub fn open(
        config: Config,
        cancel: Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<Self, Error> {
        let (builder, engine) = guarded(|| EngineBuilder::open(&config, &cancel, networks))?;
        Ok(Self {
            canvas: Canvas::of(&config),
            config,
            builder,
            engine,
            pending: VecDeque::new(),
            last_hole: None,
            notices: Vec::new(),
            before: Usage::default(),
            cancel,
        })
    }

    pub fn builder(&self) -> &EngineBuilder {
        &self.builder
    }

    /// Returns the number of later frames that a frame waits for at most.
    pub fn latency_frames(&self) -> usize {
        self.engine.latency_frames()
    }

    /// Returns by how many pixels, at the size pushed, the hole of a finished frame reaches beyond
    /// the mask at most.
    pub fn hole_margin(&self) -> usize {
        // The hole grows at processing size; scaling it back is exact to two of its pixels.
        let (width, _) = self.builder.processing();
        let pixel = self.config.width.div_ceil(width);
        self.config
            .hole_growth()
            .saturating_mul(pixel)
            .saturating_add(2 * pixel)
    }

    /// Returns whether finished frames are valid outside the hole too.
    pub fn returns_whole_frames(&self) -> bool {
        self.config.whole
    }

    /// Sets when the calls to come are due.
    pub fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.engine.set_deadline(deadline);
    }

    /// Lets the next frame begin a scene; returns false if the engine has to be drained first.
    pub fn begin_scene(&mut self) -> bool {
        self.engine.begin_scene()
    }

    pub fn usage(&self) -> Usage {
        let usage = self.engine.usage().after(&self.before);
        Usage {
            degraded: self.builder.degraded().union(usage.degraded),
            ..usage
        }
    }

    /// Returns the plan in force as one line.
    pub fn plan(&self) -> Option<String> {
        let plan = self.engine.plan()?;
        Some(match self.builder.level() {
            Some(level) => format!("{level} {plan}"),
            None => plan,
        })
    }

    /// Takes the notices since the last call, oldest first.
    pub fn notices(&mut self) -> Vec<Notice> {
        self.collect_notices();
        std::mem::take(&mut self.notices)
    }

    /// Takes a frame with its mask, at any size; appends to `done` the frames that became final.
    ///
    /// # Errors
    /// As [`Session::push`](super::Session::push).
    pub fn push(
        &mut self,
        frame: Frame,
        mask: Mask,
        done: &mut Vec<InpaintedFrame>,
    ) -> Result<(), Error> {
        self.admit(&mask, done)?;
        let again = self.builder.may_start_over();
        let scaled = self.config.whole && self.builder.processing() != self.canvas.size();
        let kept = again || scaled || self.config.mask_feather > 0;
        self.pending.push_back(Pending {
            frame: kept.then(|| frame.clone()),
            mask: again.then(|| mask.clone()),
        });
        self.recovering(done, |supervisor, done| supervisor.feed(frame, &mask, done))?;
        self.improve(done)
    }

    /// Ensures that the engine has room for a frame with such a mask. If it has none, all frames
    /// held become final, and an engine at a smaller size replaces it.
    fn admit(&mut self, mask: &Mask, done: &mut Vec<InpaintedFrame>) -> Result<(), Error> {
        loop {
            let hole = self.hole(mask, self.builder.processing());
            let engine = &mut self.engine;
            let error = match guarded(|| engine.admit(&hole)) {
                Err(error @ Error::Budget { .. }) => error,
                result => return result,
            };
            self.drain(done)?;
            let Some(engine) = self.builder.smaller() else {
                return Err(error);
            };
            self.collect_notices();
            self.before = self.engine.usage().after(&self.before);
            self.engine = engine;
        }
    }

    /// Finishes all frames held.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn drain(&mut self, done: &mut Vec<InpaintedFrame>) -> Result<(), Error> {
        loop {
            let before = self.pending.len();
            self.drain_some(done)?;
            if self.pending.is_empty() || self.pending.len() == before {
                return Ok(());
            }
        }
    }

    /// Finishes some of the frames held, if there are any.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn drain_some(&mut self, done: &mut Vec<InpaintedFrame>) -> Result<(), Error> {
        let mut drained = false;
        while !drained {
            // If the engine is replaced, the new one takes up the frames before it is drained.
            self.recovering(done, |supervisor, done| {
                let (engine, cancel) = (&mut supervisor.engine, &supervisor.cancel);
                let finals = guarded(|| engine.drain(cancel))?;
                supervisor.finish(finals, done);
                drained = true;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Takes over the windows of `config`, in which frames wait for fewer later ones; appends to
    /// `done` the frames that became final.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn limit_latency(
        &mut self,
        config: &Config,
        done: &mut Vec<InpaintedFrame>,
    ) -> Result<(), Error> {
        self.config.take_windows(config);
        if let Some(chosen) = self.builder.replan(&self.config)? {
            self.replace(chosen)?;
            return self.recovering(done, Self::feed_all);
        }
        let most = self.config.latency_frames();
        let (engine, cancel) = (&mut self.engine, &self.cancel);
        let finals = guarded(|| engine.limit_latency(most, cancel));
        let finals = self.noting_loss(finals)?;
        self.finish(finals, done);
        Ok(())
    }

    /// Drops all frames held.
    pub fn flush(&mut self) {
        self.engine.flush();
        self.pending.clear();
        self.last_hole = None;
    }

    fn collect_notices(&mut self) {
        let engine = self.engine.notices();
        self.notices.extend(self.builder.notices());
        self.notices.extend(engine);
    }

    /// Runs `step`. If memory runs out and the engine has no smaller plan left, another engine
    /// starts over with all frames held. A device whose context is lost is not used again.
    fn recovering(
        &mut self,
        done: &mut Vec<InpaintedFrame>,
        step: impl FnOnce(&mut Self, &mut Vec<InpaintedFrame>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut result = step(self, done);
        while let Err(Error::OutOfMemory { .. }) = &result {
            let Some(chosen) = self.builder.next_lower() else {
                break;
            };
            result = self.replace(chosen).and_then(|()| self.feed_all(done));
        }
        self.noting_loss(result)
    }

    /// Returns `result`. Notes that the device's context is lost if it says so.
    fn noting_loss<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let (Err(Error::DeviceLost { problem }), Some(device)) = (&result, self.builder.device())
        {
            device.mark_lost(problem);
        }
        result
    }

    /// Returns to a better level if it is time to try one.
    fn improve(&mut self, done: &mut Vec<InpaintedFrame>) -> Result<(), Error> {
        let Some(chosen) = self.builder.better(self.engine.quiet_windows()) else {
            return Ok(());
        };
        let mut replaced = self.replace(chosen);
        let lost = matches!(replaced, Err(Error::DeviceLost { .. }));
        if replaced.is_err()
            && !lost
            && let Some(current) = self.builder.current()
        {
            replaced = self.replace(current);
        }
        self.noting_loss(replaced)?;
        self.recovering(done, Self::feed_all)
    }

    /// Replaces the engine, which is dropped first.
    fn replace(&mut self, chosen: Chosen) -> Result<(), Error> {
        self.collect_notices();
        let usage = self.engine.usage();
        self.engine = Box::new(PlaceholderEngine {
            usage,
            latency_frames: self.engine.latency_frames(),
        });
        let builder = &mut self.builder;
        self.engine = guarded(|| builder.build(chosen, usage))?;
        Ok(())
    }

    /// Pushes all pending frames into the engine.
    fn feed_all(&mut self, done: &mut Vec<InpaintedFrame>) -> Result<(), Error> {
        let frames = self.pending.iter();
        let frames = frames.filter_map(|pending| pending.frame.clone().zip(pending.mask.clone()));
        for (frame, mask) in frames.collect::<Vec<_>>() {
            self.feed(frame, &mask, done)?;
        }
        Ok(())
    }

    fn feed(
        &mut self,
        frame: Frame,
        mask: &Mask,
        done: &mut Vec<InpaintedFrame>,
    ) -> Result<(), Error> {
        let size = self.builder.processing();
        let hole = self.hole(mask, size);
        let small = self.canvas.frame(&frame, size);
        // Freed before the engine needs memory.
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

    /// Returns the dilated hole at processing size. Shares its pixels if the mask has not changed.
    fn hole(&mut self, mask: &Mask, size: (usize, usize)) -> Mask {
        let last = self.last_hole.take();
        let last =
            last.filter(|(last, hole)| (hole.width(), hole.height()) == size && last == mask);
        let growth = self.config.hole_growth();
        let (mask, hole) =
            last.unwrap_or_else(|| (mask.clone(), self.canvas.hole(mask, growth, size)));
        self.last_hole = Some((mask, hole.clone()));
        hole
    }

    /// Scales finished frames to the size at which they go out, and softens the edge.
    fn finish(&mut self, finals: Vec<InpaintedFrame>, done: &mut Vec<InpaintedFrame>) {
        let feather = self.config.mask_feather;
        let full = self.canvas.size();
        let count = finals.len().min(self.pending.len());
        let pending = self.pending.drain(..count);
        for (Pending { frame, .. }, small) in pending.zip(finals) {
            let size = (small.frame.width(), small.frame.height());
            let fades = frame.as_ref().filter(|_| feather > 0).cloned();
            let mut large = match size == full {
                true => small,
                false => self.canvas.compose(frame, &small),
            };
            if let Some(source) = fades {
                let feather = feather::scaled(feather, full, size);
                let picture = self.canvas.picture(full);
                let source = self.canvas.frame(&source, full);
                feather::fade(
                    &source,
                    &mut large.frame,
                    &large.hole,
                    picture.as_ref(),
                    feather,
                );
            }
            done.push(large);
        }
    }
}

/// Runs a step of the engine. Turns a panic of the tensor library, which a failing device causes,
/// into an error; the flush that must follow an error drops the engine's state.
pub fn guarded<T>(step: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let result = panic::catch_unwind(AssertUnwindSafe(step));
    let result = result.unwrap_or_else(|panic| Err(Error::from_panic(&*panic)));
    result.map_err(|error| match error {
        Error::Compute { stage, problem } => match lost_context(&problem) {
            Some(fault) => Error::DeviceLost {
                problem: fault.to_owned(),
            },
            None => Error::Compute { stage, problem },
        },
        other => other,
    })
}
