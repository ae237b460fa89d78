//! The backward pass of bilinear warping, on the CPU. At a whole number the derivative is that of the
//! cell to the right and below.

use burn::tensor::Tensor;

use super::{Sampling, position, warp};
use crate::kernels::{
    cpu::{
        bilinear::{Places, sample_gradients},
        host_view::HostView,
    },
    recorded::record,
    upcast::upcast,
};

/// Channels whose gradients are computed one after the other.
const CHANNELS: usize = 8;

/// Warps on a device that records operations; returns `None` unless its memory is the host's.
pub fn warp_bilinear(x: &Tensor<4>, flow: &Tensor<4>) -> Option<Tensor<4>> {
    let kept = [x, flow].map(|x| x.clone().inner());
    HostView::of(&kept[0])?;
    let [image, shift] = kept.clone();
    let output = warp(image, shift, Sampling::Bilinear);
    Some(record(
        [x.into(), flow.into()],
        output,
        move |gradient, inputs| {
            let [dx, dflow] = gradients(&kept[0], &kept[1], &gradient);
            inputs.add(0, || dx);
            inputs.add(1, || dflow);
        },
    ))
}

/// Returns the gradients of the image and of the flow from that of the output.
fn gradients(x: &Tensor<4>, flow: &Tensor<4>, gradient: &Tensor<4>) -> [Tensor<4>; 2] {
    const CPU: &str = "a tensor of the CPU device";
    let [batch, channels, height, width] = x.dims();
    let size = [height, width];
    let plane = height * width;
    let positions = [1, 0].map(|axis| position(&upcast(flow.clone()), axis, size));
    let positions = positions.map(|position| HostView::of(&position).expect(CPU));
    let [image, upstream] = [x, gradient].map(|x| HostView::of(x).expect(CPU));
    let (image_values, upstream) = (image.slice(), upstream.slice());
    let mut parts = Vec::new();
    for b in 0..batch {
        let [rows, columns] = positions
            .each_ref()
            .map(|all| &all.slice()[b * plane..][..plane]);
        let places = Places {
            rows,
            columns,
            gains: &[],
            size,
        };
        for first in (0..channels).step_by(CHANNELS) {
            let count = CHANNELS.min(channels - first);
            let part = (b * channels + first) * plane..(b * channels + first + count) * plane;
            parts.push((&image_values[part.clone()], places, &upstream[part]));
        }
    }
    let found = sample_gradients(parts, false);
    let mut shifts = vec![0.0; 2 * batch * plane];
    let each = channels.div_ceil(CHANNELS);
    for (index, part) in found.iter().enumerate() {
        let shifts = &mut shifts[index / each * 2 * plane..][..2 * plane];
        let parts = part.columns.iter().chain(&part.rows);
        shifts
            .iter_mut()
            .zip(parts)
            .for_each(|(sum, part)| *sum += part);
    }
    let all: Vec<f32> = found.into_iter().flat_map(|part| part.image).collect();
    let flow_view = HostView::of(flow).expect(CPU);
    [
        image.tensor(all, x.dims()),
        flow_view.tensor(shifts, flow.dims()),
    ]
}
