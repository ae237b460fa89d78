//! The engine of the networks over a stream.

use std::sync::Arc;

use super::{executor::Executor, networks::Networks, source::Source, state::State};
use crate::{
    Cancel, Error, Frame, InpaintedFrame, Mask,
    engine::Engine,
    memory::{Notice, Usage, planning::Guard},
    schedule::WindowParams,
};

/// Runs the networks over a stream. With the windows of the official procedure its result is,
/// frame by frame, that of the procedure for the whole clip (spec section 7).
pub struct StreamEngine {
    executor: Executor,
    params: WindowParams,
}

impl StreamEngine {
    pub fn new(
        networks: Arc<Networks>,
        guard: Guard,
        params: WindowParams,
        raft_iterations: usize,
    ) -> Self {
        Self {
            executor: Executor::new(networks, guard, raft_iterations, State::new(params)),
            params,
        }
    }

    fn take(
        &mut self,
        frame: Frame,
        hole: Mask,
        cancel: &Cancel,
    ) -> Result<Vec<InpaintedFrame>, Error> {
        let executor = &mut self.executor;
        let index = executor.state.held.frames.indices().end;
        executor.state.held.frames.push(Source::new(frame, hole));
        let before = index.checked_sub(1);
        // Flows next to a hole will be needed; computed now, their time is spread over the frames.
        let needed = executor.state.has_hole(before.unwrap_or(0)..index + 1);
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
        executor.run_tasks(cancel)
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
        self.executor.state = State::new(self.params);
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
