//! RAFT, the large variant: optical flow between two frames (spec section 2).

mod encoder;
mod update;

use std::ptr;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{
    kernels::{
        concat::concat,
        convex_upsample::convex_upsample,
        correlation::{Correlation, CorrelationForm},
        elementwise::split_tanh_relu,
    },
    networks::stored::owned,
    weights::Checkpoint,
};
use encoder::{Encoder, Norm};
use update::{GateContext, Head, MotionEncoder, SeparableGru};

/// The smallest side of a frame. Below it the last level of the correlation has a single row or
/// column.
const SMALLEST: usize = 128;

/// The network.
#[derive(Debug)]
pub struct Raft {
    features: Encoder,
    context: Encoder,
    motion: MotionEncoder,
    gru: SeparableGru,
    flow: Head,
    mask: Head,
}

/// The encoding of one frame, which serves all pairs that the frame belongs to.
#[derive(Clone, Debug)]
pub struct Features {
    /// The features that are correlated between frames, `[1, 256, h, w]`.
    pub map: Tensor<4>,
    /// The initial hidden state, `[1, 128, h, w]`.
    pub hidden: Tensor<4>,
    /// The context, `[1, 128, h, w]`.
    pub context: Tensor<4>,
    /// Height and width of the frame.
    size: [usize; 2],
}

impl Features {
    /// Returns the features with memory of their own.
    pub fn owned(self) -> Self {
        Self {
            map: owned(self.map),
            hidden: owned(self.hidden),
            context: owned(self.context),
            size: self.size,
        }
    }
}

/// The state of the iterations for a batch of pairs.
pub struct Estimate {
    correlation: Correlation,
    gates: GateContext,
    /// The coordinates of each position, `[1, 2, h, w]`.
    grid: Tensor<4>,
    /// The hidden state, `[B, 128, h, w]`.
    pub hidden: Tensor<4>,
    /// The flow, in pixels at an eighth of the resolution, `[B, 2, h, w]`.
    pub flow: Tensor<4>,
    /// Height and width of the frames.
    size: [usize; 2],
}

impl Raft {
    /// Reads the network from its checkpoint.
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        let head = |first, second, padding, scale| {
            Head::init(checkpoint, [first, second], padding, scale, device)
        };
        Self {
            features: Encoder::init(checkpoint, "fnet", Norm::Instance, device),
            context: Encoder::init(checkpoint, "cnet", Norm::Batch, device),
            motion: MotionEncoder::init(checkpoint, "update_block.encoder", device),
            gru: SeparableGru::init(checkpoint, "update_block.gru", device),
            flow: head(
                "update_block.flow_head.conv1",
                "update_block.flow_head.conv2",
                1,
                1.0,
            ),
            mask: head("update_block.mask.0", "update_block.mask.2", 0, 0.25),
        }
    }

    /// Encodes frames `[N, 3, H, W]` as [`Self::encode`] does, together. What is returned shares its
    /// memory.
    pub fn encode_all(&self, frames: Tensor<4>) -> Vec<Features> {
        let all = self.encode(frames);
        if all.map.dims()[0] == 1 {
            return vec![all];
        }
        let part = |x: &Tensor<4>, index| x.clone().narrow(0, index, 1);
        let features = (0..all.map.dims()[0]).map(|index| Features {
            map: part(&all.map, index),
            hidden: part(&all.hidden, index),
            context: part(&all.context, index),
            size: all.size,
        });
        features.collect()
    }

    /// Encodes a frame `[1, 3, H, W]` in [−1, 1] with sides that are multiples of 8. A side under 128
    /// is extended to 128 by reflection; the flows are cropped again.
    pub fn encode(&self, frame: Tensor<4>) -> Features {
        let [_, _, height, width] = frame.dims();
        let frame = reflect(reflect(frame, 2), 3);
        let [hidden, context] = split_tanh_relu(self.context.forward(frame.clone()));
        Features {
            map: self.features.forward(frame),
            hidden,
            context,
            size: [height, width],
        }
    }

    /// Computes the flows of one or more pairs of frames of one size together, in `iterations`
    /// iterations (ProPainter: 20). Returns `[N, 2, H, W]`, in pixels.
    pub fn flows(
        &self,
        pairs: &[(&Features, &Features)],
        iterations: usize,
        form: CorrelationForm,
    ) -> Tensor<4> {
        let start = self.start(pairs, form);
        let estimate = (0..iterations).fold(start, |estimate, _| self.refine(estimate));
        self.finish(&estimate)
    }

    /// Returns the estimate before the first iteration: no motion.
    pub fn start(&self, pairs: &[(&Features, &Features)], form: CorrelationForm) -> Estimate {
        let batch = |part: &dyn Fn(&(&Features, &Features)) -> Tensor<4>| {
            concat(pairs.iter().map(part).collect())
        };
        let (first, second) = maps(pairs);
        let context = batch(&|(first, _)| first.context.clone());
        let [count, _, height, width] = first.dims();
        let device = first.device();
        Estimate {
            correlation: Correlation::new(first, second, form),
            gates: self.gru.prepare(&context),
            grid: grid(height, width, &device),
            hidden: batch(&|(first, _)| first.hidden.clone()),
            flow: Tensor::zeros([count, 2, height, width], &device),
            size: pairs[0].0.size,
        }
    }

    /// Does one iteration.
    pub fn refine(&self, estimate: Estimate) -> Estimate {
        let samples = estimate.correlation_samples();
        let motion = self.motion.forward(samples, estimate.flow.clone());
        let motion = [&motion, &estimate.flow];
        let hidden = self.gru.forward(estimate.hidden, motion, &estimate.gates);
        Estimate {
            flow: self.flow.add_to(&estimate.flow, hidden.clone()),
            hidden,
            ..estimate
        }
    }

    /// Returns the flow at full resolution, `[B, 2, H, W]`.
    pub fn finish(&self, estimate: &Estimate) -> Tensor<4> {
        let [height, width] = estimate.size;
        let fine = convex_upsample(estimate.flow.clone(), self.upsampling_mask(estimate));
        fine.narrow(2, 0, height).narrow(3, 0, width)
    }

    /// Returns the logits of the convex upsampling, `[B, 576, h, w]`.
    pub fn upsampling_mask(&self, estimate: &Estimate) -> Tensor<4> {
        self.mask.forward(estimate.hidden.clone())
    }
}

