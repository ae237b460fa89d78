//! The items that a stream holds between the steps of its tasks.

use std::{mem, ops::Range};

use super::{Schedule, Segment, WindowParams, ring::Ring};

/// The items that a stream holds, and its position in the schedule. The types of the items are
/// parameters: the stream holds frames, propagated images and tensors; the simulation only counts.
#[derive(Debug)]
pub struct Holdings<Frame, Image, Tensor> {
    /// Position in the schedule.
    pub schedule: Schedule,
    /// Source frames.
    pub frames: Ring<Frame>,
    /// Flows of RAFT; item i is between frames i and i + 1.
    pub raw_flows: Ring<RawFlows<Tensor>>,
    /// Forward flows of a completion chunk whose backward flows are not completed yet.
    pub half: Vec<Tensor>,
    /// Completed flows. `None` stands for the flows of RAFT, which are the completed ones where no
    /// frame has a hole.
    pub flows: Ring<Option<FlowPair<Tensor>>>,
    /// Completed flows at quarter scale for the generator; `None` until a task needs them.
    pub quarter_flows: Ring<Option<FlowPair<Tensor>>>,
    /// Frames after image propagation.
    pub propagated: Ring<Propagated<Image, Tensor>>,
    /// End of the frames that were returned.
    sent: usize,
    /// End of the frames before all windows, which are context of a segment.
    first_local: usize,
}

/// The flows of RAFT between a frame and the next. Each is held from when a task needs it until
/// it is completed and no later chunk needs it.
#[derive(Debug)]
pub struct RawFlows<Tensor> {
    /// Flow from the frame to the next.
    pub forward: Option<Tensor>,
    /// Flow from the next frame back to this one.
    pub backward: Option<Tensor>,
}

/// The flows between a frame and the next, in both directions.
#[derive(Debug)]
pub struct FlowPair<Tensor> {
    /// Flow from the frame to the next.
    pub forward: Tensor,
    /// Flow from the next frame back to this one.
    pub backward: Tensor,
}

/// A frame after image propagation, and the generator's encodings of it.
#[derive(Debug)]
pub struct Propagated<Image, Tensor> {
    /// The propagated image.
    pub image: Image,
    /// Held while it may be a local frame.
    pub features: Option<Tensor>,
    /// Held once it is a reference.
    pub tokens: Option<Tensor>,
}

/// The direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a frame to the next.
    Forward,
    /// From a frame to the one before.
    Backward,
}

impl<Tensor> Default for RawFlows<Tensor> {
    fn default() -> Self {
        Self {
            forward: None,
            backward: None,
        }
    }
}

impl<Tensor> RawFlows<Tensor> {
    /// Returns both flows if both are held.
    pub fn both(&self) -> Option<(&Tensor, &Tensor)> {
        self.forward.as_ref().zip(self.backward.as_ref())
    }

    /// Takes both flows if both are held.
    pub fn take(&mut self) -> Option<FlowPair<Tensor>> {
        let (forward, backward) = self.forward.take().zip(self.backward.take())?;
        Some(FlowPair { forward, backward })
    }
}

impl<Frame, Image, Tensor> Holdings<Frame, Image, Tensor> {
    /// Creates the holdings of a stream that has no frame yet.
    pub fn new(params: WindowParams) -> Self {
        Self {
            schedule: Schedule::new(params),
            frames: Ring::default(),
            raw_flows: Ring::default(),
            half: Vec::new(),
            flows: Ring::default(),
            quarter_flows: Ring::default(),
            propagated: Ring::default(),
            sent: 0,
            first_local: 0,
        }
    }

    /// Creates the holdings of a segment that has no frame yet.
    pub fn of_segment(params: WindowParams, segment: &Segment) -> Self {
        let tasks = segment.tasks(params);
        let first = segment.read.start;
        Self {
            schedule: Schedule::of_segment(params, segment),
            frames: Ring::from(first),
            raw_flows: Ring::from(first),
            flows: Ring::from(tasks.completed.start),
            quarter_flows: Ring::from(tasks.propagated.start),
            propagated: Ring::from(tasks.propagated.start),
            sent: first,
            first_local: tasks.first_local,
            ..Self::new(params)
        }
    }

    /// Returns the indices of the new frames that are local in no window, and marks them as
    /// returned.
    pub fn finish_context(&mut self) -> Range<usize> {
        let end = self.frames.indices().end.min(self.first_local);
        self.finish(end.max(self.sent))
    }

    /// Returns the completed flows between a frame and the next, forward and backward, if they are
    /// held.
    pub fn flow(&self, index: usize) -> Option<(&Tensor, &Tensor)> {
        if let Some(flow) = self.flows.find(index)?.as_ref() {
            return Some((&flow.forward, &flow.backward));
        }
        // There was nothing to complete.
        self.raw_flows.find(index)?.both()
    }

