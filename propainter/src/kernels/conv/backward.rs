//! The backward pass of convolution with its activation, on the CPU, in 32 bits. It reads the input, the
//! weight and the output, whose sign tells the slope of the activation, and nothing between.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::{Activation, ConvGeometry, PackedConv};
use crate::kernels::{cpu::host_view::HostView, recorded::record, upcast::upcast};

/// Elements of unfolded input that are in memory at once.
const UNFOLDED: usize = 1 << 22;

const CPU: &str = "a tensor of the CPU device";

/// Convolves on a device that records operations, and applies the activation. Returns `None` unless the
/// tensors are in the host's memory, and if the padding is wider than the kernel reaches.
pub fn conv2d(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: &Tensor<1>,
    geometry: ConvGeometry,
    activation: Activation,
) -> Option<Tensor<4>> {
    let [kept, filter] = [x, weight].map(|x| x.clone().inner());
    let [.., rows, columns] = filter.dims();
    let reach = reach([rows, columns], geometry);
    if (0..2).any(|axis| geometry.padding[axis] > reach[axis]) {
        return None;
    }
    let packed = PackedConv::new(&filter, &bias.clone().inner(), geometry)?;
    let output = packed.apply(&kept, activation);
    let activated = output.clone();
    let inputs = [x.into(), weight.into(), bias.into()];
    Some(record(inputs, output, move |gradient, inputs| {
        let gradient = upcast(before_activation(&activated, gradient, activation));
        inputs.add(0, || of_input(&filter, &gradient, kept.dims(), geometry));
        inputs.add(1, || of_weight(&kept, &gradient, filter.dims(), geometry));
        inputs.add(2, || {
            let outputs = gradient.dims()[1];
            gradient.clone().sum_dims(&[0, 2, 3]).reshape([outputs])
        });
    }))
}

/// Returns how far the last tap of a kernel is from the first, in rows and columns.
fn reach(kernel: [usize; 2], geometry: ConvGeometry) -> [usize; 2] {
    [0, 1].map(|axis| (kernel[axis] - 1) * geometry.dilation[axis])
}

/// Applies the leaky ReLU on a device that records operations. `slope` is more than 0.
pub fn leaky_relu(x: &Tensor<4>, slope: f64) -> Tensor<4> {
    let output = burn::tensor::activation::leaky_relu(x.clone().inner(), slope);
    let kept = output.clone();
    record([x.into()], output, move |gradient, inputs| {
        inputs.add(0, || {
            before_activation(&kept, gradient, Activation::Leaky(slope))
        });
    })
}

/// Returns the gradient of what an activation reads from that of its output.
fn before_activation(output: &Tensor<4>, gradient: Tensor<4>, activation: Activation) -> Tensor<4> {
    let slope = match activation {
        Activation::None => return gradient,
        Activation::Relu => 0.0,
        Activation::Leaky(slope) => slope,
    };
    let (Some(output), Some(upstream)) = (HostView::of(output), HostView::of(&gradient)) else {
        let negative = output.clone().lower_equal_elem(0.0);
        let scaled = gradient.clone() * slope;
        return gradient.mask_where(negative, scaled);
    };
    let slope = slope as f32;
    let pairs = output.slice().iter().zip(upstream.slice());
    let scaled = pairs.map(|(&output, &upstream)| match output > 0.0 {
        true => upstream,
        false => upstream * slope,
    });
    upstream.tensor(scaled.collect(), gradient.dims())
}

/// Returns the gradient of the input `[B, I, H, W]`: the output's, with zeros between where the kernel
/// made steps, convolved with the turned kernel.
fn of_input(
    weight: &Tensor<4>,
    gradient: &Tensor<4>,
    shape: [usize; 4],
    geometry: ConvGeometry,
) -> Tensor<4> {
    let [outputs, inputs, rows, columns] = weight.dims();
    let ConvGeometry { groups, .. } = geometry;
    let (each, taps) = (outputs / groups, rows * columns);
    let filter = HostView::of(weight).expect(CPU);
    let mut turned = vec![0.0; filter.slice().len()];
    for (index, kernel) in filter.slice().chunks_exact(taps).enumerate() {
        let (output, input) = (index / inputs, index % inputs);
        let (group, output) = (output / each, output % each);
        let target = ((group * inputs + input) * each + output) * taps;
        let reversed = turned[target..][..taps].iter_mut().rev();
        reversed
            .zip(kernel)
            .for_each(|(turned, tap)| *turned = *tap);
    }
    let reach = reach([rows, columns], geometry);
    let gradient = match geometry.stride {
        [1, 1] => gradient.clone(),
        stride => {
            let size = |axis: usize| shape[2 + axis] + 2 * geometry.padding[axis] - reach[axis];
            spread(gradient, stride, [size(0), size(1)])
        }
    };
    let turned_geometry = ConvGeometry {
        stride: [1, 1],
        padding: [0, 1].map(|axis| reach[axis] - geometry.padding[axis]),
        ..geometry
    };
    let device = gradient.device();
    let turned = TensorData::new(turned, [groups * inputs, each, rows, columns]);
    let turned = Tensor::from_data(turned, &device);
    let none = Tensor::zeros([groups * inputs], &device);
    let packed = PackedConv::new(&turned, &none, turned_geometry).expect(CPU);
    packed.apply(&gradient, Activation::None)
}