impl Estimate {
    /// Samples the correlation at the current flow, `[B, 324, h, w]`.
    pub fn correlation_samples(&self) -> Tensor<4> {
        self.correlation.lookup_along(&self.flow, &self.grid)
    }
}

/// Returns the maps of the first and of the second frames, `[B, 256, h, w]` each.
fn maps(pairs: &[(&Features, &Features)]) -> (Tensor<4>, Tensor<4>) {
    let count = pairs.len();
    let first = pairs.iter().map(|(first, _)| first.map.clone());
    let mut all: Vec<_> = first.collect();
    let (forward, backward) = pairs.split_at(count / 2);
    let mut both = forward.iter().zip(backward);
    if count.is_multiple_of(2) && both.all(|((a, b), (c, d))| ptr::eq(*a, *d) && ptr::eq(*b, *c)) {
        // Both directions: the second frames are the first ones, half of them further.
        all.extend_from_within(..count / 2);
        let all = concat(all);
        let second = all.clone().narrow(0, count / 2, count);
        return (all.narrow(0, 0, count), second);
    }
    let second = pairs.iter().map(|(_, second)| second.map.clone());
    (concat(all), concat(second.collect()))
}

/// Returns the coordinates (x, y) of each position, `[1, 2, h, w]`.
fn grid(height: usize, width: usize, device: &Device) -> Tensor<4> {
    let axis = |size: usize, shape: [usize; 4]| {
        let positions: Tensor<1, Int> = Tensor::arange(0..size as i64, device);
        positions
            .float()
            .reshape(shape)
            .expand([1, 1, height, width])
    };
    Tensor::cat(
        vec![
            axis(width, [1, 1, 1, width]),
            axis(height, [1, 1, height, 1]),
        ],
        1,
    )
}

/// Extends a side under 128 at its end by reflection, without repeating the edges.
fn reflect(frame: Tensor<4>, side: usize) -> Tensor<4> {
    let size = frame.dims()[side];
    if size >= SMALLEST {
        return frame;
    }
    let index: Vec<i64> = (0..SMALLEST).map(|i| mirrored(i, size) as i64).collect();
    let index = TensorData::new(index, [SMALLEST]);
    let index: Tensor<1, Int> = Tensor::from_data(index, &frame.device());
    frame.select(side, index)
}

/// Returns the source of position `i` of a reflected side of `size`.
fn mirrored(i: usize, size: usize) -> usize {
    let period = (2 * size.saturating_sub(1)).max(1);
    let i = i % period;
    i.min(period - i)
}
