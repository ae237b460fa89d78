//! The streaming engine: keeps the window of frames and fills them in order.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    blending::compose,
    effort::pace::Pace,
    motion::flow,
    profile::{Stage, timed},
    window::{budget::WindowBudget, footprint::AnalysedHole, frame::WindowFrame},
};
use crate::{
    Cancel, Error, Frame, InpaintedFrame, Mask, Rect,
    effort::Deadline,
    engine::Engine,
    memory::{Notice, Usage},
};

/// The streaming engine behind `model=propagation`.
pub struct ClassicalEngine {
    window: VecDeque<WindowFrame>,
    /// Index in the window of the first frame that is not final.
    next: usize,
    /// The lengths of the window on both sides of the frame being filled, and their memory budget.
    budget: WindowBudget,
    /// The rectangle of the picture if there is a border around it.
    picture: Option<Rect>,
    /// The most recent hole. Consecutive frames often share one, which is then analysed once.
    last_hole: Option<AnalysedHole>,
    /// What the current frame may cost.
    pace: Pace,
    /// The next frame begins a scene.
    begins_scene: bool,
    /// Total time spent while a frame in the window had a hole.
    computing: Duration,
}

impl ClassicalEngine {
    /// Creates an engine with an empty window. `picture` is the rectangle of the picture if there is
    /// a border around it, which is part of every hole.
    pub fn new(budget: WindowBudget, picture: Option<Rect>) -> Self {
        Self {
            window: VecDeque::new(),
            next: 0,
            budget,
            picture,
            last_hole: None,
            pace: Pace::default(),
            begins_scene: false,
            computing: Duration::ZERO,
        }
    }

    /// Returns the analysis of `hole`, reusing the previous one when the hole is unchanged.
    fn analyse(&mut self, hole: &Mask) -> &AnalysedHole {
        let last = self.last_hole.take().filter(|last| last.matches(hole));
        self.last_hole
            .insert(last.unwrap_or_else(|| AnalysedHole::new(hole.clone())))
    }

    /// Chooses the effort of a call by the last hole.
    fn begin(&mut self) {
        let last = self.last_hole.as_ref();
        self.pace
            .begin(last.map_or(0, |last| last.footprint().nodes()));
    }

    /// Runs `step` and adds its duration to `computing` if a frame in the window has a hole.
    fn timed(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<Vec<InpaintedFrame>, Error>,
    ) -> Result<Vec<InpaintedFrame>, Error> {
        let start = Instant::now();
        // The check comes first because the step may drop frames.
        let holes = self.window.iter().any(WindowFrame::has_hole);
        let done = step(self);
        if holes {
            self.computing += start.elapsed();
        }
        done
    }

    /// Estimates the flow between the last two frames in each direction that starts in a frame with
    /// a hole, and detects a scene cut between them.
    fn estimate_flow(&mut self) {
        let last = self.window.len() - 1;
        let before = last.checked_sub(1);
        if let Some(before) = before.filter(|_| self.window[last].scene_cut) {
            self.window[before].pyramid = None;
        }
        let Some(before) = before.filter(|_| !self.window[last].scene_cut) else {
            if self.window[last].has_hole() {
                self.window[last].build_pyramid();
            }
            return;
        };
        let holes = (self.window[before].has_hole(), self.window[last].has_hole());
        if holes.0 || holes.1 {
            timed(Stage::Pyramid, || {
                self.window[before].build_pyramid();
                self.window[last].build_pyramid();
            });
            let predictions = (
                before
                    .checked_sub(1)
                    .and_then(|i| self.window[i].forward.as_ref()),
                self.window[before].backward.as_ref(),
            );
            let pyramids = (&self.window[before].pyramid, &self.window[last].pyramid);
            let (Some(a), Some(b)) = pyramids else {
                return;
            };
            let (forward, backward, scene_cut) = timed(Stage::Flow, || {
                flow::bidirectional(a, b, predictions, self.pace.effort())
            });
            self.window[before].forward = holes.0.then_some(forward);
            self.window[last].backward = holes.1.then_some(backward);
            self.window[last].scene_cut = scene_cut;
        }
        self.window[before].pyramid = None;
    }

