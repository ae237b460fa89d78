//! The networks over a stream in the simplest way: everything is computed for every frame and kept
//! for ever, and only the resulting frames are bytes.

use burn::tensor::{Device, Tensor, TensorData};
use propainter::{
    Cancel, Frame, Mask, Rect,
    internals::{
        kernels::correlation::CorrelationForm,
        networks::{
            flow_completion::{ChunkSize, FlowCompletion, Video, combine, network_input},
            generator::{Generated, Generator, GeneratorInput, QuarterScaleInputs},
            image_propagation::propagate,
            raft::Raft,
            stored::Placement,
            strips::Strips,
        },
        schedule::{Schedule, Task, Window, WindowParams},
    },
    weights::Network,
};
use propainter_tests::golden::{checkpoint, device};

/// The three networks with generated weights.
pub struct Eager {
    raft: Raft,
    completion: FlowCompletion,
    generator: Generator,
    device: Device,
    pub iterations: usize,
}

/// Everything computed for a clip so far.
struct Made<'a> {
    clip: &'a [(Frame, Mask)],
    /// The flows of RAFT, forward and backward; then the completed ones.
    raw: Vec<[Tensor<4>; 2]>,
    flows: Vec<[Tensor<4>; 2]>,
    /// Images and the masks of their missing pixels.
    updated: Vec<[Tensor<4>; 2]>,
    out: Vec<Option<Frame>>,
}

impl Eager {
    pub fn new(iterations: usize) -> Option<Self> {
        let device = device();
        Some(Self {
            raft: Raft::init(&checkpoint(Network::Raft)?, &device),
            completion: FlowCompletion::init(&checkpoint(Network::FlowCompletion)?, &device),
            generator: Generator::init(&checkpoint(Network::Generator)?, &device),
            device,
            iterations,
        })
    }

    /// Inpaints a clip at processing size whose holes are dilated.
    pub fn inpaint(&self, clip: &[(Frame, Mask)], params: WindowParams) -> Vec<Frame> {
        let features: Vec<_> = clip
            .iter()
            .map(|(frame, _)| self.raft.encode(self.image(frame)))
            .collect();
        let pairs = features.windows(2).map(|pair| {
            let both = [(&pair[0], &pair[1]), (&pair[1], &pair[0])];
            let flows = self
                .raft
                .flows(&both, self.iterations, CorrelationForm::Volume);
            [0, 1].map(|i| flows.clone().narrow(0, i, 1))
        });
        let mut made = Made {
            raw: pairs.collect(),
            clip,
            flows: Vec::new(),
            updated: Vec::new(),
            out: vec![None; clip.len()],
        };
        let mut schedule = Schedule::new(params);
        for _ in clip {
            schedule.push();
            self.advance(&mut schedule, &mut made);
        }
        schedule.end();
        self.advance(&mut schedule, &mut made);
        let blended = made.out.into_iter().zip(clip);
        blended
            .map(|(out, (source, _))| out.unwrap_or_else(|| source.clone()))
            .collect()
    }

    fn advance(&self, schedule: &mut Schedule, made: &mut Made) {
        while let Some(task) = schedule.next_task() {
            match task {
                Task::Complete { run, keep } => {
                    let [forward, backward] = [0, 1].map(|way| self.complete(made, &run, way));
                    made.flows.truncate(keep.start);
                    let completed = forward.into_iter().zip(backward).zip(run);
                    let kept = completed.filter(|(_, i)| keep.contains(i));
                    made.flows.extend(kept.map(|((f, b), _)| [f, b]));
                }
                Task::Propagate { run, keep, seeded } => {
                    let frame = |t: usize| match (seeded, t) {
                        (true, 0) => {
                            let [image, missing] = made.updated[run.start].clone();
                            (image, missing)
                        }
                        _ => {
                            let (frame, hole) = &made.clip[run.start + t];
                            let mask = self.mask(hole);
                            (self.image(frame) * (-mask.clone() + 1.0), mask)
                        }
                    };
                    let flows = |t: usize| {
                        let [forward, backward] = made.flows[run.start + t].clone();
                        (forward, backward)
                    };
                    let mut filled = Vec::new();
                    let mut output = |t: usize, image, missing| {
                        if keep.contains(&(run.start + t)) {
                            filled.push([image, missing]);
                        }
                        Ok(())
                    };
                    let (place, cancel) = (Placement::Device, Cancel::default());
                    propagate(run.len(), place, &cancel, &frame, &flows, &mut output)
                        .expect("nothing fails");
                    made.updated.truncate(keep.start);
                    made.updated.extend(filled);
                }
                Task::Generate(window) => self.generate(made, &window),
            }
        }
    }

