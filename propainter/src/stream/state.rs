//! The frames and tensors that a stream holds for windows to come.

use std::ops::Range;

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::{
    pixels::{self, PropagatedImage},
    source::Source,
};
use crate::{
    Error, InpaintedFrame,
    kernels::pixels::MaskTensor,
    memory::budget::Plan,
    networks::{
        raft::Features,
        stored::{Placement, StoredTensor},
    },
    schedule::{self, Direction, Holdings, Segment, WindowParams},
};

/// The flows between a frame and the next, `[1, 2, h, w]` each.
pub type FlowPair = schedule::FlowPair<StoredTensor>;
/// The flows of RAFT between a frame and the next, `[1, 2, H, W]` each.
pub type RawFlows = schedule::RawFlows<StoredTensor>;

/// A stream so far; a flush starts a new one.
#[derive(Debug)]
pub struct State {
    /// The features of a propagated frame are `[1, 128, H/4, W/4]`, its tokens
    /// `[1, rows, columns, 512]`.
    pub held: Holdings<Source, PropagatedImage, StoredTensor>,
    /// Index and RAFT features of the frame for which they were computed last.
    pub raft_features: Option<(usize, Features)>,
}

impl State {
    pub fn new(params: WindowParams, segment: Option<&Segment>) -> Self {
        Self {
            held: match segment {
                Some(segment) => Holdings::of_segment(params, segment),
                None => Holdings::new(params),
            },
            raft_features: None,
        }
    }

    /// Returns a flow of RAFT.
    ///
    /// # Errors
    /// [`Error::Compute`] if it was dropped, which the schedule rules out.
    pub fn raw_flow(&self, index: usize, direction: Direction) -> Result<Tensor<4>, Error> {
        let raw = self.held.raw_flows.get(index);
        let kept = match direction {
            Direction::Forward => &raw.forward,
            Direction::Backward => &raw.backward,
        };
        kept.as_ref()
            .map(StoredTensor::get)
            .ok_or_else(|| Error::Compute {
                stage: "flow completion",
                problem: format!("flow {index} is not held any more"),
            })
    }

    /// Returns the completed flows between a frame and the next, forward and backward.
    ///
    /// # Errors
    /// [`Error::Compute`] if they are not held, which the steps of the task rule out.
    pub fn completed_flow(&self, index: usize) -> Result<(&StoredTensor, &StoredTensor), Error> {
        self.held.flow(index).ok_or_else(|| Error::Compute {
            stage: "image propagation",
            problem: format!("flow {index} is not held"),
        })
    }

    /// Returns whether one of these frames has a hole.
    pub fn has_hole(&self, mut frames: Range<usize>) -> bool {
        frames.any(|index| self.held.frames.get(index).has_hole)
    }

    /// Returns the bytes held on the host: frames, masks, and tensors that lie there.
    pub fn host_bytes(&self) -> u64 {
        let held = &self.held;
        let sources = held.frames.iter().map(Source::bytes);
        let raw = held.raw_flows.iter();
        let raw = raw.flat_map(|raw| [&raw.forward, &raw.backward]).flatten();
        let pairs = held.flows.iter().chain(held.quarter_flows.iter()).flatten();
        let pairs = pairs.flat_map(|flow| [&flow.forward, &flow.backward]);
        let generator = held.propagated.iter();
        let generator = generator.flat_map(|p| [&p.features, &p.tokens]).flatten();
        let images = held.propagated.iter().map(|p| p.image.bytes());
        let kept = raw.chain(pairs).chain(&held.half).chain(generator);
        sources
            .chain(images)
            .chain(kept.map(StoredTensor::host_bytes))
            .sum()
    }

    /// Returns the mask of the flow of a frame to complete, `[1, 1, H, W]`.
    pub fn flow_mask(&self, index: usize, device: &Device) -> MaskTensor {
        pixels::mask(&self.held.frames.get(index).flow_hole, device)
    }

    /// Returns masks and missing pixels of the frames `range` at quarter scale, `[1, 2, H/4, W/4]`
    /// each in this data type, and the masks alone as elements.
    pub fn quarter_masks(
        &self,
        range: Range<usize>,
        device: &Device,
        dtype: DType,
    ) -> (Vec<Tensor<4>>, Vec<f32>) {
        let mut pixels = Vec::new();
        let masks = self.held.propagated.range(range).map(|propagated| {
            let [height, width] = propagated.image.quarter_size();
            let both: Vec<_> = propagated.image.quarters().collect();
            pixels.extend_from_slice(&both[..height * width]);
            // Without rows, so that a GPU does not pad them.
            let data = TensorData::new(both, [2 * height * width]);
            let masks: Tensor<1> = Tensor::from_data(data, (device, dtype));
            masks.reshape([1, 2, height, width])
        });
        (masks.collect(), pixels)
    }

    /// Returns frames as they are now.
    pub fn results(&self, frames: Range<usize>) -> Vec<InpaintedFrame> {
        self.held.frames.range(frames).map(Source::result).collect()
    }

    /// Moves the tensors to the host that the plan wants there. Tensors that it wants on the
    /// device come there with time, because new ones are put there.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn move_as_planned(&mut self, plan: &Plan) -> Result<(), Error> {
        let held = &mut self.held;
        if plan.flows == Placement::Host {
            let raw = held.raw_flows.iter_mut();
            let raw = raw
                .flat_map(|raw| [&mut raw.forward, &mut raw.backward])
                .flatten();
            let pairs = held.flows.iter_mut().chain(held.quarter_flows.iter_mut());
            let pairs = pairs.flatten();
            let pairs = pairs.flat_map(|flow| [&mut flow.forward, &mut flow.backward]);
            for flow in raw.chain(pairs).chain(&mut held.half) {
                flow.move_to(Placement::Host)?;
            }
        }
        if plan.features == Placement::Host {
            let generator = held.propagated.iter_mut();
            let generator = generator.flat_map(|p| [&mut p.features, &mut p.tokens]);
            for kept in generator.flatten() {
                kept.move_to(Placement::Host)?;
            }
        }
        Ok(())
    }
}
