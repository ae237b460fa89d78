//! Whole networks on a device against the CPU in 32 bits, on a small scene.

use burn::tensor::{DType as TensorDType, Device, Tensor, TensorData};

use super::floats;
use crate::{
    Cancel, DType, Error,
    kernels::{correlation::CorrelationForm, device::is_cpu},
    networks::{
        flow_completion::FlowCompletion,
        generator::{Generator, GeneratorInput, QuarterScaleInputs},
        raft::Raft,
        strips::Strips,
    },
    weights::{Checkpoint, Network},
};

/// Height and width of the frames of RAFT, which needs 128.
const PAIR: [usize; 2] = [128, 136];
/// The same for flow completion and the generator.
const CLIP: [usize; 2] = [64, 88];
const ITERATIONS: usize = 6;
/// Flows of a clip for completion.
const FLOWS: usize = 4;
/// Local frames of a window, and its frames.
const LOCAL: usize = 3;
const FRAMES: usize = 4;

/// A network with generated weights, and what the CPU computes with it in 32 bits.
pub struct NetworkTest {
    network: Network,
    checkpoint: Checkpoint,
    expected: Vec<f32>,
}

impl NetworkTest {
    /// Computes the expected result on the CPU.
    ///
    /// # Errors
    /// As [`Self::error`].
    pub fn prepare(network: Network) -> Result<Self, Error> {
        let checkpoint = Checkpoint::generated(network);
        let expected = run(&checkpoint, &Device::flex())?;
        Ok(Self {
            network,
            checkpoint,
            expected: floats(expected),
        })
    }

    /// Returns the network.
    pub fn network(&self) -> Network {
        self.network
    }

    /// Returns the data types to test on `device`. On the CPU these are the ones that weights are
    /// rounded to; in 32 bits its result is the expected one.
    pub fn dtypes(network: Network, device: &Device) -> &'static [DType] {
        match network {
            Network::Raft if is_cpu(device) => &[],
            Network::Raft => &[DType::F32, DType::Tf32],
            _ if is_cpu(device) => &[DType::F16, DType::Bf16],
            Network::FlowCompletion | Network::Generator => {
                &[DType::F32, DType::Tf32, DType::F16, DType::Bf16]
            }
        }
    }

    /// Returns the largest error that is right.
    pub fn tolerance(&self, dtype: DType) -> f64 {
        match (dtype, self.network) {
            (DType::F32, _) => 1e-4,
            // Products of 11 bits, as in 16 bits.
            (DType::Tf32, Network::FlowCompletion) => 2.5e-3,
            (DType::Tf32, _) => 2e-3,
            (DType::F16, Network::FlowCompletion) => 2.5e-3,
            (DType::F16, _) => 2e-3,
            // Three bits less.
            (DType::Bf16, Network::FlowCompletion) => 8.0 * 2.5e-3,
            (DType::Bf16, _) => 8.0 * 2e-3,
        }
    }

    /// Runs the network on a device and returns the norm of the difference to the expected result,
    /// relative to that of the result; infinite if something is no number.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn error(&self, device: &Device, dtype: DType) -> Result<f64, Error> {
        let out = run(&self.checkpoint.clone().at(dtype), device)?;
        let out = floats(out);
        if out.len() != self.expected.len() {
            return Ok(f64::INFINITY);
        }
        let (mut difference, mut norm) = (0.0, 0.0);
        for (a, b) in out.iter().zip(&self.expected) {
            difference += (f64::from(*a) - f64::from(*b)).powi(2);
            norm += f64::from(*b).powi(2);
        }
        let error = (difference / norm).sqrt();
        Ok(if error.is_nan() { f64::INFINITY } else { error })
    }
}

/// Runs the checkpoint's network on a scene.
fn run(checkpoint: &Checkpoint, device: &Device) -> Result<Tensor<4>, Error> {
    match checkpoint.network() {
        Network::Raft => Ok(raft(checkpoint, device)),
        Network::FlowCompletion => flow_completion(checkpoint, device),
        Network::Generator => generator(checkpoint, device),
    }
}

