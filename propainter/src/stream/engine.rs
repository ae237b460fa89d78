//! The engine of the networks over a stream.

use std::sync::Arc;

use super::{
    border::FlowHoles, executor::Executor, networks::Networks, source::Source, state::State,
};
use crate::{
    Cancel, Error, Frame, InpaintedFrame, Mask, Rect,
    engine::Engine,
    memory::{Notice, Usage, budget::Guard},
    schedule::{Segment, WindowParams},
};

/// Runs the networks over a stream. With the windows of the official procedure its result is,
/// frame by frame, that of the procedure for the whole clip (spec section 7).
pub struct StreamEngine {
    executor: Executor,
    params: WindowParams,
    flow_holes: FlowHoles,
    /// The part of a clip that the stream is; `None` if it is a clip.
    segment: Option<Segment>,
}

impl StreamEngine {
    /// Creates an engine. `picture` is the rectangle of the picture if there is a border around it,
    /// which is part of every hole.
    pub fn new(
        networks: Arc<Networks>,
        guard: Guard,
        params: WindowParams,
        segment: Option<Segment>,
        raft_iterations: usize,
        picture: Option<Rect>,
    ) -> Self {
        let state = State::new(params, segment.as_ref());
        Self {
            flow_holes: FlowHoles::new(picture),
            executor: Executor::new(networks, guard, raft_iterations, state),
            params,
            segment,
        }
    }

    fn take(
        &mut self,
        frame: Frame,
        hole: Mask,
        cancel: &Cancel,
    ) -> Result<Vec<InpaintedFrame>, Error> {
        let executor = &mut self.executor;
        let flow_hole = self.flow_holes.of(&hole);
        let frames = &mut executor.state.held.frames;
        let index = frames.indices().end;
        let before = (!frames.is_empty()).then(|| index - 1);
        frames.push(Source::new(frame, hole, flow_hole));
        // Flows next to a hole will be needed; computed now, their time is spread over the frames.
        let needed = executor.state.has_hole(before.unwrap_or(index)..index + 1);
        match before {
            Some(_) => {
                executor.state.held.raw_flows.push(Default::default());
                if needed {
                    executor.raft_flows_put_off(index, cancel)?;
                }
            }
            None if needed && executor.guard.plan().frame_pairs() == 1 => {
                executor.hold_raft_features(index, cancel)?;
            }
            None => {}
        }
        executor.state.held.schedule.push();
        let context = executor.state.held.finish_context();
        let mut done = executor.state.results(context);
        done.extend(executor.run_tasks(cancel)?);
        Ok(done)
    }

    fn finish(&mut self, cancel: &Cancel) -> Result<Vec<InpaintedFrame>, Error> {
        self.executor.state.held.schedule.end();
        let mut done = self.executor.run_tasks(cancel)?;
        // Sliding windows may have finished before the end was known.
        let state = &mut self.executor.state;
        let end = state.held.frames.indices().end;
        let rest = state.held.finish(end);
        done.extend(state.results(rest));
        self.flush();
        Ok(done)
    }
}

impl Engine for StreamEngine {
    fn push(
        &mut self,
        frame: Frame,
        hole: Mask,
        cancel: &Cancel,
    ) -> Result<Vec<InpaintedFrame>, Error> {
        let networks = self.executor.networks.clone();
        networks.stream.enter(|| self.take(frame, hole, cancel))
    }

    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<InpaintedFrame>, Error> {
        let networks = self.executor.networks.clone();
        networks.stream.enter(|| self.finish(cancel))
    }

    fn flush(&mut self) {
        self.executor.state = State::new(self.params, self.segment.as_ref());
        self.executor.guard.flush();
    }

    fn latency_frames(&self) -> usize {
        self.params.latency_frames()
    }

    fn plan(&self) -> Option<String> {
        Some(self.executor.guard.plan().to_string())
    }

    fn usage(&self) -> Usage {
        self.executor.guard.usage()
    }

    fn quiet_windows(&self) -> u32 {
        self.executor.guard.quiet()
    }

    fn notices(&mut self) -> Vec<Notice> {
        self.executor.guard.notices()
    }
}
