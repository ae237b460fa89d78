//! The time of single layers of the networks, for a comparison with other libraries.

use std::time::{Duration, Instant};

use burn::tensor::{DType as TensorDType, Device, Tensor};

use super::values;
use crate::{
    DType,
    kernels::{conv::ConvGeometry, device::is_cpu, linear::cube::all_products},
    networks::layers::{Conv2d, Linear},
};

/// The operation of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// A convolution without dilation and groups: `x` is `[B, I, H, W]`, `weight` `[O, I, kh, kw]`,
    /// with a padding that keeps the size at stride 1.
    Convolution {
        /// Steps between outputs.
        stride: usize,
    },
    /// A fully connected layer: `x` is `[1, 1, M, K]`, `weight` `[1, 1, K, N]`.
    Linear,
    /// Products of matrices: `x` is `[1, B, M, K]`, `weight` `[1, B, K, N]`.
    Product,
}

/// A layer of the networks at 432×240.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// The name.
    pub name: &'static str,
    /// The operation.
    pub kind: LayerKind,
    /// The shape of the input.
    pub x: [usize; 4],
    /// The shape of the weight, or of the second matrix.
    pub weight: [usize; 4],
}

/// Layers that most of the work is in. RAFT's iterations compute both directions at once.
pub const LAYERS: &[Layer] = &[
    convolution(
        "RAFT encoder 7x7, stride 2",
        [1, 3, 240, 432],
        [64, 3, 7, 7],
        2,
    ),
    convolution(
        "RAFT encoder 3x3, 64 channels",
        [1, 64, 120, 216],
        [64, 64, 3, 3],
        1,
    ),
    convolution(
        "RAFT encoder 3x3, 128 channels",
        [1, 128, 30, 54],
        [128, 128, 3, 3],
        1,
    ),
    convolution(
        "RAFT correlation 1x1",
        [2, 324, 30, 54],
        [256, 324, 1, 1],
        1,
    ),
    convolution("RAFT motion 3x3", [2, 256, 30, 54], [192, 256, 3, 3], 1),
    convolution("RAFT gates 1x5", [2, 384, 30, 54], [256, 384, 1, 5], 1),
    convolution("RAFT head 3x3", [2, 128, 30, 54], [256, 128, 3, 3], 1),
    Layer {
        name: "RAFT correlation volume",
        kind: LayerKind::Product,
        x: [1, 2, 1620, 256],
        weight: [1, 2, 256, 1620],
    },
    convolution(
        "generator 3x3, 128 channels",
        [1, 128, 60, 108],
        [128, 128, 3, 3],
        1,
    ),
    Layer {
        name: "transformer projection",
        kind: LayerKind::Linear,
        x: [1, 1, 7920, 512],
        weight: [1, 1, 512, 512],
    },
];

const fn convolution(
    name: &'static str,
    x: [usize; 4],
    weight: [usize; 4],
    stride: usize,
) -> Layer {
    let kind = LayerKind::Convolution { stride };
    Layer {
        name,
        kind,
        x,
        weight,
    }
}

impl Layer {
    /// Returns the time of one run, the mean over as many as take about a tenth of a second.
    ///
    /// # Panics
    /// Panics if the device fails.
    pub fn time(&self, device: &Device, dtype: DType) -> Duration {
        let stored = match is_cpu(device) {
            true => TensorDType::F32,
            false => dtype.tensor_dtype(),
        };
        let there = |shape: [usize; 4], seed| -> Tensor<4> {
            let values = values(shape, seed).cast(stored).into_data();
            Tensor::from_data(values, (device, stored))
        };
        let bias = |outputs| Tensor::zeros([outputs], (device, stored));
        let (x, weight) = (there(self.x, 1), there(self.weight, 2));
        match self.kind {
            LayerKind::Product => {
                // RAFT's features lie by channels on a GPU.
                let [_, batch, rows, inner] = self.x;
                let first = there([1, batch, inner, rows], 1).squeeze_dim::<3>(0);
                let second = weight.clone().squeeze_dim::<3>(0);
                mean(device, || match all_products(&first, &second, 1.0) {
                    Some(out) => out.unsqueeze(),
                    None => x.clone().matmul(weight.clone()),
                })
            }
            LayerKind::Linear => {
                let [.., outputs] = self.weight;
                let weight = weight.reshape([-1, outputs as i32]);
                let layer = Linear::of(weight, bias(outputs), dtype);
                mean(device, || layer.forward(x.clone()))
            }
            LayerKind::Convolution { stride } => {
                let [outputs, _, rows, columns] = self.weight;
                let geometry = ConvGeometry::padding(rows / 2, columns / 2).stride(stride);
                let layer = Conv2d::of(weight, bias(outputs), geometry).computing_in(dtype);
                mean(device, || layer.forward(x.clone()))
            }
        }
    }
}

/// Returns the mean time of a run, after one that compiles and one that tells how many are to be
/// measured.
fn mean(device: &Device, run: impl Fn() -> Tensor<4>) -> Duration {
    let timed = |times: u32| {
        let start = Instant::now();
        for _ in 0..times {
            drop(run());
        }
        device.sync().expect("the device works");
        start.elapsed() / times
    };
    timed(1);
    let once = timed(1).as_secs_f64().max(1e-6);
    timed((0.1 / once).clamp(1.0, 200.0) as u32)
}