fn raft(checkpoint: &Checkpoint, device: &Device) -> Tensor<4> {
    let raft = Raft::init(checkpoint, device);
    let [first, second] = [0, 1].map(|t| raft.encode(frame(t, PAIR, device)));
    let both = [(&first, &second), (&second, &first)];
    raft.flows(&both, ITERATIONS, CorrelationForm::Volume)
}

fn flow_completion(checkpoint: &Checkpoint, device: &Device) -> Result<Tensor<4>, Error> {
    let network = FlowCompletion::init(checkpoint, device);
    let dtype = checkpoint.numbers().weights_on(device);
    let (flows, masks) = (flows(FLOWS, device), masks(FLOWS, device));
    network.predict_whole(flows.cast(dtype), masks.cast(dtype))
}

fn generator(checkpoint: &Checkpoint, device: &Device) -> Result<Tensor<4>, Error> {
    let network = Generator::init(checkpoint, device);
    let dtype = checkpoint.numbers().weights_on(device);
    let mask = masks(1, device);
    let features = (0..FRAMES).map(|t| {
        let (frame, mask) = (frame(t, CLIP, device).cast(dtype), mask.clone().cast(dtype));
        network.encode(frame, mask.clone(), mask, Strips::default())
    });
    let mut features: Vec<_> = features.collect();
    let references = features.drain(LOCAL..);
    let references = references.map(|x| network.tokens(x)).collect();
    let masks = masks(LOCAL, device);
    let flows = flows(LOCAL - 1, device);
    let input = GeneratorInput {
        references,
        features,
        quarter_scale: QuarterScaleInputs::new(
            masks.clone(),
            masks,
            Some((flows.clone(), -flows)),
        )?,
        wanted: GeneratorInput::everything(LOCAL, CLIP.map(|side| side / 4)),
    };
    let mut out = Vec::new();
    let cancel = Cancel::default();
    network.forward(input, Strips::default(), &cancel, &mut |generated| {
        out.push(generated.images);
        Ok(())
    })?;
    Ok(Tensor::cat(out, 0))
}

/// Returns a panning pattern, `[1, 3, H, W]` in [−1, 1].
fn frame(t: usize, [height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let value = |i: usize| {
        let (channel, y, x) = (i / (height * width), i / width % height, i % width);
        let (x, y) = ((x + 3 * t) as f32, (y + t) as f32);
        ((x * 0.13).sin() + (y * 0.17 + channel as f32).cos() + (x * y * 0.002).sin()) / 3.0
    };
    tensor([1, 3, height, width], value, device)
}

/// Returns flows of a few pixels that change smoothly, `[count, 2, H, W]`.
fn flows(count: usize, device: &Device) -> Tensor<4> {
    let [height, width] = CLIP;
    let value = |i: usize| {
        let (plane, y, x) = (i / (height * width), i / width % height, i % width);
        3.0 * (x as f32 * 0.05 + plane as f32).sin() + 2.0 * (y as f32 * 0.07).cos()
    };
    tensor([count, 2, height, width], value, device)
}

/// Returns a still hole in the middle, `[count, 1, H, W]`.
fn masks(count: usize, device: &Device) -> Tensor<4> {
    let [height, width] = CLIP;
    let inside = |at: usize, side: usize| (side / 4..3 * side / 4).contains(&at);
    let value = |i: usize| {
        let (y, x) = (i / width % height, i % width);
        f32::from(u8::from(inside(y, height) && inside(x, width)))
    };
    tensor([count, 1, height, width], value, device)
}

fn tensor(shape: [usize; 4], value: impl Fn(usize) -> f32, device: &Device) -> Tensor<4> {
    let count = shape.iter().product();
    let data: Vec<f32> = (0..count).map(value).collect();
    Tensor::from_data(TensorData::new(data, shape), (device, TensorDType::F32))
}
