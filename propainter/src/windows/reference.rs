//! The official procedure as a stream: what comes out, frame by frame, is what the
//! procedure gives for the whole clip (spec section 7).

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    held::Held,
    schedule::{Cut, Schedule, Task, Window},
};
use crate::{
    Cancel, Done, Error, Frame, Mask,
    engine::Engine,
    networks::{
        flow_completion::FlowCompletion,
        generator::{Generator, GeneratorInput},
        image_propagation::propagate,
        raft::{Features, Raft},
    },
    weights::{Checkpoint, Network, Paths, WeightsError},
};

/// The three networks on their device.
pub struct Networks {
    raft: Raft,
    completion: FlowCompletion,
    generator: Generator,
    device: Device,
}

/// The streaming engine of `mode=reference`.
pub struct Reference {
    networks: Networks,
    cut: Cut,
    raft_iterations: usize,
    state: State,
}

/// What is held for windows to come; a flush starts a new one.
struct State {
    schedule: Schedule,
    sources: Held<Source>,
    /// RAFT's features of the newest frame.
    newest: Option<Features>,
    raw_flows: Held<Flow>,
    flows: Held<Flow>,
    updated: Held<Updated>,
    /// Frames already sent.
    sent: usize,
}

struct Source {
    frame: Frame,
    hole: Mask,
    /// The source with the hole as blended so far, once a window held it.
    blended: Option<Frame>,
}

/// Both flows between one frame and the next, `[1, 2, H, W]`.
struct Flow {
    forward: Tensor<4>,
    backward: Tensor<4>,
}

/// A propagated frame as the generator reads it.
struct Updated {
    /// `[1, 128, H/4, W/4]`
    features: Tensor<4>,
    /// What propagation could not reach, `[1, 1, H, W]`.
    missing: Tensor<4>,
}

impl Networks {
    /// Reads and checks the three checkpoints and puts them on `device`.
    pub fn read(paths: &Paths, device: Device) -> Result<Self, WeightsError> {
        let read = |network| Checkpoint::read(network, paths.get(network));
        Ok(Self {
            raft: Raft::init(&read(Network::Raft)?, &device),
            completion: FlowCompletion::init(&read(Network::FlowCompletion)?, &device),
            generator: Generator::init(&read(Network::Generator)?, &device),
            device,
        })
    }
}

impl Reference {
    pub fn new(networks: Networks, cut: Cut, raft_iterations: usize) -> Self {
        Self {
            networks,
            cut,
            raft_iterations,
            state: State::new(cut),
        }
    }

    /// Runs every task whose inputs are there.
    fn advance(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        let mut done = Vec::new();
        while let Some(task) = self.state.schedule.next_task() {
            cancel.check()?;
            match task {
                Task::Complete { run, keep } => self.complete(run, keep),
                Task::Propagate { run, keep } => self.propagate(run, keep, cancel)?,
                Task::Generate(window) => done.extend(self.generate(&window, cancel)?),
            }
            self.state.release();
        }
        Ok(done)
    }

    fn complete(&mut self, run: Range<usize>, keep: Range<usize>) {
        let state = &mut self.state;
        let flows = state.raw_flows.range(run.clone());
        let (forward, backward) = stack(flows);
        let masks = state.masks(run.start..run.end + 1, &self.networks.device);
        let (forward, backward) = self.networks.completion.complete(forward, backward, masks);
        for index in keep {
            let at = |flows: &Tensor<4>| flows.clone().narrow(0, index - run.start, 1);
            state.flows.push(Flow {
                forward: at(&forward),
                backward: at(&backward),
            });
        }
    }

    fn propagate(
        &mut self,
        run: Range<usize>,
        keep: Range<usize>,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let (state, device) = (&mut self.state, &self.networks.device);
        let pictures = state.sources.range(run.clone());
        let pictures = pictures.map(|s| picture(&s.frame, device)).collect();
        let masks = state.masks(run.clone(), device);
        let flows = (run.len() > 1).then(|| stack(state.flows.range(run.start..run.end - 1)));
        let (updated, missing) = propagate(Tensor::cat(pictures, 0), masks.clone(), flows);
        for index in keep {
            cancel.check()?;
            let at = |all: &Tensor<4>| all.clone().narrow(0, index - run.start, 1);
            let missing = at(&missing);
            let generator = &self.networks.generator;
            state.updated.push(Updated {
                features: generator.encode(at(&updated), at(&masks), missing.clone()),
                missing,
            });
        }
        Ok(())
    }

    fn generate(&mut self, window: &Window, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        let (state, locals) = (&mut self.state, window.neighbours.clone());
        // Without a hole among the local frames the output is the input.
        let holes = state.sources.range(locals.clone());
        if holes.into_iter().any(|source| !source.hole.is_empty()) {
            let references = window.references.iter().map(|&i| state.updated.get(i));
            let all = state.updated.range(locals.clone()).chain(references);
            let features = all.map(|updated| updated.features.clone()).collect();
            let missing = state.updated.range(locals.clone());
            let missing = missing.map(|updated| updated.missing.clone()).collect();
            let flows = locals.start..locals.end - 1;
            let input = GeneratorInput {
                features: Tensor::cat(features, 0),
                flows: (!flows.is_empty()).then(|| stack(state.flows.range(flows))),
                masks: state.masks(locals.clone(), &self.networks.device),
                updated_masks: Tensor::cat(missing, 0),
            };
            let pictures = self.networks.generator.forward(input, cancel)?;
            let pictures = read(pictures, "the generator")?;
            let size = pictures.len() / locals.len();
            for (index, picture) in locals.zip(pictures.chunks_exact(size)) {
                state.sources.get_mut(index).blend(picture);
            }
        }
        let finals = state.sent..window.final_before;
        state.sent = window.final_before;
        let finals = state.sources.range(finals);
        Ok(finals
            .map(|source| Done {
                frame: source.blended.as_ref().unwrap_or(&source.frame).clone(),
                hole: source.hole.clone(),
            })
            .collect())
    }
}

