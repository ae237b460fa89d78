//! Frames through the engine as one picture, or as crops around their holes.
//!
//! A crop keeps its size and stays where it is as long as its hole has context around it; it goes
//! with a hole that moves, which the networks see as a pan. Where the crops do not hold all holes
//! any more, what they hold is finished and others take their place; those begin with the last
//! frames that went out, holes filled, so that they have a past.

mod boxes;
mod layout;
mod pixels;

use std::{collections::VecDeque, mem, sync::Arc};

pub use self::layout::LEAST;
use self::{
    boxes::Rect,
    layout::{Crop, Placed},
    pixels::{cut, cut_mask, put_together},
};
use super::{Config, Roi, lane::Lane, networks_builder::Networks, workshop::Workshop};
use crate::{
    Cancel, Done, Error, Frame, Mask,
    memory::{Notice, Usage},
};

/// Bytes of frames that are kept for the past of crops to come, at most.
const PAST: usize = 128 << 20;

/// Crops at once, at most.
const MOST: usize = 4;

pub struct Crops {
    config: Config,
    cancel: Cancel,
    /// Whether frames are seen in crops, or whole.
    cropped: bool,
    /// Never empty but while others are opened.
    views: Vec<View>,
    waiting: VecDeque<Waiting>,
    /// What went out last, of this scene.
    past: VecDeque<Frame>,
    /// Most frames of it that are kept; none where frames are seen whole.
    behind: usize,
    notices: Vec<Notice>,
    /// What engines that are gone have taken and done.
    before: Usage,
}

/// A crop and its engine.
struct View {
    crop: Crop,
    lane: Lane,
    /// Finals to come that nobody waits for: those of the past.
    skip: usize,
    finals: VecDeque<Done>,
}

/// A frame that is not out yet, and where each view saw which of its holes.
struct Waiting {
    /// Where all of it is asked for, or it may be the past of crops to come.
    frame: Option<Frame>,
    seen: Vec<(Rect, Vec<Rect>)>,
}

