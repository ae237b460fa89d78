//! Runs one stage of the networks over the items held. Changes no state, so that a stage that
//! fails can run again.

use std::ops::Range;

use burn::tensor::{DType, Tensor};

use super::{
    networks::Networks,
    pixels::{self, Patch, Patches, PropagatedImage, PropagatedImages},
    state::{FlowPair, RawFlows, State},
};
use crate::{
    Cancel, Error, Frame, Rect,
    kernels::{
        concat::concat,
        flow_input::{combine_area, masked_flows},
        pixels::MaskTensor,
        quarter_flow::quarter_flow,
    },
    memory::budget::Plan,
    networks::{
        flow_completion::{ChunkSize, Video},
        generator::{Flows, Generated, GeneratorInput, QuarterScaleInputs},
        image_propagation::propagate,
        raft::Features,
        stored::{self, StoredTensor},
    },
    schedule::{Direction, ScaledFlows, Window},
};

/// The networks with a memory plan, and a token that cancels the stage.
#[derive(Clone, Copy)]
pub struct StageRunner<'a> {
    pub networks: &'a Networks,
    pub plan: Plan,
    pub cancel: &'a Cancel,
}

/// Every method checks the token first.
///
/// # Errors
/// [`Error::Compute`] if the device fails; [`Error::Cancelled`].
impl StageRunner<'_> {
    /// Computes RAFT's features of frames.
    pub fn features(&self, frames: &[&Frame]) -> Result<Vec<Features>, Error> {
        let Networks { raft, device, .. } = self.networks;
        let mut features = Vec::with_capacity(frames.len());
        for frames in frames.chunks(self.plan.frame_pairs()) {
            self.cancel.check()?;
            let frames = frames.iter().map(|frame| pixels::frame(frame, device));
            features.extend(raft.encode_all(concat(frames.collect())));
        }
        let parts = features.iter();
        let parts = parts.flat_map(|features| [&features.map, &features.hidden, &features.context]);
        stored::settle_tensors(parts)?;
        Ok(features)
    }

    /// Computes the flows between each of these frames and the next with RAFT.
    pub fn flows(&self, frames: &[Features], iterations: usize) -> Result<Vec<RawFlows>, Error> {
        let pairs: Vec<_> = frames.windows(2).collect();
        let mut flows = Vec::with_capacity(pairs.len());
        for pairs in pairs.chunks(self.plan.frame_pairs()) {
            let forward = pairs.iter().map(|pair| (&pair[0], &pair[1]));
            let backward = pairs.iter().map(|pair| (&pair[1], &pair[0]));
            let both: Vec<_> = forward.chain(backward).collect();
            let mut forward = self.one_way_flows(&both, iterations)?;
            let backward = forward.split_off(pairs.len());
            let both = forward.into_iter().zip(backward);
            flows.extend(both.map(|(forward, backward)| RawFlows {
                forward: Some(forward),
                backward: Some(backward),
            }));
        }
        Ok(flows)
    }

    /// Computes the flow of each pair of frames, from the first to the second.
    fn one_way_flows(
        &self,
        pairs: &[(&Features, &Features)],
        iterations: usize,
    ) -> Result<Vec<StoredTensor>, Error> {
        let mut flows = Vec::with_capacity(pairs.len());
        for pairs in pairs.chunks(self.plan.pairs) {
            let raft = &self.networks.raft;
            let mut estimate = raft.start(pairs, self.plan.correlation);
            for _ in 0..iterations {
                self.cancel.check()?;
                estimate = raft.refine(estimate);
            }
            let computed = raft.finish(&estimate);
            drop(estimate);
            for i in 0..pairs.len() {
                let flow = computed.clone().narrow(0, i, 1);
                flows.push(StoredTensor::put(flow, self.plan.flows)?);
            }
        }
        stored::settle(&flows)?;
        Ok(flows)
    }

    /// Completes the flows `run` in these directions, at once, and returns the flows `keep` of each
    /// direction.
    pub fn complete(
        &self,
        state: &State,
        run: Range<usize>,
        keep: Range<usize>,
        directions: &[Direction],
    ) -> Result<Vec<Vec<StoredTensor>>, Error> {
        let ways = directions.iter().map(|&direction| OneWay {
            runner: *self,
            state,
            run: run.clone(),
            keep: keep.clone(),
            direction,
        });
        let ways: Vec<_> = ways.collect();
        let wanted: Vec<_> = ways.iter().map(OneWay::wanted).collect();
        let input = |way| move |range| OneWay::input(way, range);
        let inputs: Vec<_> = ways.iter().map(input).collect();
        let mut completed: Vec<Vec<Option<StoredTensor>>> = Vec::new();
        completed.resize_with(ways.len(), || keep.clone().map(|_| None).collect());
        let outputs = ways.iter().zip(&wanted).zip(&mut completed);
        let outputs = outputs.map(|((way, wanted), completed)| {
            move |t: usize, predicted: Tensor<4>| -> Result<(), Error> {
                let flow = way.combine(t, predicted, &wanted[t])?;
                completed[way.index(t) - way.keep.start] = Some(flow);
                Ok(())
            }
        });
        let mut outputs: Vec<_> = outputs.collect();
        let videos = inputs.iter().zip(&wanted).zip(&mut outputs);
        let videos = videos.map(|((input, wanted), output)| Video {
            input,
            wanted,
            output,
        });
        let mut videos: Vec<_> = videos.collect();
        let chunk_size = ChunkSize {
            frames: self.plan.completion_frames,
            placement: self.plan.features,
        };
        let network = &self.networks.completion;
        network.predict_all(&mut videos, chunk_size, self.cancel)?;
        let kept = ways.iter().zip(completed).map(|(way, completed)| {
            let kept = completed.into_iter().zip(keep.clone());
            let kept = kept.map(|(completed, index)| match completed {
                Some(completed) => Ok(completed),
                None => StoredTensor::put(state.raw_flow(index, way.direction)?, self.plan.flows),
            });
            kept.collect::<Result<Vec<_>, Error>>()
        });
        let kept: Vec<_> = kept.collect::<Result<_, Error>>()?;
        stored::settle(kept.iter().flatten())?;
        Ok(kept)
    }

    /// Propagates the frames `run` and returns the frames `keep`. If `seeded`, the first frame of
    /// `run` is taken as it was propagated before.
    pub fn propagate(
        &self,
        state: &State,
        run: Range<usize>,
        keep: Range<usize>,
        seeded: bool,
    ) -> Result<Vec<PropagatedImage>, Error> {
        let device = &self.networks.device;
        let held = &state.held;
        let frame = |t: usize| {
            if seeded && t == 0 {
                let image = &held.propagated.get(run.start).image;
                let [image, _, missing] = image.tensors(device, DType::F32);
                return (image, missing);
            }
            let source = held.frames.get(run.start + t);
            pixels::known(&source.frame, &source.hole, device)
        };
        let pairs = run.start..run.end - 1;
        let completed: Result<Vec<_>, Error> = pairs.map(|i| state.completed_flow(i)).collect();
        let completed = completed?;
        let flows = |t: usize| {
            let (forward, backward) = completed[t];
            (forward.get(), backward.get())
        };
        let mut propagated = PropagatedImages::new();
        let mut output = |t: usize, image, missing| {
            if keep.contains(&(run.start + t)) {
                let source = held.frames.get(run.start + t);
                propagated.push((&source.frame, &source.hole), image, missing)?;
            }
            Ok(())
        };
        propagate(
            run.len(),
            self.plan.features,
            self.cancel,
            &frame,
            &flows,
            &mut output,
        )?;
        propagated.finish()
    }

    /// Scales the completed flows `range` to a quarter, as far as they are held.
    pub fn scale_flows(
        &self,
        state: &State,
        range: Range<usize>,
    ) -> Result<ScaledFlows<StoredTensor>, Error> {
        let held = range.map(|i| state.held.flow(i));
        let scaled = held.map(|flow| flow.map(|flow| self.scale(flow)).transpose());
        let scaled: ScaledFlows<StoredTensor> = scaled.collect::<Result<_, Error>>()?;
        let flows = scaled.iter().flatten();
        stored::settle(flows.flat_map(|flow| [&flow.forward, &flow.backward]))?;
        Ok(scaled)
    }

    /// Scales the completed flows between two frames, forward and backward, to a quarter.
    pub fn scale_flow(&self, flow: (&StoredTensor, &StoredTensor)) -> Result<FlowPair, Error> {
        let scaled = self.scale(flow)?;
        stored::settle([&scaled.forward, &scaled.backward])?;
        Ok(scaled)
    }

    fn scale(
        &self,
        (forward, backward): (&StoredTensor, &StoredTensor),
    ) -> Result<FlowPair, Error> {
        self.cancel.check()?;
        let scaled =
            |flow: &StoredTensor| StoredTensor::put(quarter_flow(flow.get()), self.plan.flows);
        Ok(FlowPair {
            forward: scaled(forward)?,
            backward: scaled(backward)?,
        })
    }

    /// Computes the generator's features of a propagated frame.
    pub fn encode(&self, state: &State, index: usize) -> Result<StoredTensor, Error> {
        self.cancel.check()?;
        let Networks {
            generator, device, ..
        } = self.networks;
        let dtype = self.networks.numbers.tensor_dtype();
        let image = &state.held.propagated.get(index).image;
        let features = generator.encode_joined(image.joined(device, dtype), self.plan.strips());
        let features = StoredTensor::put(features, self.plan.features)?;
        stored::settle([&features])?;
        Ok(features)
    }

    /// Computes the tokens of an encoded frame.
    pub fn tokens(&self, features: &StoredTensor) -> Result<StoredTensor, Error> {
        self.cancel.check()?;
        let tokens = self.networks.generator.tokens(features.get());
        let tokens = StoredTensor::put(tokens, self.plan.features)?;
        stored::settle([&tokens])?;
        Ok(tokens)
    }

    /// Generates the local frames of a window, each in the bounding box of its hole. The features
    /// of its local frames and the tokens of its references must be held.
    pub fn generate(&self, state: &State, window: &Window) -> Result<Vec<Patch>, Error> {
        let held = &state.held;
        let locals = window.neighbours.clone();
        let features = held.propagated.range(locals.clone());
        let features = features.filter_map(|propagated| propagated.features.as_ref());
        let references = window.references.iter().map(|&i| held.propagated.get(i));
        let references =
            references.filter_map(|propagated| Some(propagated.tokens.as_ref()?.get()));
        let flows = held.quarter_flows.range(locals.start..locals.end - 1);
        let flows = flows.flatten().map(|flow| Flows {
            forward: flow.forward.get(),
            backward: flow.backward.get(),
        });
        let Networks {
            numbers, device, ..
        } = self.networks;
        let dtype = numbers.tensor_dtype();
        let (masks, mask_pixels) = state.quarter_masks(locals.clone(), device, dtype);
        let sources = held.frames.range(locals.clone());
        let wanted: Vec<_> = sources.map(|source| source.hole.bounding_box()).collect();
        let input = GeneratorInput {
            features: features.map(StoredTensor::get).collect(),
            references: references.collect(),
            quarter_scale: QuarterScaleInputs {
                flows: flows.collect(),
                masks,
                mask_pixels,
            },
            wanted: wanted.clone(),
        };
        let mut patches = Patches::new();
        let first = locals.start;
        let mut output = |part: Generated| {
            let wanted = wanted[part.frames.clone()].to_vec();
            patches.push(first + part.frames.start, wanted, part.area, part.images)
        };
        self.networks
            .generator
            .forward(input, self.plan.strips(), self.cancel, &mut output)?;
        patches.finish()
    }
}