    /// Drops the completed flows that a chunk replaces: they saw less of the future.
    pub fn begin_completion(&mut self, keep: &Range<usize>) {
        self.flows.take_from(keep.start);
        self.quarter_flows.take_from(keep.start);
    }

    /// Keeps the flows of RAFT as the completed ones, where no frame has a hole.
    pub fn keep_raw_flows(&mut self, keep: &Range<usize>) {
        keep.clone().for_each(|_| self.flows.push(None));
    }

    /// Takes the forward flows of a completion chunk.
    pub fn half_complete(&mut self, forward: Vec<Tensor>) {
        self.half = forward;
        self.release_raw_flows(Direction::Forward);
    }

    /// Takes the backward flows of a completion chunk, which is complete then.
    pub fn finish_completion(&mut self, backward: Vec<Tensor>) {
        self.release_raw_flows(Direction::Backward);
        let forward = mem::take(&mut self.half);
        for (forward, backward) in forward.into_iter().zip(backward) {
            self.flows.push(Some(FlowPair { forward, backward }));
        }
    }

    /// Drops the flows of RAFT in one direction that no chunk after the present one needs.
    fn release_raw_flows(&mut self, direction: Direction) {
        let needed = self.schedule.needed().raw_flows;
        for index in self.raw_flows.indices().take_while(|&i| i < needed) {
            // It may stand for a completed flow, too.
            if matches!(self.flows.find(index), Some(None)) {
                continue;
            }
            let raw = self.raw_flows.get_mut(index);
            match direction {
                Direction::Forward => raw.forward = None,
                Direction::Backward => raw.backward = None,
            }
        }
    }

    /// Returns the indices of the flows between the propagated frames up to `keep` that are not at
    /// quarter scale yet.
    pub fn flows_to_scale(&self, keep: &Range<usize>) -> Range<usize> {
        self.quarter_flows.indices().end..keep.end - 1
    }

    /// Takes propagated images, which replace all from `start` on. The features of an image that
    /// is the same as before, as `same` decides, stay.
    pub fn replace_propagated(
        &mut self,
        start: usize,
        images: Vec<Image>,
        same: impl Fn(&Image, &Image) -> bool,
    ) {
        let mut earlier = self.propagated.take_from(start).into_iter();
        for image in images {
            let earlier = earlier.next();
            let earlier = earlier.filter(|earlier| same(&earlier.image, &image));
            self.propagated.push(Propagated {
                image,
                features: earlier.and_then(|earlier| earlier.features),
                tokens: None,
            });
        }
    }

    /// Takes the tokens of a frame, and drops its features if it is local in no later window.
    pub fn put_tokens(&mut self, index: usize, tokens: Tensor) {
        let local = self.schedule.needed().features;
        let propagated = self.propagated.get_mut(index);
        propagated.tokens = Some(tokens);
        if index < local {
            propagated.features = None;
        }
    }

    /// Returns the encoded frames that are local in no later window, but may be references.
    pub fn leaving(&self) -> Vec<usize> {
        let local = self.schedule.needed().features;
        let leaving = self.propagated.indices().take_while(|&i| i < local);
        let encoded = leaving.filter(|&i| self.propagated.get(i).features.is_some());
        encoded.filter(|&i| self.schedule.refers_later(i)).collect()
    }

    /// Returns the indices of the frames before `end` that were not returned yet, and marks them
    /// as returned.
    pub fn finish(&mut self, end: usize) -> Range<usize> {
        mem::replace(&mut self.sent, end)..end
    }

    /// Drops the items that no later task needs.
    pub fn release(&mut self) {
        let needed = self.schedule.needed();
        for index in self
            .raw_flows
            .indices()
            .take_while(|&i| i < needed.raw_flows)
        {
            // Where there was nothing to complete, it becomes the completed flow.
            if let Some(flow @ None) = self.flows.find_mut(index) {
                *flow = self.raw_flows.get_mut(index).take();
            }
        }
        self.raw_flows.release_before(needed.raw_flows);
        self.flows.release_before(needed.flows);
        self.quarter_flows.release_before(needed.quarter_flows);
        self.propagated.release_before(needed.propagated);
        for index in self
            .propagated
            .indices()
            .take_while(|&i| i < needed.features)
        {
            self.propagated.get_mut(index).features = None;
        }
        let oldest = needed.raw_flows.min(needed.frames);
        let oldest = oldest.min(needed.quarter_flows).min(self.sent);
        self.frames.release_before(oldest);
    }
}