/// Puts the pixels of `x` `[B, C, h, w]` `stride` apart in an image of `size`, from its upper left on.
fn spread(x: &Tensor<4>, stride: [usize; 2], size: [usize; 2]) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let view = HostView::of(x).expect(CPU);
    let mut out = vec![0.0; batch * channels * size[0] * size[1]];
    let planes = view.slice().par_chunks(height * width);
    planes
        .zip(out.par_chunks_mut(size[0] * size[1]))
        .for_each(|(x, out)| {
            let lines = out.chunks_exact_mut(size[1]).step_by(stride[0]);
            for (line, x) in lines.zip(x.chunks_exact(width)) {
                let pixels = line.iter_mut().step_by(stride[1]);
                pixels.zip(x).for_each(|(pixel, x)| *pixel = *x);
            }
        });
    view.tensor(out, [batch, channels, size[0], size[1]])
}

/// Returns the gradient of the weight `[O, I, kh, kw]`: the output's times the unfolded input, some rows
/// at a time.
fn of_weight(
    x: &Tensor<4>,
    gradient: &Tensor<4>,
    shape: [usize; 4],
    geometry: ConvGeometry,
) -> Tensor<4> {
    let [outputs, inputs, rows, columns] = shape;
    let [batch, _, height, width] = gradient.dims();
    let unfolded = inputs * rows * columns;
    let each = outputs / geometry.groups;
    let view = HostView::of(x).expect(CPU);
    let image = Image {
        values: view.slice(),
        shape: x.dims(),
        kernel: [rows, columns],
        geometry,
    };
    if each * inputs == 1 {
        return depthwise(&image, gradient).reshape(shape);
    }
    let band = (UNFOLDED / (unfolded * width)).clamp(1, height);
    let group = |group: usize| -> Tensor<2> {
        let mut sum: Option<Tensor<2>> = None;
        for b in 0..batch {
            for start in (0..height).step_by(band) {
                let count = band.min(height - start);
                let upstream = gradient.clone().narrow(0, b, 1);
                let upstream = upstream.narrow(1, group * each, each);
                let upstream = upstream.narrow(2, start, count);
                let upstream: Tensor<2> = upstream.reshape([each, count * width]);
                let channels = group * inputs..(group + 1) * inputs;
                let lines = image.unfold(b, channels, start..start + count, width);
                let lines = TensorData::new(lines, [unfolded, count * width]);
                let lines = Tensor::<2>::from_data(lines, &gradient.device());
                let product = upstream.matmul(lines.transpose());
                sum = Some(match sum {
                    Some(sum) => sum + product,
                    None => product,
                });
            }
        }
        sum.expect("at least one pixel")
    };
    let groups = (0..geometry.groups).map(group).collect();
    Tensor::cat(groups, 0).reshape(shape)
}

/// Computes the gradient of the weight of a convolution of each channel by itself, in row-major order.
fn depthwise(image: &Image<'_>, gradient: &Tensor<4>) -> Tensor<1> {
    let [batch, channels, height, width] = gradient.dims();
    let size = height * width;
    let view = HostView::of(gradient).expect(CPU);
    let of_channel = |channel: usize| {
        let mut sums = vec![0.0; image.kernel[0] * image.kernel[1]];
        for b in 0..batch {
            let gradient = &view.slice()[(b * channels + channel) * size..][..size];
            let lines = image.unfold(b, channel..channel + 1, 0..height, width);
            for (sum, line) in sums.iter_mut().zip(lines.chunks_exact(size)) {
                *sum += line.iter().zip(gradient).map(|(x, g)| x * g).sum::<f32>();
            }
        }
        sums
    };
    let all: Vec<f32> = (0..channels)
        .into_par_iter()
        .flat_map_iter(of_channel)
        .collect();
    let length = all.len();
    view.tensor(all, [length])
}

/// The input of a convolution.
struct Image<'a> {
    values: &'a [f32],
    shape: [usize; 4],
    kernel: [usize; 2],
    geometry: ConvGeometry,
}

impl Image<'_> {
    /// Returns what each tap of the kernel reads, channel by channel, for the rows `lines` of an output of
    /// `width` columns.
    fn unfold(
        &self,
        batch: usize,
        channels: std::ops::Range<usize>,
        lines: std::ops::Range<usize>,
        width: usize,
    ) -> Vec<f32> {
        let [_, all, rows, columns] = self.shape;
        let [down, right] = self.kernel;
        let ConvGeometry {
            stride,
            padding,
            dilation,
            ..
        } = self.geometry;
        let size = lines.len() * width;
        let mut out = vec![0.0; channels.len() * down * right * size];
        out.par_chunks_mut(size).enumerate().for_each(|(at, out)| {
            let (channel, tap) = (channels.start + at / (down * right), at % (down * right));
            let plane = &self.values[(batch * all + channel) * rows * columns..][..rows * columns];
            let (shift_y, shift_x) = (tap / right * dilation[0], tap % right * dilation[1]);
            // The columns of the output for which the tap is inside.
            let first = padding[1].saturating_sub(shift_x).div_ceil(stride[1]);
            let end = (columns + padding[1])
                .saturating_sub(shift_x)
                .div_ceil(stride[1]);
            let end = end.min(width);
            for (y, out) in lines.clone().zip(out.chunks_exact_mut(width)) {
                let row = (y * stride[0] + shift_y).wrapping_sub(padding[0]);
                if row >= rows || first >= end {
                    continue;
                }
                let start = first * stride[1] + shift_x - padding[1];
                let line = &plane[row * columns + start..(row + 1) * columns];
                let out = &mut out[first..end];
                match stride[1] {
                    1 => out.copy_from_slice(&line[..out.len()]),
                    step => {
                        let read = line.iter().step_by(step);
                        out.iter_mut().zip(read).for_each(|(out, x)| *out = *x);
                    }
                }
            }
        });
        out
    }
}