    /// Finishes every frame at the front that has seen enough of its future or has no hole.
    fn finish_ready(&mut self, cancel: &Cancel) -> Result<Vec<InpaintedFrame>, Error> {
        let mut done = Vec::new();
        while let Some(next) = self.window.get(self.next)
            && (self.window.len() - self.next > self.budget.window().ahead || !next.has_hole())
        {
            cancel.check()?;
            done.push(self.finish_next(cancel)?);
        }
        Ok(done)
    }

    /// Fills the next frame, then drops the frames that are too old to serve as sources.
    fn finish_next(&mut self, cancel: &Cancel) -> Result<InpaintedFrame, Error> {
        let now = self.next;
        let hole = self.window[now].hole_mask();
        if self.window[now].has_hole() {
            let picture = self.picture.as_ref();
            let effort = self.pace.effort();
            let times = compose::fill_frame(&mut self.window, now, &hole, picture, effort, cancel)?;
            self.pace.filled(times);
        }
        let frame = self.window[now].frame.clone();
        self.next += 1;
        while self.next > self.budget.window().past {
            self.window.pop_front();
            self.next -= 1;
        }
        Ok(InpaintedFrame { frame, hole })
    }

    /// Reports the memory held by the window to the budget.
    fn record_use(&mut self) {
        let bytes = self.window.iter().map(WindowFrame::bytes).sum();
        self.budget.record_use(bytes, self.window.len() - self.next);
    }
}

impl Engine for ClassicalEngine {
    fn admit(&mut self, hole: &Mask) -> Result<(), Error> {
        let footprint = *self.analyse(hole).footprint();
        self.budget.admit(&footprint)
    }

    fn push(
        &mut self,
        frame: Frame,
        hole: Mask,
        cancel: &Cancel,
    ) -> Result<Vec<InpaintedFrame>, Error> {
        cancel.check()?;
        let source_map = timed(Stage::Pyramid, || self.analyse(&hole).source_map());
        let mut frame = WindowFrame::new(frame, source_map);
        frame.scene_cut = std::mem::take(&mut self.begins_scene);
        self.window.push_back(frame);
        self.begin();
        self.timed(|engine| {
            let start = engine.pace.effort().now();
            engine.estimate_flow();
            engine.pace.estimated_flow(start);
            engine.record_use();
            let done = engine.finish_ready(cancel);
            engine.pace.end();
            done
        })
    }

    /// Returns at most one frame a call. All remaining frames at once would take as much memory as
    /// the window itself.
    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<InpaintedFrame>, Error> {
        self.begin();
        self.timed(|engine| {
            let mut done = Vec::new();
            if engine.next < engine.window.len() {
                cancel.check()?;
                done.push(engine.finish_next(cancel)?);
            }
            engine.pace.end();
            if engine.next == engine.window.len() {
                engine.flush();
            }
            Ok(done)
        })
    }

    fn flush(&mut self) {
        self.window.clear();
        self.next = 0;
        self.begins_scene = false;
        self.record_use();
    }

    fn begin_scene(&mut self) -> bool {
        self.begins_scene = !self.window.is_empty();
        true
    }

    fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.pace.set_deadline(deadline);
    }

    fn latency_frames(&self) -> usize {
        self.budget.window().ahead
    }

    fn plan(&self) -> Option<String> {
        Some(self.budget.plan())
    }

    fn limit_latency(
        &mut self,
        frames: usize,
        cancel: &Cancel,
    ) -> Result<Vec<InpaintedFrame>, Error> {
        self.budget.limit_latency(frames);
        self.begin();
        self.timed(|engine| {
            let done = engine.finish_ready(cancel);
            engine.pace.end();
            done
        })
    }

    fn usage(&self) -> Usage {
        Usage {
            computing: self.computing,
            effort: self.pace.stats(),
            ..self.budget.usage()
        }
    }

    fn notices(&mut self) -> Vec<Notice> {
        self.budget.notices()
    }
}