impl Engine for Reference {
    fn push(&mut self, frame: Frame, hole: Mask, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        cancel.check()?;
        let Networks { raft, device, .. } = &self.networks;
        let features = raft.encode(picture(&frame, device));
        cancel.check()?;
        let state = &mut self.state;
        if let Some(previous) = &state.newest {
            let pairs = [(previous, &features), (&features, previous)];
            let flows = raft.flows(&pairs, self.raft_iterations);
            cancel.check()?;
            state.raw_flows.push(Flow {
                forward: flows.clone().narrow(0, 0, 1),
                backward: flows.narrow(0, 1, 1),
            });
        }
        state.newest = Some(features);
        state.sources.push(Source {
            frame,
            hole,
            blended: None,
        });
        state.schedule.push();
        self.advance(cancel)
    }

    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        self.state.schedule.end();
        let done = self.advance(cancel)?;
        self.flush();
        Ok(done)
    }

    fn flush(&mut self) {
        self.state = State::new(self.cut);
    }

    fn look_ahead(&self) -> usize {
        self.cut.look_ahead()
    }
}

impl State {
    fn new(cut: Cut) -> Self {
        Self {
            schedule: Schedule::new(cut),
            sources: Held::default(),
            newest: None,
            raw_flows: Held::default(),
            flows: Held::default(),
            updated: Held::default(),
            sent: 0,
        }
    }

    /// Hole masks `[N, 1, H, W]` of the frames `range`.
    fn masks(&self, range: Range<usize>, device: &Device) -> Tensor<4> {
        let first = &self.sources.get(range.start).hole;
        let shape = [range.len(), 1, first.height(), first.width()];
        let holes = self.sources.range(range);
        let data: Vec<f32> = holes
            .flat_map(|source| source.hole.hole().iter().map(|&hole| f32::from(hole)))
            .collect();
        Tensor::from_data(TensorData::new(data, shape), device)
    }

    fn release(&mut self) {
        let needed = self.schedule.needed();
        self.raw_flows.release_before(needed.raw_flows);
        self.flows.release_before(needed.flows);
        self.updated.release_before(needed.updated);
        let sources = [needed.raw_flows, needed.frames, self.sent];
        let oldest = sources.into_iter().min().unwrap_or(0);
        self.sources.release_before(oldest);
    }
}

impl Source {
    /// Blends a window's picture `[3, H, W]` in [−1, 1] into the hole: the first is taken, each
    /// later one averaged half and half, truncated to 8 bits each time.
    fn blend(&mut self, picture: &[f32]) {
        let first = self.blended.is_none();
        let blended = self.blended.get_or_insert_with(|| self.frame.clone());
        let plane = picture.len() / 3;
        let pixels = blended.rgb_mut().chunks_exact_mut(3);
        for (p, (pixel, &hole)) in pixels.zip(self.hole.hole()).enumerate() {
            if hole == 0 {
                continue;
            }
            for (channel, value) in pixel.iter_mut().enumerate() {
                let new = ((picture[channel * plane + p] + 1.0) / 2.0 * 255.0) as u8;
                *value = if first {
                    new
                } else {
                    ((u16::from(*value) + u16::from(new)) / 2) as u8
                };
            }
        }
    }
}

/// A frame as the networks read it, `[1, 3, H, W]` in [−1, 1].
fn picture(frame: &Frame, device: &Device) -> Tensor<4> {
    let (width, height) = (frame.width(), frame.height());
    let plane = width * height;
    let mut data = vec![0.0; 3 * plane];
    for (p, pixel) in frame.rgb().chunks_exact(3).enumerate() {
        for (channel, &value) in pixel.iter().enumerate() {
            data[channel * plane + p] = f32::from(value) / 255.0 * 2.0 - 1.0;
        }
    }
    Tensor::from_data(TensorData::new(data, [1, 3, height, width]), device)
}

fn stack<'a>(flows: impl Iterator<Item = &'a Flow>) -> (Tensor<4>, Tensor<4>) {
    let (forward, backward) = flows
        .map(|flow| (flow.forward.clone(), flow.backward.clone()))
        .unzip();
    (Tensor::cat(forward, 0), Tensor::cat(backward, 0))
}

/// Brings a tensor to the host; the device's errors of all stages before surface here.
fn read(tensor: Tensor<4>, stage: &'static str) -> Result<Vec<f32>, Error> {
    let failed = |problem: String| Error::Compute { stage, problem };
    tensor
        .try_into_data()
        .map_err(|error| failed(format!("{error:?}")))?
        .try_into_vec::<f32>()
        .map_err(|error| failed(format!("{error:?}")))
}
