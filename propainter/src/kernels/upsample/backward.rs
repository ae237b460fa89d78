//! The backward pass of bilinear upsampling, on the CPU: each output's gradient goes to the lines that it
//! was blended from.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{Blend, cpu};
use crate::{
    Rect,
    kernels::{cpu::host_view::HostView, recorded::record},
};

/// Upsamples on a device that records operations; returns `None` unless its memory is the host's.
pub fn upsample2x(x: &Tensor<4>, held: &Rect, size: [usize; 2], area: &Rect) -> Option<Tensor<4>> {
    let (held, area, shape) = (held.clone(), area.clone(), x.dims());
    let output = cpu::upsample2x(&x.clone().inner(), &held, size, &area)?;
    Some(record([x.into()], output, move |gradient, inputs| {
        inputs.add(0, || {
            let view = HostView::of(&gradient).expect("a tensor of the CPU device");
            let planes = view.slice().par_chunks(area.pixels());
            let blends = [(&area.rows, size[0]), (&area.columns, size[1])]
                .map(|(lines, length)| lines.clone().map(move |line| Blend::of(line, length)))
                .map(|blends| blends.collect::<Vec<_>>());
            let mut out = vec![0.0; shape.iter().product()];
            planes
                .zip(out.par_chunks_mut(held.pixels()))
                .for_each(|(gradient, out)| plane(gradient, &blends, &held, out));
            view.tensor(out, shape)
        });
    }))
}

/// Adds the gradient of an upsampled plane to that of the plane.
fn plane(gradient: &[f32], [rows, columns]: &[Vec<Blend>; 2], held: &Rect, out: &mut [f32]) {
    let width = held.columns.len();
    let mut line = vec![0.0; width];
    for (row, gradient) in rows.iter().zip(gradient.chunks_exact(columns.len())) {
        line.fill(0.0);
        for (column, gradient) in columns.iter().zip(gradient) {
            let far = gradient * column.weight;
            line[column.near - held.columns.start] += gradient - far;
            line[column.far - held.columns.start] += far;
        }
        for (source, share) in [(row.near, 1.0 - row.weight), (row.far, row.weight)] {
            let out = &mut out[(source - held.rows.start) * width..][..width];
            out.iter_mut()
                .zip(&line)
                .for_each(|(out, line)| *out += share * line);
        }
    }
}
