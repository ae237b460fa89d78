//! The backward pass of deformable convolution, on the CPU. At a whole number the derivative is that of
//! the cell to the right and below.

use burn::tensor::{Tensor, TensorData};

use super::{SamplingPoints, deform_conv_at};
use crate::kernels::{
    cpu::{
        bilinear::{Places, sample_gradients},
        host_view::HostView,
    },
    recorded::{InputGradients, record},
    upcast::upcast,
};

/// Taps of the kernel.
const TAPS: usize = 9;

/// Convolves on a device that records operations; returns `None` unless its memory is the host's. Of the
/// points, a flow is a constant.
pub fn deform_conv(
    x: &Tensor<4>,
    points: &SamplingPoints,
    weight: &Tensor<4>,
    bias: &Tensor<1>,
) -> Option<Tensor<4>> {
    let (below, kept) = (x.clone().inner(), weight.clone().inner());
    HostView::of(&below)?;
    let output = |points: SamplingPoints| {
        deform_conv_at(below.clone(), points, kept.clone(), bias.clone().inner())
    };
    let backward = |points: SamplingPoints| {
        let (x, weight) = (below.clone(), kept.clone());
        move |gradient: Tensor<4>, inputs: &mut InputGradients<'_>, last: [usize; 2]| {
            let (offset, modulation) = points.clone().resolve();
            let gradient = upcast(gradient);
            let found = Gradients::new(&x, &offset, &modulation, &weight, gradient.clone());
            inputs.add(0, || found.x);
            inputs.add(last[0], || found.weight);
            inputs.add(last[1], || {
                gradient.sum_dims(&[0, 2, 3]).reshape([weight.dims()[0]])
            });
            [found.offset, found.modulation]
        }
    };
    Some(match points.clone() {
        SamplingPoints::Given { offset, modulation } => {
            let inputs = [
                x.into(),
                (&offset).into(),
                (&modulation).into(),
                weight.into(),
                bias.into(),
            ];
            let points = SamplingPoints::Given {
                offset: offset.inner(),
                modulation: modulation.inner(),
            };
            let backward = backward(points.clone());
            record(inputs, output(points), move |gradient, inputs| {
                let [offset, modulation] = backward(gradient, inputs, [3, 4]);
                inputs.add(1, || offset);
                inputs.add(2, || modulation);
            })
        }
        SamplingPoints::Learned { raw, limit, flow } => {
            let inputs = [x.into(), (&raw).into(), weight.into(), bias.into()];
            let raw = raw.inner();
            let flow = flow.map(|flow| flow.inner());
            let points = SamplingPoints::Learned {
                raw: raw.clone(),
                limit,
                flow,
            };
            let backward = backward(points.clone());
            record(inputs, output(points), move |gradient, inputs| {
                let found = backward(gradient, inputs, [2, 3]);
                inputs.add(1, || raw_gradient(&raw, limit, found));
            })
        }
    })
}

/// Returns the gradient of the output of the network that predicts offsets and modulation.
fn raw_gradient(raw: &Tensor<4>, limit: f32, [offset, modulation]: [Tensor<4>; 2]) -> Tensor<4> {
    let split = raw.dims()[1] / 3 * 2;
    let values = upcast(raw.clone());
    let tanh = values.clone().narrow(1, 0, split).tanh();
    let offset = offset * (-(tanh.clone() * tanh) + 1.0) * limit;
    let gate = burn::tensor::activation::sigmoid(values.narrow(1, split, split / 2));
    let modulation = modulation * gate.clone() * (-gate + 1.0);
    Tensor::cat(vec![offset, modulation], 1)
}

/// The gradients of all that a deformable convolution reads but its bias, in 32 bits.
struct Gradients {
    x: Tensor<4>,
    offset: Tensor<4>,
    modulation: Tensor<4>,
    weight: Tensor<4>,
}