/// The completion of flows in one direction, of which flow t is the t-th that the network sees. It
/// sees backward flows reversed in time.
struct OneWay<'a> {
    runner: StageRunner<'a>,
    state: &'a State,
    run: Range<usize>,
    keep: Range<usize>,
    direction: Direction,
}

impl OneWay<'_> {
    /// Returns the index of flow t in the stream.
    fn index(&self, t: usize) -> usize {
        match self.direction {
            Direction::Forward => self.run.start + t,
            Direction::Backward => self.run.end - 1 - t,
        }
    }

    /// Returns the index of the frame that flow t leads from.
    fn leads_from(&self, t: usize) -> usize {
        self.index(t) + usize::from(self.direction == Direction::Backward)
    }

    fn flow(&self, t: usize) -> Result<Tensor<4>, Error> {
        self.state.raw_flow(self.index(t), self.direction)
    }

    fn mask(&self, t: usize) -> MaskTensor {
        let device = &self.runner.networks.device;
        self.state.flow_mask(self.leads_from(t), device)
    }

    /// Returns the input of the network for a range of flows.
    fn input(&self, range: Range<usize>) -> Result<Tensor<4>, Error> {
        let flows: Result<Vec<_>, Error> = range.clone().map(|t| self.flow(t)).collect();
        let masks: Vec<_> = range.map(|t| self.mask(t)).collect();
        let dtype = self.runner.networks.numbers.tensor_dtype();
        Ok(masked_flows(&flows?, &masks, dtype))
    }

    /// Returns the part of each flow to predict: the flow hole of the frame that it leads from.
    fn wanted(&self) -> Vec<Rect> {
        let wanted = |t: usize| match self.keep.contains(&self.index(t)) {
            true => {
                let frame = self.leads_from(t);
                self.state.held.frames.get(frame).flow_hole.bounding_box()
            }
            false => Rect::default(),
        };
        (0..self.run.len()).map(wanted).collect()
    }

    /// Combines flow t with its predicted part.
    fn combine(&self, t: usize, predicted: Tensor<4>, area: &Rect) -> Result<StoredTensor, Error> {
        let flow = combine_area(self.flow(t)?, predicted, self.mask(t), area);
        StoredTensor::put(flow, self.runner.plan.flows)
    }
}
