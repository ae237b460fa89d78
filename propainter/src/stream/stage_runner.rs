//! One task of the schedule: networks over what is held, results for who holds it. Nothing
//! here changes the state, so a task that fails can be done again.

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use super::{
    pixels::{self, Filled, Patch},
    state::{Direction, Flow, Raw, State},
};
use crate::{
    Cancel, DType, Error, Frame, Precision, Rect,
    kernels::{device::is_cpu, upcast::upcast},
    memory::planning::Plan,
    networks::{
        flow_completion::{ChunkSize, FlowCompletion, Video, combine_area, network_input},
        generator::{Flows, Generator, GeneratorInput, QuarterScaleInputs, downscale_flow},
        image_propagation::propagate,
        raft::{Features, Raft},
        stored::{self, StoredTensor},
    },
    schedule::Window,
    weights::{Checkpoint, Network, Paths},
};

/// The three networks on their device.
#[derive(Debug)]
pub struct Networks {
    raft: Raft,
    completion: FlowCompletion,
    generator: Generator,
    pub device: Device,
    /// Of completion and generator.
    pub numbers: DType,
}

impl Networks {
    /// Reads and checks the three checkpoints and puts them on `device`, in these numbers; where
    /// a weight is too large for fp16, in bf16, unless fp16 was asked for by name.
    ///
    /// # Errors
    /// Checkpoints that are missing or wrong; a precision that cannot hold them.
    pub fn read(
        paths: &Paths,
        device: Device,
        numbers: DType,
        asked: Precision,
    ) -> Result<Self, Error> {
        let read = |network| Checkpoint::read(network, paths.get(network));
        let completion = read(Network::FlowCompletion)?;
        let generator = read(Network::Generator)?;
        let both = [&completion, &generator];
        let numbers = match (numbers, asked) {
            (DType::F16, Precision::Fp16) => asked.resolve(&device, &both)?,
            (DType::F16, _) if !both.iter().all(|c| c.fits(DType::F16)) => DType::Bf16,
            (numbers, _) => numbers,
        };
        // The largest first, while the others' weights take nothing yet.
        let generator = Generator::init(&generator.at(numbers), &device);
        let completion = FlowCompletion::init(&completion.at(numbers), &device);
        Ok(Self {
            raft: Raft::init(&read(Network::Raft)?, &device),
            completion,
            generator,
            device,
            numbers,
        })
    }

    /// Whether they run on the CPU.
    pub fn on_cpu(&self) -> bool {
        is_cpu(&self.device)
    }

    /// In the numbers of completion and generator.
    fn cast(&self, x: Tensor<4>) -> Tensor<4> {
        x.cast(self.numbers.tensor_dtype())
    }
}

/// The networks at work: a plan, and a token that ends it.
#[derive(Clone, Copy)]
pub struct StageRunner<'a> {
    pub networks: &'a Networks,
    pub plan: Plan,
    pub cancel: &'a Cancel,
}

