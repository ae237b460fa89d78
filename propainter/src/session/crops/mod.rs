//! Processes frames whole, or as crops around their holes.
//!
//! A crop keeps its size, and stays in place as long as its hole has context around it. It follows
//! a hole that moves; to the networks this looks like a pan. When the crops no longer contain all
//! holes, their frames are finished and other crops replace them. Those begin with the last frames
//! that were returned, so that they have a history.

mod bounding_boxes;
mod history;
mod layout;
mod pixels;
mod view;

use std::{collections::VecDeque, mem, sync::Arc};

pub use self::{
    bounding_boxes::bounding_boxes,
    layout::{MAX_CROPS, MIN_SIZE, lay_out},
};
use self::{
    history::History,
    layout::{Crop, Placed},
    pixels::{assemble, crop, crop_mask},
    view::View,
};
use super::{
    config::{Config, CropMode},
    engine_builder::{EngineBuilder, Networks},
    supervisor::EngineSupervisor,
};
use crate::{
    Cancel, Error, Frame, InpaintedFrame, Mask, Rect,
    effort::Deadline,
    frame::device::DeviceStore,
    memory::{Notice, Usage},
};

/// The views of a stream and the frames that they hold.
pub struct Crops {
    config: Config,
    cancel: Cancel,
    /// Whether frames are processed in crops, or whole.
    cropped: bool,
    /// Never empty except while other views are opened.
    views: Vec<View>,
    pending: VecDeque<Pending>,
    /// The last frames of the scene that were returned; none if frames are processed whole.
    history: History,
    notices: Vec<Notice>,
    /// When the current call is due.
    deadline: Option<Deadline>,
    /// The next frame begins a scene.
    begins_scene: bool,
    /// Usage of engines that were dropped.
    before: Usage,
}

/// A frame that is held, and for each view its rectangle and its holes.
struct Pending {
    /// The source, if all of it is asked for or if it may become history.
    frame: Option<Frame>,
    seen: Vec<(Rect, Vec<Rect>)>,
    /// The frames before it are no history of those after it.
    begins_scene: bool,
}

impl Crops {
    /// Opens one engine: for whole frames, or for crops of the minimum size. Does not read
    /// `networks` again.
    ///
    /// # Errors
    /// As [`Session::open`](super::Session::open).
    pub fn open(
        mut config: Config,
        cancel: Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<Self, Error> {
        // A border is around the whole frame.
        let cropped = config.crop_mode == CropMode::Crops && config.border.is_empty();
        let history = match cropped {
            true => History::reserve(&mut config),
            false => History::default(),
        };
        let mut crops = Self {
            history,
            config,
            cancel,
            cropped,
            views: Vec::new(),
            pending: VecDeque::new(),
            notices: Vec::new(),
            deadline: None,
            begins_scene: false,
            before: Usage::default(),
        };
        let placed = crops.lay_out(&[], MAX_CROPS);
        let opened = crops.open_views(placed, networks);
        opened.map_err(|error| crops.history.with_enough(error))?;
        // Later engines use the device that was found.
        if let Some(device) = crops.builder().and_then(EngineBuilder::device) {
            crops.config.device = device;
        }
        Ok(crops)
    }

    /// Sets when the call to come is due.
    pub fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
    }

    /// Takes a frame with its mask, at any size; appends to `done` the frames that became final.
    ///
    /// # Errors
    /// As [`Session::push`](super::Session::push).
    pub fn push(
        &mut self,
        frame: Frame,
        mask: &Mask,
        done: &mut Vec<InpaintedFrame>,
    ) -> Result<(), Error> {
        let pushed = self.push_frame(frame, mask, done);
        pushed.map_err(|error| self.history.with_enough(error))
    }

