//! The transforms of a task: its inputs before the products, and its outputs after them.

use super::{
    ROWS,
    plan::{Task, TaskLayout},
    transform,
};
use crate::{
    device::isa::Job,
    kernels::{activation::Activation, conv::padded::OutputTile, cpu::micro_kernel::Lanes},
};

/// Copies and transforms the inputs of a task.
pub struct InputTransform<'a> {
    pub layout: &'a TaskLayout<'a>,
    /// Planes of `size`.
    pub x: &'a [f32],
    pub size: [usize; 2],
    /// The place of the task, in tiles.
    pub tiles: OutputTile,
    /// Memory for the copy of one channel.
    pub buffer: &'a mut [f32],
    /// Receives the transformed inputs.
    pub inputs: &'a mut [f32],
}

/// A step whose arrays have as many rows and columns as a tile has products.
trait Transform {
    fn transform<const Y: usize, const X: usize>(self);
}

/// Runs `step` with the number of products of a tile along each axis as constants. Inlined, so that
/// it is compiled for the instruction set of the job around it.
#[inline(always)]
fn for_products(products: [usize; 2], step: impl Transform) {
    match products {
        [6, 6] => step.transform::<6, 6>(),
        [1, 6] => step.transform::<1, 6>(),
        [6, 1] => step.transform::<6, 1>(),
        [1, 8] => step.transform::<1, 8>(),
        [8, 1] => step.transform::<8, 1>(),
        [8, 8] => step.transform::<8, 8>(),
        [6, 8] => step.transform::<6, 8>(),
        _ => step.transform::<8, 6>(),
    }
}

impl Job for InputTransform<'_> {
    #[inline(always)]
    fn run(self) {
        for_products(self.layout.conv.products, self);
    }
}

impl Transform for InputTransform<'_> {
    #[inline(always)]
    fn transform<const Y: usize, const X: usize>(self) {
        let TaskLayout {
            copy,
            offsets,
            pitch,
            conv,
            ..
        } = self.layout;
        let tiles = self.tiles.size;
        let mut values = [[[0.0; 16]; X]; Y];
        for (channel, plane) in self.x.chunks_exact(self.size[0] * self.size[1]).enumerate() {
            copy.fill(self.buffer, 0, plane, self.size, self.tiles);
            for row in 0..tiles[0] {
                for column in (0..tiles[1]).step_by(16) {
                    let first = row * copy.pitch + column;
                    for (value, &offset) in values.as_flattened_mut().iter_mut().zip(offsets) {
                        value.copy_from_slice(&self.buffer[first + offset as usize..][..16]);
                    }
                    transform_both_axes::<Y, X, true>(&mut values);
                    let first = channel * pitch + row * tiles[1] + column;
                    for (product, value) in values.as_flattened().iter().enumerate() {
                        let start = product * conv.inputs * pitch + first;
                        self.inputs[start..start + 16].copy_from_slice(value);
                    }
                }
            }
        }
    }
}

/// Transforms the products of [`ROWS`] output channels to outputs, with bias and activation.
pub struct OutputTransform<'a, 'b> {
    pub layout: &'a TaskLayout<'a>,
    pub products: &'a [f32],
    /// The lines of the output, ordered (channel, row).
    pub lines: &'a mut [&'b mut [f32]],
    pub bias: &'a [f32],
    pub task: &'a Task,
    pub activation: Activation,
}

impl Job for OutputTransform<'_, '_> {
    #[inline(always)]
    fn run(self) {
        for_products(self.layout.conv.products, self);
    }
}

impl Transform for OutputTransform<'_, '_> {
    #[inline(always)]
    fn transform<const Y: usize, const X: usize>(self) {
        let TaskLayout { pitch, step, .. } = self.layout;
        let size = self.task.outputs.size;
        let tiles = self.task.tiles.size;
        let mut values = [[[0.0; 16]; X]; Y];
        let channels = self.lines.chunks_exact_mut(size[0]).zip(self.bias);
        for (channel, (lines, &bias)) in channels.enumerate() {
            for (row, lines) in lines.chunks_mut(step[0]).enumerate() {
                for column in (0..tiles[1]).step_by(16) {
                    let first = channel * pitch + row * tiles[1] + column;
                    for (product, value) in values.as_flattened_mut().iter_mut().enumerate() {
                        let start = product * ROWS * pitch + first;
                        value.copy_from_slice(&self.products[start..start + 16]);
                    }
                    transform_both_axes::<Y, X, false>(&mut values);
                    for (line, values) in lines.iter_mut().zip(&values) {
                        let line = &mut line[column * step[1]..];
                        match X {
                            1 => write(line, [&values[0]], bias, self.activation),
                            _ => {
                                let values = [&values[0], &values[1], &values[2], &values[3]];
                                write(line, values, bias, self.activation);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Applies the transform of inputs, or of outputs, along both axes: rows, then columns.
#[inline(always)]
fn transform_both_axes<const Y: usize, const X: usize, const INPUT: bool>(
    values: &mut [[Lanes; X]; Y],
) {
    for row in values.iter_mut() {
        transform_axis::<INPUT>(row);
    }
    if Y > 1 {
        for x in 0..X {
            let mut column = [[0.0; 16]; Y];
            for (value, row) in column.iter_mut().zip(&*values) {
                *value = row[x];
            }
            transform_axis::<INPUT>(&mut column);
            for (value, row) in column.iter().zip(values.iter_mut()) {
                row[x] = *value;
            }
        }
    }
}

/// Applies the transform of inputs, or of outputs, along one axis.
#[inline(always)]
fn transform_axis<const INPUT: bool>(values: &mut [Lanes]) {
    if INPUT {
        transform::input(values);
    } else {
        transform::output(values);
    }
}

/// Writes the `N` outputs of each of sixteen tiles to a line, tile after tile, as far as the line
/// goes.
#[inline(always)]
fn write<const N: usize>(line: &mut [f32], values: [&Lanes; N], bias: f32, activation: Activation) {
    let mut mixed = [[0.0; N]; 16];
    for (tile, mixed) in mixed.iter_mut().enumerate() {
        for (mixed, value) in mixed.iter_mut().zip(values) {
            *mixed = value[tile];
        }
    }
    let mixed = mixed.as_flattened_mut();
    match activation {
        Activation::None => mixed.iter_mut().for_each(|v| *v += bias),
        _ => mixed
            .iter_mut()
            .for_each(|v| *v = activation.apply(*v + bias)),
    }
    match line.get_mut(..16 * N) {
        Some(line) => line.copy_from_slice(mixed),
        None => line.copy_from_slice(&mixed[..line.len()]),
    }
}
