//! Convolution with fewer products ([`toom_cook`]), for kernels 3×3, 1×5 and the like, stride 1:
//! 3×3 takes a quarter of them, 1×5 two fifths.
//!
//! A task transforms the inputs of some tiles, multiplies at each point all of them with all
//! weights, and transforms what comes out back.

use rayon::prelude::*;

use super::{
    conv2d::{Activation, Geometry},
    grid::Grid,
    isa::{Isa, Job},
    patch::{Layout, Window},
    scratch,
    tile::{self, Lanes},
    toom_cook,
};

/// Output channels computed together.
const ROWS: usize = 8;

/// Tiles computed together.
const TILES: usize = 48;

/// Elements that the transformed inputs of a task may take.
const MEMORY: usize = 600 << 10;

/// Outputs of a task's row; wider pictures are cut.
const COLUMNS: usize = 512;

/// A convolution's transformed weights.
#[derive(Debug)]
pub struct Filter {
    /// Per group, per [`ROWS`] output channels, per product: input channel × [`ROWS`].
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// Channels of one group.
    inputs: usize,
    outputs: usize,
    kernel: [usize; 2],
    /// Products of a tile, per axis.
    products: [usize; 2],
    geometry: Geometry,
    isa: Isa,
}

impl Filter {
    /// `weight` `[O, I/groups, kh, kw]`, `bias` `[O]`; `None` where there is no short form.
    pub fn pack(
        weight: &[f32],
        [outputs, inputs, kh, kw]: [usize; 4],
        bias: &[f32],
        geometry: Geometry,
        isa: Isa,
    ) -> Option<Self> {
        if geometry.stride != [1, 1] || geometry.dilation != [1, 1] || kh * kw == 1 {
            return None;
        }
        let products = [toom_cook::inputs(kh)?, toom_cook::inputs(kw)?];
        let outputs = outputs / geometry.groups;
        let padded = outputs.next_multiple_of(ROWS);
        let count = products[0] * products[1];
        let mut weights = vec![0.0; geometry.groups * count * padded * inputs];
        let transforms = [matrix(kh), matrix(kw)];
        weights
            .par_chunks_mut(count * padded * inputs)
            .zip(weight.par_chunks(outputs * inputs * kh * kw))
            .for_each(|(target, weight)| {
                for (index, kernel) in weight.chunks_exact(kh * kw).enumerate() {
                    let (output, input) = (index / inputs, index % inputs);
                    let panel = &mut target[output / ROWS * count * ROWS * inputs..];
                    for (product, value) in transform(kernel, kw, &transforms).enumerate() {
                        let place = (product * inputs + input) * ROWS + output % ROWS;
                        panel[place] = value as f32;
                    }
                }
            });
        Some(Self {
            weights,
            bias: bias.to_vec(),
            inputs,
            outputs,
            kernel: [kh, kw],
            products,
            geometry,
            isa,
        })
    }

    /// `x` `[B, I, H, W]` → `[B, O, H', W']`, activated
    pub fn convolve(
        &self,
        x: &[f32],
        [batches, channels, height, width]: [usize; 4],
        activation: Activation,
    ) -> (Vec<f32>, [usize; 4]) {
        let groups = self.geometry.groups;
        assert_eq!(channels, self.inputs * groups, "input channels");
        let size = self.geometry.output([height, width], self.kernel);
        let shape = [batches, groups * self.outputs, size[0], size[1]];
        let mut out = vec![0.0; shape.iter().product()];
        if out.is_empty() {
            return (out, shape);
        }
        let step = self.products.map(toom_cook::outputs);
        let grid = Grid::new(size, batches * groups, self.tile(size, step), step);
        let plan = Plan::new(self, grid.largest(), step);
        let plane = height * width;
        grid.tiles(&mut out, self.outputs)
            .into_par_iter()
            .with_max_len(1)
            .enumerate()
            .for_each(|(index, mut lines)| {
                let (picture, window) = grid.window(index);
                let group = picture % groups;
                let x = &x[picture * self.inputs * plane..][..self.inputs * plane];
                scratch::with(plan.len(), |memory| {
                    let (patch, memory) = memory.split_at_mut(plan.layout.len(1, 16));
                    let (inputs, outputs) = memory.split_at_mut(plan.inputs);
                    let window = plan.window(window);
                    self.isa.run(Inputs {
                        plan: &plan,
                        x,
                        size: [height, width],
                        window: window.tiles,
                        patch,
                        inputs,
                    });
                    let panels = lines.chunks_mut(ROWS * window.outputs.size[0]);
                    for (panel, lines) in panels.enumerate() {
                        plan.multiply(group, panel, inputs, outputs, &window);
                        let first = group * self.outputs + panel * ROWS;
                        self.isa.run(Outputs {
                            plan: &plan,
                            outputs,
                            lines,
                            bias: &self.bias[first..],
                            window: &window,
                            activation,
                        });
                    }
                });
            });
        (out, shape)
    }