    fn push_frame(
        &mut self,
        frame: Frame,
        mask: &Mask,
        done: &mut Vec<InpaintedFrame>,
    ) -> Result<(), Error> {
        if !self.cropped {
            let whole = self.views[0].crop.rect.clone();
            return self.push_to_views(frame, mask, vec![(whole.clone(), vec![whole])], done);
        }
        let (width, height) = (frame.width(), frame.height());
        let mask = match (mask.width(), mask.height()) == (width, height) {
            true => mask.clone(),
            false => mask.resized(width, height),
        };
        let growth = self.config.hole_growth();
        let mut holes = bounding_boxes(&mask);
        for hole in &mut holes {
            *hole = hole.grown(growth, [height, width]);
        }
        if !self.follow(&holes) {
            self.drain(done)?;
            self.cover(&holes)?;
        }
        let mut seen = self.assign(&holes);
        for (view, (_, own)) in self.views.iter().zip(&mut seen) {
            // The bounding boxes have grown by a part of the margin already.
            let margin = view.supervisor.hole_margin().saturating_sub(growth);
            for hole in own {
                *hole = hole.grown(margin, [height, width]);
            }
        }
        self.push_to_views(frame, &mask, seen, done)
    }

    /// Finishes all frames held.
    ///
    /// # Errors
    /// As [`Session::push`](super::Session::push).
    pub fn drain(&mut self, done: &mut Vec<InpaintedFrame>) -> Result<(), Error> {
        self.run_all(done, EngineSupervisor::drain)
    }

    /// Finishes some of the frames held. Returns whether none is left.
    ///
    /// # Errors
    /// As [`Session::push`](super::Session::push).
    pub fn drain_some(&mut self, done: &mut Vec<InpaintedFrame>) -> Result<bool, Error> {
        self.run_all(done, EngineSupervisor::drain_some)?;
        Ok(self.pending.is_empty())
    }

    /// Finishes all frames held; the frames to come have no history.
    ///
    /// # Errors
    /// As [`Session::push`](super::Session::push).
    pub fn end_scene(&mut self, done: &mut Vec<InpaintedFrame>) -> Result<(), Error> {
        self.drain(done)?;
        self.history.clear();
        Ok(())
    }

    /// Lets the next frame begin a scene. The frames held stay, unless the engines have to be
    /// drained first.
    ///
    /// # Errors
    /// As [`Session::push`](super::Session::push).
    pub fn begin_scene(&mut self, done: &mut Vec<InpaintedFrame>) -> Result<(), Error> {
        // All engines are of one kind.
        let mut views = self.views.iter_mut();
        if !views.all(|view| view.supervisor.begin_scene()) {
            return self.end_scene(done);
        }
        self.begins_scene = true;
        Ok(())
    }

    /// Limits the latency to that of `config`, which differs from the settings so far only in its
    /// windows; appends to `done` the frames that became final.
    ///
    /// # Errors
    /// As [`Session::push`](super::Session::push).
    pub fn limit_latency(
        &mut self,
        config: &Config,
        done: &mut Vec<InpaintedFrame>,
    ) -> Result<(), Error> {
        self.config = config.clone();
        self.run_all(done, |supervisor, finals| {
            supervisor.limit_latency(config, finals)
        })
    }