impl StageRunner<'_> {
    /// RAFT's features of a frame.
    pub fn features(&self, frame: &Frame) -> Result<Features, Error> {
        self.cancel.check()?;
        let Networks { raft, device, .. } = self.networks;
        let features = raft.encode(pixels::picture(frame, device));
        if !is_cpu(device) {
            for part in [&features.map, &features.hidden, &features.context] {
                stored::check(part)?;
            }
        }
        Ok(features)
    }

    /// The flows between two frames, as RAFT gives them.
    pub fn flows(
        &self,
        first: &Features,
        second: &Features,
        iterations: usize,
    ) -> Result<Raw, Error> {
        let both = [(first, second), (second, first)];
        let mut flows = Vec::with_capacity(2);
        for pairs in both.chunks(self.plan.pairs) {
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
        let backward = flows.pop();
        Ok(Raw {
            forward: flows.pop(),
            backward,
        })
    }

    /// The flows `keep` of one direction, completed over the chunk `run`.
    pub fn complete(
        &self,
        state: &State,
        run: Range<usize>,
        keep: Range<usize>,
        direction: Direction,
    ) -> Result<Vec<StoredTensor>, Error> {
        let device = &self.networks.device;
        // The network sees backward flows reversed in time.
        let index = |t: usize| match direction {
            Direction::Forward => run.start + t,
            Direction::Backward => run.end - 1 - t,
        };
        let flow = |t: usize| state.raw_flow(index(t), direction);
        let leads_from = |t: usize| index(t) + usize::from(direction == Direction::Backward);
        let mask = |t: usize| state.mask(leads_from(t), device);
        let input = |range: Range<usize>| {
            let parts: Result<Vec<_>, Error> = range
                .map(|t| Ok(network_input(flow(t)?, mask(t))))
                .collect();
            Ok(self.networks.cast(Tensor::cat(parts?, 0)))
        };
        // A flow is predicted in the hole of the frame it leads from.
        let wanted = |t: usize| match keep.contains(&index(t)) {
            true => state.sources.get(leads_from(t)).hole.area(),
            false => Rect::default(),
        };
        let wanted: Vec<_> = (0..run.len()).map(wanted).collect();
        let mut completed: Vec<_> = keep.clone().map(|_| None).collect();
        let mut output = |t: usize, predicted: Tensor<4>| {
            let flow = combine_area(flow(t)?, upcast(predicted), mask(t), &wanted[t]);
            completed[index(t) - keep.start] = Some(StoredTensor::put(flow, self.plan.flows)?);
            Ok(())
        };
        let chunk_size = ChunkSize {
            frames: self.plan.completion_frames,
            placement: self.plan.features,
        };
        let video = Video {
            input: &input,
            wanted: &wanted,
            output: &mut output,
        };
        self.networks
            .completion
            .predict(video, chunk_size, self.cancel)?;
        let kept = completed.into_iter().zip(keep);
        let kept = kept.map(|(completed, index)| match completed {
            Some(completed) => Ok(completed),
            None => StoredTensor::put(state.raw_flow(index, direction)?, self.plan.flows),
        });
        kept.collect()
    }

    /// The frames `keep`, propagated over the chunk `run`; `seeded` where the first of that comes
    /// in as it was propagated before.
    pub fn propagate(
        &self,
        state: &State,
        run: Range<usize>,
        keep: Range<usize>,
        seeded: bool,
    ) -> Result<Vec<Filled>, Error> {
        let device = &self.networks.device;
        let frame = |t: usize| {
            if seeded && t == 0 {
                let [picture, _, missing] = state.updated.get(run.start).filled.tensors(device);
                return (picture, missing);
            }
            let source = state.sources.get(run.start + t);
            (
                pixels::picture(&source.frame, device),
                pixels::mask(&source.hole, device),
            )
        };
        let pairs = run.start..run.end - 1;
        let completed: Result<Vec<_>, Error> = pairs.map(|i| completed(state, i)).collect();
        let completed = completed?;
        let flows = |t: usize| {
            let (forward, backward) = completed[t];
            (forward.get(), backward.get())
        };
        let mut filled = Vec::with_capacity(keep.len());
        let mut output = |t: usize, picture, missing| {
            if keep.contains(&(run.start + t)) {
                let hole = &state.sources.get(run.start + t).hole;
                filled.push(Filled::read(picture, missing, hole)?);
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
        Ok(filled)
    }

    /// The completed flows `range` at 1/4, as far as they are there.
    pub fn guides(&self, state: &State, range: Range<usize>) -> Result<Vec<Option<Flow>>, Error> {
        let guides = range.map(|i| state.flow(i).map(|flow| self.guide(flow)).transpose());
        guides.collect()
    }

    /// The completed flows between two frames, forward and backward, at 1/4.
    pub fn guide(
        &self,
        (forward, backward): (&StoredTensor, &StoredTensor),
    ) -> Result<Flow, Error> {
        self.cancel.check()?;
        let guide =
            |flow: &StoredTensor| StoredTensor::put(downscale_flow(flow.get()), self.plan.flows);
        Ok(Flow {
            forward: guide(forward)?,
            backward: guide(backward)?,
        })
    }

    /// The generator's features of a propagated frame.
    pub fn encode(&self, state: &State, index: usize) -> Result<StoredTensor, Error> {
        self.cancel.check()?;
        let Networks {
            generator, device, ..
        } = self.networks;
        let filled = state.updated.get(index).filled.tensors(device);
        let [picture, mask, missing] = filled.map(|x| self.networks.cast(x));
        let features = generator.encode(picture, mask, missing, self.plan.strips());
        StoredTensor::put(features, self.plan.features)
    }

    /// An encoded frame as tokens.
    pub fn tokens(&self, features: &StoredTensor) -> Result<StoredTensor, Error> {
        self.cancel.check()?;
        let tokens = self.networks.generator.tokens(features.get());
        StoredTensor::put(tokens, self.plan.features)
    }

    /// The pictures of a window's local frames, as far as they have a hole. All of its frames
    /// are encoded and its references are tokens.
    pub fn generate(&self, state: &State, window: &Window) -> Result<Vec<Patch>, Error> {
        let locals = window.neighbours.clone();
        let updated = state.updated.range(locals.clone());
        let features = updated.filter_map(|updated| updated.features.as_ref());
        let references = window.references.iter().map(|&i| state.updated.get(i));
        let references: Vec<_> = references
            .filter_map(|updated| Some(updated.tokens.as_ref()?.get()))
            .collect();
        let flows = locals.start..locals.end - 1;
        let masks = state.quarter_masks(locals.clone(), &self.networks.device);
        let sources = state.sources.range(locals.clone());
        let wanted: Vec<_> = sources.map(|source| source.hole.area()).collect();
        let input = GeneratorInput {
            features: Tensor::cat(features.map(StoredTensor::get).collect(), 0),
            references: (!references.is_empty()).then(|| Tensor::cat(references, 0)),
            quarter_scale: QuarterScaleInputs {
                flows: (!flows.is_empty()).then(|| stack(state.guides.range(flows).flatten())),
                masks,
            },
            wanted: wanted.clone(),
        };
        let mut pictures = Vec::with_capacity(locals.len());
        let mut output = |t: usize, picture| {
            pictures.push(Patch {
                index: locals.start + t,
                area: wanted[t].clone(),
                rgb: pixels::bytes(picture)?,
            });
            Ok(())
        };
        self.networks
            .generator
            .forward(input, self.plan.strips(), self.cancel, &mut output)?;
        Ok(pictures)
    }
}

/// Completed flows that whoever asks has seen to.
fn completed(state: &State, index: usize) -> Result<(&StoredTensor, &StoredTensor), Error> {
    state.flow(index).ok_or_else(|| Error::Compute {
        stage: "image propagation",
        problem: format!("flow {index} is not there"),
    })
}

fn stack<'a>(flows: impl Iterator<Item = &'a Flow>) -> Flows {
    let (forward, backward) = flows
        .map(|flow| (flow.forward.get(), flow.backward.get()))
        .unzip();
    Flows {
        forward: Tensor::cat(forward, 0),
        backward: Tensor::cat(backward, 0),
    }
}