    /// Rows and columns of a task, so that what it transforms stays in the cache.
    fn tile(&self, size: [usize; 2], step: [usize; 2]) -> [usize; 2] {
        let columns = size[1]
            .div_ceil(size[1].div_ceil(COLUMNS))
            .next_multiple_of(step[1]);
        let across = columns.div_ceil(step[1]);
        let each = self.inputs * self.products[0] * self.products[1];
        let most = (MEMORY / each / across).max(1);
        // The last few tiles of a task are computed together with nothing.
        let waste = |rows: &usize| {
            let tiles = rows * across;
            (tiles.next_multiple_of(16) - tiles) * 1000 / tiles
        };
        let rows = (most.div_ceil(2)..=most).rev().min_by_key(waste);
        [rows.unwrap_or(1) * step[0], columns]
    }
}

/// `G` as rows of products by taps.
fn matrix(taps: usize) -> Vec<Vec<f64>> {
    let unit = |tap: usize| {
        let kernel: Vec<f64> = (0..taps).map(|i| f64::from(u8::from(i == tap))).collect();
        toom_cook::kernel(&kernel)
    };
    let columns: Vec<Vec<f64>> = (0..taps).map(unit).collect();
    (0..columns[0].len())
        .map(|row| columns.iter().map(|column| column[row]).collect())
        .collect()
}

/// `G g Gᵀ`, row-major.
fn transform<'a>(
    kernel: &'a [f32],
    width: usize,
    [down, across]: &'a [Vec<Vec<f64>>; 2],
) -> impl Iterator<Item = f64> + 'a {
    down.iter().flat_map(move |rows| {
        across.iter().map(move |columns| {
            let lines = kernel.chunks_exact(width).zip(rows);
            let line = |line: &[f32]| -> f64 {
                let taps = line.iter().zip(columns);
                taps.map(|(&tap, share)| f64::from(tap) * share).sum()
            };
            lines.map(|(values, share)| line(values) * share).sum()
        })
    })
}

/// Where a task's tiles, and what is made of them, lie in memory.
struct Plan<'a> {
    filter: &'a Filter,
    /// Outputs of a tile, per axis.
    step: [usize; 2],
    layout: Layout,
    /// Where each input of a tile lies in the copy of its channel.
    places: Vec<u32>,
    /// From one channel to the next: room for the largest task's tiles.
    pitch: usize,
    /// Elements of the transformed inputs, and of the products of [`ROWS`] output channels.
    inputs: usize,
    outputs: usize,
    /// Where each input channel starts among the inputs of one product.
    channels: Vec<u32>,
}

/// One task's outputs, and its tiles.
struct Tiled {
    outputs: Window,
    tiles: Window,
}

impl Tiled {
    fn count(&self) -> usize {
        self.tiles.size[0] * self.tiles.size[1]
    }
}

impl<'a> Plan<'a> {
    fn new(filter: &'a Filter, largest: [usize; 2], step: [usize; 2]) -> Self {
        let tiles = [0, 1].map(|axis| largest[axis].div_ceil(step[axis]));
        let geometry = Geometry {
            stride: step,
            groups: 1,
            ..filter.geometry
        };
        let layout = Layout::new(geometry, filter.products, tiles[0], tiles[1]);
        // Whole vectors, one more for what the last tiles of a row write beyond it, and no
        // multiple of the page.
        let pitch = (((tiles[0] * tiles[1]).div_ceil(16) + 1) | 1) * 16;
        let count = filter.products[0] * filter.products[1];
        Self {
            filter,
            step,
            places: layout.offsets(1, filter.products),
            layout,
            pitch,
            inputs: count * filter.inputs * pitch + TILES,
            outputs: count * ROWS * pitch,
            channels: (0..filter.inputs).map(|c| (c * pitch) as u32).collect(),
        }
    }

    fn len(&self) -> usize {
        self.layout.len(1, 16) + self.inputs + self.outputs
    }

    fn window(&self, outputs: Window) -> Tiled {
        let [rows, columns] = [0, 1].map(|axis| outputs.size[axis].div_ceil(self.step[axis]));
        let start = [0, 1].map(|axis| outputs.start[axis] / self.step[axis]);
        Tiled {
            outputs,
            tiles: Window {
                start,
                size: [rows, columns],
            },
        }
    }

    /// Per product, [`ROWS`] output channels × tiles: the weights times the inputs.
    fn multiply(
        &self,
        group: usize,
        panel: usize,
        inputs: &[f32],
        outputs: &mut [f32],
        window: &Tiled,
    ) {
        let depth = self.filter.inputs;
        let count = self.filter.products[0] * self.filter.products[1];
        let panels = self.filter.outputs.div_ceil(ROWS);
        let weights = &self.filter.weights[(group * panels + panel) * count * ROWS * depth..];
        let weights = weights.chunks_exact(ROWS * depth);
        let inputs = inputs.chunks(depth * self.pitch);
        let outputs = outputs.chunks_exact_mut(ROWS * self.pitch);
        for ((weights, inputs), rows) in weights.zip(inputs).zip(outputs).take(count) {
            let weights = weights.as_chunks::<ROWS>().0;
            for start in (0..window.count()).step_by(TILES) {
                match window.count() - start {
                    ..=16 => self.block::<1>(weights, &inputs[start..], rows, start),
                    17..=32 => self.block::<2>(weights, &inputs[start..], rows, start),
                    33.. => self.block::<3>(weights, &inputs[start..], rows, start),
                }
            }
        }
    }