impl Crops {
    /// Opens one engine: for whole frames, or for crops of the least size. `networks` that are
    /// there are not read again.
    pub fn open(
        mut config: Config,
        cancel: Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<Self, Error> {
        let cropped = config.roi == Roi::Crops;
        let behind = match cropped {
            true => past(&mut config),
            false => 0,
        };
        let mut crops = Self {
            behind,
            config,
            cancel,
            cropped,
            views: Vec::new(),
            waiting: VecDeque::new(),
            past: VecDeque::new(),
            notices: Vec::new(),
            before: Usage::default(),
        };
        let placed = crops.lay_out(&[], MOST);
        crops.arrange(placed, networks)?;
        // The device that was found is the one for engines to come.
        if let Some(device) = crops.workshop().and_then(Workshop::device) {
            crops.config.device = device;
        }
        Ok(crops)
    }

    /// Takes a frame with its mask, of any size; adds to `done` what became final.
    pub fn push(&mut self, frame: Frame, mask: &Mask, done: &mut Vec<Done>) -> Result<(), Error> {
        if !self.cropped {
            let whole = self.views[0].crop.rect;
            return self.push_to_views(frame, mask, vec![(whole, vec![whole])], done);
        }
        let size = (frame.width(), frame.height());
        let mask = match (mask.width(), mask.height()) == size {
            true => mask.clone(),
            false => mask.resized(size.0, size.1),
        };
        let growth = self.config.mask_dilation;
        let growth = growth.saturating_add(self.config.mask_feather);
        let mut holes = boxes::holes(&mask);
        for hole in &mut holes {
            *hole = hole.grown(growth, size);
        }
        if !self.follow(&holes) {
            self.drain(done)?;
            self.cover(&holes)?;
        }
        let mut seen = self.assign(&holes);
        for (view, (_, own)) in self.views.iter().zip(&mut seen) {
            // The hole grows at processing size, and back at the frame's it may be coarse.
            let processing = view.lane.workshop().processing();
            let coarse = view.crop.rect.width.div_ceil(processing.0);
            for hole in own {
                *hole = hole.grown(growth.saturating_mul(coarse - 1) + 2 * coarse, size);
            }
        }
        self.push_to_views(frame, &mask, seen, done)
    }

    /// All frames that are held become final.
    pub fn drain(&mut self, done: &mut Vec<Done>) -> Result<(), Error> {
        self.drain_views(Lane::drain, done)
    }

    /// Some of them do. Whether none is left.
    pub fn drain_some(&mut self, done: &mut Vec<Done>) -> Result<bool, Error> {
        self.drain_views(Lane::drain_some, done)?;
        Ok(self.waiting.is_empty())
    }

    fn drain_views(
        &mut self,
        drain: fn(&mut Lane, &mut Vec<Done>) -> Result<(), Error>,
        done: &mut Vec<Done>,
    ) -> Result<(), Error> {
        for view in &mut self.views {
            let mut finals = Vec::new();
            let drained = drain(&mut view.lane, &mut finals);
            view.take(finals);
            drained?;
        }
        self.send(done);
        Ok(())
    }

    /// As [`drain`](Self::drain); what comes then has no past.
    pub fn end_scene(&mut self, done: &mut Vec<Done>) -> Result<(), Error> {
        self.drain(done)?;
        self.past.clear();
        Ok(())
    }

    pub fn flush(&mut self) {
        for view in &mut self.views {
            view.flush();
        }
        self.waiting.clear();
        self.past.clear();
    }

    pub fn look_ahead(&self) -> usize {
        let views = self.views.iter().map(|view| view.lane.look_ahead());
        views.max().unwrap_or(0)
    }

    /// Makes frames wait for no more than the look-ahead of `config`, which is that of the
    /// settings so far but for its windows; adds to `done` what became final.
    pub fn limit_look_ahead(&mut self, config: &Config, done: &mut Vec<Done>) -> Result<(), Error> {
        self.config = config.clone();
        for view in &mut self.views {
            let mut finals = Vec::new();
            let limited = view.lane.limit_look_ahead(config, &mut finals);
            view.take(finals);
            limited?;
        }
        self.send(done);
        Ok(())
    }

    /// How many pictures a frame is seen in.
    pub fn views(&self) -> usize {
        self.views.len()
    }

    /// What built the first engine; they are all alike. `None` where the last opening failed.
    pub fn workshop(&self) -> Option<&Workshop> {
        Some(self.views.first()?.lane.workshop())
    }

    pub fn plan(&self) -> Option<String> {
        let plans = self.views.iter().filter_map(|view| view.lane.plan());
        plans.reduce(|plans, plan| format!("{plans}; {plan}"))
    }

    pub fn usage(&self) -> Usage {
        let views = self.views.iter().map(|view| view.lane.usage());
        let now = views.reduce(Usage::beside).unwrap_or_default();
        now.after(&self.before)
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        for view in &mut self.views {
            self.notices.extend(view.lane.notices());
        }
        mem::take(&mut self.notices)
    }

    fn lay_out(&self, holes: &[Rect], most: usize) -> Vec<Placed> {
        if self.cropped {
            return layout::lay_out(&self.config, holes, most);
        }
        vec![Placed {
            crop: Crop::whole(&self.config),
            holes: holes.to_vec(),
        }]
    }

    /// Moves the crops along with their holes. False where some hole is in none of them then.
    fn follow(&mut self, holes: &[Rect]) -> bool {
        let size = (self.config.width, self.config.height);
        let views = self.views.iter().zip(self.assign(holes));
        let moved: Option<Vec<_>> = views
            .map(|(view, (_, own))| match around(&own) {
                Some(hole) => view.crop.following(&hole, size),
                None => Some(view.crop),
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

    /// For each view its place and the holes that are its own: each goes to the one that shows
    /// most of it, or to the nearest.
    fn assign(&self, holes: &[Rect]) -> Vec<(Rect, Vec<Rect>)> {
        let mut seen: Vec<_> = self.views.iter().map(|v| (v.crop.rect, vec![])).collect();
        for &hole in holes {
            let distance = |rect: &Rect| {
                let middle = |r: &Rect| (2 * r.x + r.width, 2 * r.y + r.height);
                let (a, b) = (middle(rect), middle(&hole));
                a.0.abs_diff(b.0) + a.1.abs_diff(b.1)
            };
            let rank = |(rect, _): &&mut (Rect, Vec<Rect>)| {
                (usize::MAX - rect.shared(&hole), distance(rect))
            };
            if let Some((_, own)) = seen.iter_mut().min_by_key(rank) {
                own.push(hole);
            }
        }
        seen
    }

    /// Takes crops that hold these holes; in one where several are too much for the budget.
    fn cover(&mut self, holes: &[Rect]) -> Result<(), Error> {
        let placed = self.lay_out(holes, MOST);
        let several = placed.len() > 1;
        let networks = self.workshop().and_then(Workshop::networks);
        match self.arrange(placed, networks.clone()) {
            Err(Error::Budget { .. }) if several => {
                let placed = self.lay_out(holes, 1);
                self.arrange(placed, networks)
            }
            result => result,
        }
    }

    /// Opens what is not open yet, and begins with the past. Nothing may be held.
    fn arrange(
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
            self.before = view.lane.usage().after(&self.before);
        }
        // Their memory goes before more is asked for; the networks stay.
        drop(old);
        let mut views = Vec::with_capacity(kept.len());
        for (crop, kept) in kept {
            let mut view = match kept {
                Some(view) => View { crop, ..view },
                None => View::open(&config, crop, &self.cancel, networks.clone())?,
            };
            view.flush();
            views.push(view);
        }
        self.views = views;
        self.remember()
    }

    /// Shows the past to views that are new.
    fn remember(&mut self) -> Result<(), Error> {
        for view in &mut self.views {
            for frame in &self.past {
                let rect = view.crop.rect;
                let whole = Mask::empty(rect.width, rect.height);
                view.skip += 1;
                view.push(cut(frame, &rect), whole)?;
            }
        }
        Ok(())
    }

    fn push_to_views(
        &mut self,
        frame: Frame,
        mask: &Mask,
        seen: Vec<(Rect, Vec<Rect>)>,
        done: &mut Vec<Done>,
    ) -> Result<(), Error> {
        let places: Vec<_> = seen.iter().map(|(rect, _)| *rect).collect();
        let whole = self.config.whole && self.cropped;
        self.waiting.push_back(Waiting {
            frame: (whole || self.behind > 0).then(|| frame.clone()),
            seen,
        });
        let before = self.waiting.len().checked_sub(self.behind + 1);
        if let Some(before) = before.filter(|_| !whole) {
            // Enough have come after it: it will not be the past of anything.
            self.waiting[before].frame = None;
        }
        if self.cropped {
            for (view, rect) in self.views.iter_mut().zip(places) {
                view.push(cut(&frame, &rect), cut_mask(mask, &rect))?;
            }
        } else {
            self.views[0].push(frame, mask.clone())?;
        }
        self.send(done);
        Ok(())
    }

    /// Gives out what is final in all views.
    fn send(&mut self, done: &mut Vec<Done>) {
        while self.views.iter().all(|view| !view.finals.is_empty()) {
            let Some(Waiting { frame, seen }) = self.waiting.pop_front() else {
                return;
            };
            let finals = self.views.iter_mut().filter_map(|v| v.finals.pop_front());
            let finals: Vec<_> = seen.into_iter().zip(finals).collect();
            let known = frame.is_some();
            let size = (self.config.width, self.config.height);
            // What is seen whole comes back whole, where that is asked for.
            let all = |rect: &Rect| self.config.whole && (rect.width, rect.height) == size;
            let frame = frame.filter(|_| !finals.iter().all(|((rect, _), _)| all(rect)));
            let out = put_together(frame, size, finals);
            match known && self.cropped {
                true => self.past.push_back(out.frame.clone()),
                // What went out before is not the last any more.
                false => self.past.clear(),
            }
            while self.past.len() > self.behind {
                self.past.pop_front();
            }
            done.push(out);
        }
    }
}

impl View {
    fn open(
        config: &Config,
        crop: Crop,
        cancel: &Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<Self, Error> {
        let config = Config {
            width: crop.rect.width,
            height: crop.rect.height,
            processing_width: Some(crop.processing.0),
            processing_height: Some(crop.processing.1),
            ..config.clone()
        };
        Ok(Self {
            crop,
            lane: Lane::open(config, cancel.clone(), networks)?,
            skip: 0,
            finals: VecDeque::new(),
        })
    }

    fn push(&mut self, frame: Frame, mask: Mask) -> Result<(), Error> {
        let mut finals = Vec::new();
        let pushed = self.lane.push(frame, mask, &mut finals);
        self.take(finals);
        pushed
    }

    fn take(&mut self, finals: Vec<Done>) {
        let skipped = self.skip.min(finals.len());
        self.skip -= skipped;
        self.finals.extend(finals.into_iter().skip(skipped));
    }

    fn flush(&mut self) {
        self.lane.flush();
        self.finals.clear();
        self.skip = 0;
    }
}

/// Frames of the past that crops keep, which are taken off the budget.
fn past(config: &mut Config) -> usize {
    let bytes = 3 * config.width * config.height;
    let most = match config.limits.host_budget {
        0 => PAST,
        budget => PAST.min(usize::try_from(budget / 8).unwrap_or(PAST)),
    };
    let behind = config.subvideo_length.saturating_sub(config.look_ahead());
    let frames = behind.max(1).min(most / bytes);
    // What went out, and what may be the past once it has.
    config.limits.outside.always += (2 * frames * bytes) as u64;
    frames
}

/// The smallest rectangle around all.
fn around(holes: &[Rect]) -> Option<Rect> {
    holes.iter().copied().reduce(|a, b| a.around(&b))
}