    /// Completes the flows of a chunk, forward (0) or backward (1).
    fn complete(&self, made: &Made, run: &std::ops::Range<usize>, way: usize) -> Vec<Tensor<4>> {
        let index = |t: usize| {
            if way == 0 {
                run.start + t
            } else {
                run.end - 1 - t
            }
        };
        let flow = |t: usize| made.raw[index(t)][way].clone();
        let mask = |t: usize| self.mask(&made.clip[index(t) + way].1);
        let input = |range: std::ops::Range<usize>| {
            let parts = range.map(|t| network_input(flow(t), mask(t)));
            Ok(Tensor::cat(parts.collect(), 0))
        };
        let mut completed = Vec::new();
        let mut output = |t: usize, predicted| {
            completed.push(combine(flow(t), predicted, mask(t)));
            Ok(())
        };
        let (chunk_size, cancel) = (ChunkSize::default(), Cancel::default());
        let (source, _) = &made.clip[0];
        let whole = Rect::whole([source.height(), source.width()]);
        let video = Video {
            input: &input,
            wanted: &vec![whole; run.len()],
            output: &mut output,
        };
        let done = self.completion.predict(video, chunk_size, &cancel);
        done.expect("nothing fails");
        if way == 1 {
            completed.reverse();
        }
        completed
    }

    fn generate(&self, made: &mut Made, window: &Window) {
        let locals = window.neighbours.clone();
        let encode = |i: usize| {
            let [image, missing] = made.updated[i].clone();
            let mask = self.mask(&made.clip[i].1);
            let strips = Strips::default();
            self.generator.encode(image, mask, missing, strips)
        };
        let references = window.references.iter();
        let references: Vec<_> = references
            .map(|&i| self.generator.tokens(encode(i)))
            .collect();
        let flows = |way: usize| {
            let between = made.flows[locals.start..locals.end - 1].iter();
            let between: Vec<_> = between.map(|both| both[way].clone()).collect();
            (!between.is_empty()).then(|| Tensor::cat(between, 0))
        };
        let masks = made.clip[locals.clone()]
            .iter()
            .map(|(_, hole)| self.mask(hole));
        let missing = made.updated[locals.clone()].iter().map(|u| u[1].clone());
        let input = GeneratorInput {
            features: locals.clone().map(encode).collect(),
            references,
            quarter_scale: QuarterScaleInputs::new(
                Tensor::cat(masks.collect(), 0),
                Tensor::cat(missing.collect(), 0),
                flows(0).zip(flows(1)),
            )
            .expect("masks"),
            wanted: {
                let (source, _) = &made.clip[0];
                vec![Rect::whole([source.height(), source.width()]); locals.len()]
            },
        };
        let mut images = Vec::new();
        let mut output = |part: Generated| {
            let image = part.images.into_data();
            images.push(image.try_into_vec::<f32>().expect("f32"));
            Ok(())
        };
        let (strips, cancel) = (Strips::default(), Cancel::default());
        self.generator
            .forward(input, strips, &cancel, &mut output)
            .expect("nothing fails");
        for (i, image) in locals.zip(images) {
            let (source, hole) = &made.clip[i];
            let first = made.out[i].is_none();
            let out = made.out[i].get_or_insert_with(|| source.clone());
            let plane = hole.hole().len();
            let pixels = out.rgb_mut().chunks_exact_mut(3).enumerate();
            for (p, pixel) in pixels.filter(|(p, _)| hole.hole()[*p] == 1) {
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let new = ((image[channel * plane + p] + 1.0) / 2.0 * 255.0) as u8;
                    let both = (u16::from(*value) + u16::from(new)) / 2;
                    *value = if first { new } else { both as u8 };
                }
            }
        }
    }

    fn image(&self, frame: &Frame) -> Tensor<4> {
        let shape = [1, frame.height(), frame.width(), 3];
        let values = frame
            .rgb()
            .iter()
            .map(|&v| f32::from(v) / 255.0 * 2.0 - 1.0);
        let data = TensorData::new(values.collect(), shape);
        Tensor::<4>::from_data(data, &self.device).permute([0, 3, 1, 2])
    }

    fn mask(&self, mask: &Mask) -> Tensor<4> {
        let values = mask.hole().iter().map(|&v| f32::from(v)).collect();
        let shape = [1, 1, mask.height(), mask.width()];
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }
}