    fn block<const V: usize>(
        &self,
        weights: &[[f32; ROWS]],
        inputs: &[f32],
        rows: &mut [f32],
        start: usize,
    ) {
        let mut tile = [[[0.0; 16]; V]; ROWS];
        let isa = self.filter.isa;
        tile::multiply(
            isa,
            weights,
            inputs,
            &self.channels,
            Activation::None,
            &mut tile,
        );
        for (row, tile) in rows.chunks_exact_mut(self.pitch).zip(&tile) {
            row.as_chunks_mut::<16>().0[start / 16..][..V].copy_from_slice(tile);
        }
    }
}

struct Inputs<'a> {
    plan: &'a Plan<'a>,
    /// Planes of `size`.
    x: &'a [f32],
    size: [usize; 2],
    window: Window,
    /// Room for one channel of the window.
    patch: &'a mut [f32],
    inputs: &'a mut [f32],
}

/// A step whose arrays are as large as a tile's products, per axis.
trait Transform {
    fn transform<const Y: usize, const X: usize>(self);
}

/// Runs `step` for the products that filters have. Inlined, so that it is compiled for the
/// instruction set of the job around it.
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

impl Job for Inputs<'_> {
    #[inline(always)]
    fn run(self) {
        for_products(self.plan.filter.products, self);
    }
}

impl Transform for Inputs<'_> {
    #[inline(always)]
    fn transform<const Y: usize, const X: usize>(self) {
        let Plan {
            layout,
            places,
            pitch,
            filter,
            ..
        } = self.plan;
        let tiles = self.window.size;
        let mut values = [[[0.0; 16]; X]; Y];
        for (channel, plane) in self.x.chunks_exact(self.size[0] * self.size[1]).enumerate() {
            layout.fill(self.patch, 0, plane, self.size, self.window);
            for row in 0..tiles[0] {
                for column in (0..tiles[1]).step_by(16) {
                    let first = row * layout.pitch + column;
                    for (value, &place) in values.as_flattened_mut().iter_mut().zip(places) {
                        value.copy_from_slice(&self.patch[first + place as usize..][..16]);
                    }
                    two_ways::<Y, X, true>(&mut values);
                    let first = channel * pitch + row * tiles[1] + column;
                    for (product, value) in values.as_flattened().iter().enumerate() {
                        let start = product * filter.inputs * pitch + first;
                        self.inputs[start..start + 16].copy_from_slice(value);
                    }
                }
            }
        }
    }
}

struct Outputs<'a, 'b> {
    plan: &'a Plan<'a>,
    outputs: &'a [f32],
    /// Ordered (channel, row).
    lines: &'a mut [&'b mut [f32]],
    bias: &'a [f32],
    window: &'a Tiled,
    activation: Activation,
}

impl Job for Outputs<'_, '_> {
    #[inline(always)]
    fn run(self) {
        for_products(self.plan.filter.products, self);
    }
}

impl Transform for Outputs<'_, '_> {
    #[inline(always)]
    fn transform<const Y: usize, const X: usize>(self) {
        let Plan { pitch, step, .. } = self.plan;
        let size = self.window.outputs.size;
        let tiles = self.window.tiles.size;
        let mut values = [[[0.0; 16]; X]; Y];
        let channels = self.lines.chunks_exact_mut(size[0]).zip(self.bias);
        for (channel, (lines, &bias)) in channels.enumerate() {
            for (row, lines) in lines.chunks_mut(step[0]).enumerate() {
                for column in (0..tiles[1]).step_by(16) {
                    let first = channel * pitch + row * tiles[1] + column;
                    for (product, value) in values.as_flattened_mut().iter_mut().enumerate() {
                        let start = product * ROWS * pitch + first;
                        value.copy_from_slice(&self.outputs[start..start + 16]);
                    }
                    two_ways::<Y, X, false>(&mut values);
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

/// The inputs' transform, or the outputs', along both axes: rows, then columns.
#[inline(always)]
fn two_ways<const Y: usize, const X: usize, const INPUT: bool>(values: &mut [[Lanes; X]; Y]) {
    for row in values.iter_mut() {
        one_way::<INPUT>(row);
    }
    if Y > 1 {
        for x in 0..X {
            let mut column = [[0.0; 16]; Y];
            for (value, row) in column.iter_mut().zip(&*values) {
                *value = row[x];
            }
            one_way::<INPUT>(&mut column);
            for (value, row) in column.iter().zip(values.iter_mut()) {
                row[x] = *value;
            }
        }
    }
}

#[inline(always)]
fn one_way<const INPUT: bool>(values: &mut [Lanes]) {
    if INPUT {
        toom_cook::input(values);
    } else {
        toom_cook::output(values);
    }
}

/// The `N` outputs of each of sixteen tiles, one tile after the other, as far as the line goes.
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