    /// Runs a call of every view's supervisor and returns the frames that become final.
    fn run_all(
        &mut self,
        done: &mut Vec<InpaintedFrame>,
        call: impl Fn(&mut EngineSupervisor, &mut Vec<InpaintedFrame>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let count = self.views.len();
        for (i, view) in self.views.iter_mut().enumerate() {
            view.set_deadline(self.deadline.as_ref(), i, count);
            view.run(&call)?;
        }
        self.send(done);
        Ok(())
    }

    /// Drops all frames held and the history.
    pub fn flush(&mut self) {
        for view in &mut self.views {
            view.flush();
        }
        self.pending.clear();
        self.history.clear();
        self.begins_scene = false;
    }

    /// Returns the number of later frames that a frame waits for at most.
    pub fn latency_frames(&self) -> usize {
        let views = self.views.iter().map(|v| v.supervisor.latency_frames());
        views.max().unwrap_or(0)
    }

    /// Returns the number of views that a frame is processed in.
    pub fn views(&self) -> usize {
        self.views.len()
    }

    /// Returns the builder of the first engine; the others are alike. `None` if the last opening
    /// failed.
    pub fn builder(&self) -> Option<&EngineBuilder> {
        Some(self.views.first()?.supervisor.builder())
    }

    /// Returns where frames may be put on the device of the networks; `None` if their bytes are needed on
    /// the host.
    pub fn device_store(&self) -> Option<Arc<dyn DeviceStore>> {
        let (config, builder) = (&self.config, self.builder()?);
        let unscaled = self.cropped || builder.processing() == (config.width, config.height);
        let stays = unscaled && !config.whole && config.frames_may_stay_on_device();
        builder.networks().filter(|_| stays)?.device_store()
    }

    pub fn plan(&self) -> Option<String> {
        let plans = self.views.iter().filter_map(|view| view.supervisor.plan());
        plans.reduce(|plans, plan| format!("{plans}; {plan}"))
    }

    pub fn usage(&self) -> Usage {
        let views = self.views.iter().map(|view| view.supervisor.usage());
        let now = views.reduce(Usage::beside).unwrap_or_default();
        now.after(&self.before)
    }

    /// Takes the notices since the last call, oldest first.
    pub fn notices(&mut self) -> Vec<Notice> {
        for view in &mut self.views {
            self.notices.extend(view.supervisor.notices());
        }
        mem::take(&mut self.notices)
    }

    fn lay_out(&self, holes: &[Rect], max: usize) -> Vec<Placed> {
        if self.cropped {
            return layout::lay_out(&self.config, holes, max);
        }
        vec![Placed {
            crop: Crop::whole(&self.config),
            holes: holes.to_vec(),
        }]
    }

    /// Moves the crops along with their holes. Returns false, and moves nothing, if they cannot
    /// contain all holes.
    fn follow(&mut self, holes: &[Rect]) -> bool {
        let size = (self.config.width, self.config.height);
        let views = self.views.iter().zip(self.assign(holes));
        let moved: Option<Vec<_>> = views
            .map(|(view, (_, own))| match around(&own) {
                Some(hole) => view.crop.following(&hole, size),
                None => Some(view.crop.clone()),
            })
            .collect();
        let Some(moved) = moved.filter(|moved| !moved.is_empty()) else {
            return false;
        };
        for (view, crop) in self.views.iter_mut().zip(moved) {
            view.crop = crop;
        }
        true
    }

    /// Returns for each view its rectangle and its own holes: each hole goes to the view that
    /// shows most of it, or to the nearest.
    fn assign(&self, holes: &[Rect]) -> Vec<(Rect, Vec<Rect>)> {
        let views = self.views.iter();
        let mut seen: Vec<_> = views.map(|v| (v.crop.rect.clone(), vec![])).collect();
        for hole in holes {
            let distance = |rect: &Rect| {
                let doubled_middle =
                    |r: &Rect| [&r.columns, &r.rows].map(|side| side.start + side.end);
                let (a, b) = (doubled_middle(rect), doubled_middle(hole));
                a[0].abs_diff(b[0]) + a[1].abs_diff(b[1])
            };
            let rank = |(rect, _): &&mut (Rect, Vec<Rect>)| {
                let shown = rect.intersection(hole).pixels();
                (usize::MAX - shown, distance(rect))
            };
            if let Some((_, own)) = seen.iter_mut().min_by_key(rank) {
                own.push(hole.clone());
            }
        }
        seen
    }

    /// Opens crops that contain these holes; a single one if several exceed the budget.
    fn cover(&mut self, holes: &[Rect]) -> Result<(), Error> {
        let placed = self.lay_out(holes, MAX_CROPS);
        let several = placed.len() > 1;
        let networks = self.builder().and_then(EngineBuilder::networks);
        match self.open_views(placed, networks.clone()) {
            Err(Error::Budget { .. }) if several => {
                let placed = self.lay_out(holes, 1);
                self.open_views(placed, networks)
            }
            result => result,
        }
    }

    /// Opens the views that are not open yet, and shows the history to all. No frame may be held.
    fn open_views(
        &mut self,
        placed: Vec<Placed>,
        networks: Option<Arc<Networks>>,
    ) -> Result<(), Error> {
        self.notices = self.notices();
        let several = placed.len() as u64;
        let share = |budget: u64| budget.div_ceil(several);
        let mut config = self.config.clone();
        config.limits.vram_budget = share(config.limits.vram_budget);
        config.limits.host_budget = share(config.limits.host_budget);
        config.limits.outside = config.limits.outside.share(several);
        let mut old = mem::take(&mut self.views);
        let same_share = old.len() == placed.len();
        let fits = |view: &View, crop: &Crop| same_share && view.crop.is_alike(crop);
        let kept: Vec<_> = placed
            .into_iter()
            .map(|Placed { crop, .. }| {
                let place = old.iter().position(|view| fits(view, &crop));
                (crop, place.map(|place| old.swap_remove(place)))
            })
            .collect();
        for view in &old {
            self.before = view.supervisor.usage().after(&self.before);
        }
        // Freed before the new engines allocate; the networks stay.
        drop(old);
        let mut views = Vec::with_capacity(kept.len());
        for (crop, kept) in kept {
            views.push(match kept {
                Some(mut view) => {
                    view.crop = crop;
                    view.flush();
                    view
                }
                None => View::open(&config, crop, &self.cancel, networks.clone())?,
            });
        }
        self.views = views;
        for view in &mut self.views {
            for frame in self.history.iter() {
                view.push_history(crop(frame, &view.crop.rect))?;
            }
        }
        Ok(())
    }

    fn push_to_views(
        &mut self,
        frame: Frame,
        mask: &Mask,
        seen: Vec<(Rect, Vec<Rect>)>,
        done: &mut Vec<InpaintedFrame>,
    ) -> Result<(), Error> {
        let rects: Vec<_> = seen.iter().map(|(rect, _)| rect.clone()).collect();
        let whole = self.config.whole && self.cropped;
        self.pending.push_back(Pending {
            frame: (whole || self.history.capacity() > 0).then(|| frame.clone()),
            seen,
            begins_scene: mem::take(&mut self.begins_scene),
        });
        let before = self.pending.len().checked_sub(self.history.capacity() + 1);
        if let Some(before) = before.filter(|_| !whole) {
            // Enough frames follow it: it will not become history.
            self.pending[before].frame = None;
        }
        self.history.make_room(self.pending.len());
        let deadline = self.deadline.as_ref();
        if self.cropped {
            let count = self.views.len();
            let views = self.views.iter_mut().zip(rects).enumerate();
            for (i, (view, rect)) in views {
                view.set_deadline(deadline, i, count);
                view.push(crop(&frame, &rect), crop_mask(mask, &rect))?;
            }
        } else {
            self.views[0].set_deadline(deadline, 0, 1);
            self.views[0].push(frame, mask.clone())?;
        }
        self.send(done);
        Ok(())
    }

    /// Returns the frames that are final in all views.
    fn send(&mut self, done: &mut Vec<InpaintedFrame>) {
        let size = (self.config.width, self.config.height);
        while self.views.iter().all(|view| !view.finals.is_empty()) {
            let Some(Pending {
                frame,
                seen,
                begins_scene,
            }) = self.pending.pop_front()
            else {
                return;
            };
            if begins_scene {
                self.history.clear();
            }
            // A view of the whole frame may have kept the pixels outside the hole itself.
            let mut views = self.views.iter().zip(&seen);
            let complete = views.all(|(view, (rect, _))| {
                view.supervisor.returns_whole_frames() && rect.size() == [size.1, size.0]
            });
            let finals = self.views.iter_mut().filter_map(|v| v.finals.pop_front());
            let finals = seen.into_iter().zip(finals).collect();
            let known = frame.is_some();
            let out = assemble(frame.filter(|_| !complete), size, finals);
            match known && self.cropped {
                true => self.history.push(out.frame.clone()),
                // The frames before an unknown one are not the last ones any more.
                false => self.history.clear(),
            }
            done.push(out);
        }
    }
}

/// Returns the smallest rectangle around all.
fn around(holes: &[Rect]) -> Option<Rect> {
    holes.iter().cloned().reduce(|a, b| a.union(&b))
}
