//! RAFT, the large variant: optical flow between two pictures (spec section 2).

mod encoder;
mod update;
mod upsample;

use burn::tensor::{Device, Int, Tensor, TensorData, activation::relu};

use crate::{
    kernels::correlation::{Correlation, CorrelationForm},
    weights::Checkpoint,
};
use encoder::{Encoder, Norm};
use update::{GateContext, Head, MotionEncoder, SeparableGru};
pub use upsample::{convex_upsample, convex_upsample_plain};

/// Channels of the hidden state and of the context.
const WIDTH: usize = 128;
/// The smallest side: below it the last correlation level has a single row or column.
const SMALLEST: usize = 128;

#[derive(Debug)]
pub struct Raft {
    features: Encoder,
    context: Encoder,
    motion: MotionEncoder,
    gru: SeparableGru,
    flow: Head,
    mask: Head,
}

/// What RAFT knows of one picture; serves all its pairs.
#[derive(Clone, Debug)]
pub struct Features {
    /// Compared between pictures, `[1, 256, h, w]`.
    pub map: Tensor<4>,
    /// The hidden state to start from, `[1, 128, h, w]`.
    pub hidden: Tensor<4>,
    /// `[1, 128, h, w]`
    pub context: Tensor<4>,
    /// Height and width of the picture.
    size: [usize; 2],
}

/// Flows being refined, a batch of pairs.
pub struct Estimate {
    correlation: Correlation,
    gates: GateContext,
    /// Coordinates of each position, `[1, 2, h, w]`.
    grid: Tensor<4>,
    /// `[B, 128, h, w]`
    pub hidden: Tensor<4>,
    /// In pixels at 1/8, `[B, 2, h, w]`.
    pub flow: Tensor<4>,
    /// Height and width of the pictures.
    size: [usize; 2],
}

impl Raft {
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        let head =
            |first, second, padding| Head::init(checkpoint, [first, second], padding, device);
        Self {
            features: Encoder::init(checkpoint, "fnet", Norm::Instance, device),
            context: Encoder::init(checkpoint, "cnet", Norm::Batch, device),
            motion: MotionEncoder::init(checkpoint, "update_block.encoder", device),
            gru: SeparableGru::init(checkpoint, "update_block.gru", device),
            flow: head(
                "update_block.flow_head.conv1",
                "update_block.flow_head.conv2",
                1,
            ),
            mask: head("update_block.mask.0", "update_block.mask.2", 0),
        }
    }

    /// Reads `picture` `[1, 3, H, W]` in [−1, 1], sides multiples of 8. A side under 128 is
    /// continued to 128 by reflection; flows are cropped again.
    pub fn encode(&self, picture: Tensor<4>) -> Features {
        let [_, _, height, width] = picture.dims();
        let picture = reflect(reflect(picture, 2), 3);
        let both = self.context.forward(picture.clone()); // [1, 256, h, w]
        Features {
            map: self.features.forward(picture),
            hidden: both.clone().narrow(1, 0, WIDTH).tanh(),
            context: relu(both.narrow(1, WIDTH, WIDTH)),
            size: [height, width],
        }
    }

    /// The flows of one or more pairs of pictures of one size after `iterations` (ProPainter:
    /// 20), in pixels, `[N, 2, H, W]`, computed together.
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

    /// The estimate before the first iteration: no motion.
    pub fn start(&self, pairs: &[(&Features, &Features)], form: CorrelationForm) -> Estimate {
        let batch = |part: &dyn Fn(&(&Features, &Features)) -> Tensor<4>| {
            Tensor::cat(pairs.iter().map(part).collect(), 0)
        };
        let first = batch(&|(first, _)| first.map.clone());
        let second = batch(&|(_, second)| second.map.clone());
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

    /// One iteration.
    pub fn refine(&self, estimate: Estimate) -> Estimate {
        let samples = estimate.correlation_samples();
        let motion = self.motion.forward(samples, estimate.flow.clone());
        let hidden = self.gru.forward(estimate.hidden, &motion, &estimate.gates);
        Estimate {
            flow: estimate.flow + self.flow.forward(hidden.clone()),
            hidden,
            ..estimate
        }
    }

    /// The flow at full size, `[B, 2, H, W]`.
    pub fn finish(&self, estimate: &Estimate) -> Tensor<4> {
        let [height, width] = estimate.size;
        let fine = convex_upsample(estimate.flow.clone(), self.upsampling_mask(estimate));
        fine.narrow(2, 0, height).narrow(3, 0, width)
    }

    /// Logits of the convex upsampling, `[B, 576, h, w]`.
    pub fn upsampling_mask(&self, estimate: &Estimate) -> Tensor<4> {
        self.mask.forward(estimate.hidden.clone()) * 0.25
    }
}

impl Estimate {
    /// What the correlation shows at the present flow, `[B, 324, h, w]`.
    pub fn correlation_samples(&self) -> Tensor<4> {
        self.correlation
            .lookup(self.grid.clone() + self.flow.clone())
    }
}

/// Coordinates (x, y) of each position, `[1, 2, h, w]`.
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

/// Continues a side under 128 at its end, back and forth without repeating the edges.
fn reflect(picture: Tensor<4>, side: usize) -> Tensor<4> {
    let size = picture.dims()[side];
    if size >= SMALLEST {
        return picture;
    }
    let index: Vec<i64> = (0..SMALLEST).map(|i| mirrored(i, size) as i64).collect();
    let index = TensorData::new(index, [SMALLEST]);
    let index: Tensor<1, Int> = Tensor::from_data(index, &picture.device());
    picture.select(side, index)
}

/// Where position `i` of a reflected side of `size` comes from.
fn mirrored(i: usize, size: usize) -> usize {
    let period = (2 * size.saturating_sub(1)).max(1);
    let i = i % period;
    i.min(period - i)
}