impl Gradients {
    fn new(
        x: &Tensor<4>,
        offset: &Tensor<4>,
        modulation: &Tensor<4>,
        weight: &Tensor<4>,
        gradient: Tensor<4>,
    ) -> Self {
        let [batch, channels, height, width] = x.dims();
        let [outputs, ..] = weight.dims();
        let (plane, rows) = (height * width, channels * TAPS);
        let matrix = upcast(weight.clone()).reshape([1, outputs, rows]);
        let gradient: Tensor<3> = gradient.reshape([batch, outputs, plane]);
        let columns = matrix.swap_dims(1, 2).matmul(gradient.clone()); // [B, C·9, H·W]
        let found = of_samples(x, offset, modulation, &columns);
        let (samples, flat) = (found.samples.swap_dims(1, 2), [outputs, channels, 3, 3]);
        let products = gradient.matmul(samples); // [B, O, C·9]
        Self {
            x: found.x,
            offset: found.offset,
            modulation: found.modulation,
            weight: products.sum_dim(0).reshape(flat),
        }
    }
}

/// The gradients before the weights, and the modulated samples `[B, C·9, H·W]`.
struct OfSamples {
    x: Tensor<4>,
    offset: Tensor<4>,
    modulation: Tensor<4>,
    samples: Tensor<3>,
}

/// Computes the gradients of samples. `columns` `[B, C·9, H·W]` is the gradient of the modulated ones.
fn of_samples(
    x: &Tensor<4>,
    offset: &Tensor<4>,
    modulation: &Tensor<4>,
    columns: &Tensor<3>,
) -> OfSamples {
    const CPU: &str = "a tensor of the CPU device";
    let [batch, channels, height, width] = x.dims();
    let (size, plane) = ([height, width], height * width);
    let groups = modulation.dims()[1] / TAPS;
    let each = channels / groups;
    let [image, offsets, gains] = [x, offset, modulation].map(|x| HostView::of(x).expect(CPU));
    let gradient = HostView::of(columns).expect(CPU);
    // The places of all taps of a group follow each other.
    let place = |axis: usize| -> Vec<f32> {
        let line = |index: usize| {
            let tap = index % TAPS;
            let tap = [tap / 3, tap % 3][axis] as f32 - 1.0;
            let shift = &offsets.slice()[(2 * index + axis) * plane..][..plane];
            let base = move |p: usize| [p / width, p % width][axis] as f32 + tap;
            shift
                .iter()
                .enumerate()
                .map(move |(p, shift)| base(p) + shift)
        };
        (0..batch * groups * TAPS).flat_map(line).collect()
    };
    let (rows, columns) = (place(0), place(1));
    let (length, area) = (TAPS * plane, each * plane);
    let parts = (0..batch * groups).map(|index| {
        let part = index * length..(index + 1) * length;
        let places = Places {
            rows: &rows[part.clone()],
            columns: &columns[part.clone()],
            gains: &gains.slice()[part],
            size,
        };
        let image = &image.slice()[index * area..][..area];
        (
            image,
            places,
            &gradient.slice()[index * each * length..][..each * length],
        )
    });
    let found = sample_gradients(parts.collect(), true);
    let device = x.device();
    let mut shifts = Vec::with_capacity(2 * found.len() * length);
    for part in &found {
        let taps = part
            .rows
            .chunks_exact(plane)
            .zip(part.columns.chunks_exact(plane));
        taps.for_each(|(row, column)| {
            shifts.extend_from_slice(row);
            shifts.extend_from_slice(column);
        });
    }
    let joined = |values: Vec<f32>, shape: [usize; 4]| -> Tensor<4> {
        Tensor::from_data(TensorData::new(values, shape), &device)
    };
    let (mut all, mut gain, mut samples) = (Vec::new(), Vec::new(), Vec::new());
    for part in found {
        all.extend(part.image);
        gain.extend(part.gains);
        samples.extend(part.samples);
    }
    OfSamples {
        x: joined(all, x.dims()),
        offset: joined(shifts, offset.dims()),
        modulation: joined(gain, modulation.dims()),
        samples: joined(samples, [batch, channels * TAPS, plane, 1]).reshape([
            batch,
            channels * TAPS,
            plane,
        ]),
    }
}
