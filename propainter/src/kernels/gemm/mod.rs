//! Matrix products on a GPU: what convolutions, fully connected layers and the correlation of all
//! pairs have in common.
//!
//! All of them sum products of weights and of values that a window reads: an implicit matrix product,
//! in which nothing is gathered or concatenated in memory. There is no algorithm to choose at run
//! time, no workspace, and no rounding between the products: values are converted to 32 bits when
//! they are read, and the result is rounded once to the data type of the input.

mod finish;
mod form;
mod kernel;
mod multiply;
mod read;
mod tile;

use burn_cubecl::{
    cubecl::{
        ir::{ElemType, FloatKind, features::MmaConfig},
        prelude::*,
    },
    tensor::CubeTensor,
};

use self::{
    finish::FinishLaunch,
    form::{Form, LISTED, Multiplier, Order, WindowLaunch},
    kernel::product_kernel,
    tile::Tile,
};
use super::{
    activation::Activation,
    cube::{cube_units, elem_type, empty_like},
};
use crate::DType as Numbers;

/// The most inputs that are read as one.
pub const INPUTS: usize = 4;

/// The fewest channels of a group that are read in blocks.
const BLOCK: usize = 12;

/// What happens to a sum before it is stored.
#[derive(Clone, Debug)]
pub struct Epilogue {
    /// Multiplies the sum.
    pub scale: f32,
    /// `[O]`, added to the sum.
    pub bias: Option<CubeTensor>,
    /// Applied then.
    pub activation: Activation,
    /// `[B, O, H', W']`, in the data type of the inputs, added then.
    pub addend: Option<CubeTensor>,
    /// Applied last.
    pub after: Activation,
}

impl Default for Epilogue {
    fn default() -> Self {
        Self {
            scale: 1.0,
            bias: None,
            activation: Activation::None,
            addend: None,
            after: Activation::None,
        }
    }
}

/// What the taps of one output read.
#[derive(Clone, Copy, Debug)]
pub struct Taps {
    /// Rows and columns of the taps.
    pub kernel: [usize; 2],
    /// Steps between outputs.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Steps between taps.
    pub dilation: [usize; 2],
}

impl Taps {
    /// Every output reads its own place.
    pub const ONE: Self = Self {
        kernel: [1, 1],
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
    };
}

/// The memory order of a result `[B, O, H', W']`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Pixels of a channel are neighbours.
    Planes,
    /// Channels of a pixel are neighbours.
    Rows,
}

impl From<Numbers> for Rounding {
    fn from(numbers: Numbers) -> Self {
        match numbers {
            Numbers::Tf32 => Self::Tf32,
            Numbers::F32 | Numbers::F16 | Numbers::Bf16 => Self::Exact,
        }
    }
}

/// A matrix product on a CubeCL device.
#[derive(Debug)]
pub struct Product<'a> {
    /// One to [`INPUTS`] tensors `[B, C, H, W]` with any strides, of one data type. Each group reads its
    /// share of the channels of every input.
    pub inputs: &'a [CubeTensor],
    /// `[B, groups, taps · I/groups, O/groups]`, neighbours along the last axis; B is 1 where all images
    /// have the same weights. The third axis is ordered (tap, channel).
    pub weight: CubeTensor,
    /// What the taps read.
    pub taps: Taps,
    /// Rows and columns of the result.
    pub size: [usize; 2],
    /// What happens to the sums.
    pub epilogue: Epilogue,
    /// The memory order of the result.
    pub layout: Layout,
    /// How factors of 32 bits are multiplied.
    pub rounding: Rounding,
}

/// How factors of 32 bits are multiplied. Sums are in 32 bits in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Exactly.
    #[default]
    Exact,
    /// Rounded to TF32, with 10 bits of mantissa, on devices whose tensor cores multiply that.
    Tf32,
}

impl Product<'_> {
    /// Computes the product, `[B, O, H', W']` in the data type of the inputs.
    pub fn compute(self) -> CubeTensor {
        let first = &self.inputs[0];
        let shape: [usize; 4] = first.meta.shape.dims();
        let images = shape[0];
        let [_, groups, length, outputs]: [usize; 4] = self.weight.meta.shape.dims();
        let [out_height, out_width] = self.size;
        let channels = groups * outputs;
        let out = match self.layout {
            Layout::Planes => empty_like(first, [images, channels, out_height, out_width]),
            Layout::Rows => {
                let mut out = empty_like(first, [images, out_height, out_width, channels]);
                out.meta.permute(&[0, 3, 1, 2]).expect("four axes");
                out
            }
        };
        let pixels = out_height * out_width;
        if images * channels * pixels == 0 {
            return out;
        }
        let hardware = &first.client.properties().hardware;
        // Two cubes on each multiprocessor.
        let cubes = 2 * hardware.num_streaming_multiprocessors.unwrap_or(1) as usize;
        let (multiplier, shared_elem) = self.multiplier(outputs);
        let tile = match multiplier {
            Multiplier::Units => Tile::of(outputs, pixels, images * groups, cubes),
            Multiplier::TensorCores(_) => {
                Tile::of_fragments(outputs, pixels, images * groups, cubes)
            }
        };
        let Taps {
            kernel,
            stride,
            padding,
            dilation,
        } = self.taps;
        let taps = kernel[0] * kernel[1];
        let few = self.inputs.len() == 1 && taps > 1 && length / taps < BLOCK && length <= LISTED;
        let form = Form {
            tile,
            units: cube_units(first, tile.lanes()),
            multiplier,
            inputs: self.inputs.len(),
            order: match self.layout {
                Layout::Rows if taps == 1 => Order::Rows,
                _ if few => Order::Listed,
                _ => Order::Channels,
            },
        };
        let cubes = images * groups * outputs.div_ceil(tile.rows) * pixels.div_ceil(tile.columns);
        let signed = |pair: [usize; 2]| pair.map(|value| value as i32);
        let [stride, padding, dilation] = [stride, padding, dilation].map(signed);
        let Epilogue {
            scale,
            bias,
            activation,
            addend,
            after,
        } = self.epilogue;
        let mut weight = self.weight;
        if weight.meta.shape[0] == 1 {
            weight.meta.strides[0] = 0;
        }
        let weight_elem = elem_type(&weight);
        product_kernel::launch(
            &out.client,
            CubeCount::Static(cubes as u32, 1, 1),
            CubeDim::new_1d(form.units as u32),
            SequenceArg {
                values: self
                    .inputs
                    .iter()
                    .map(|input| input.clone().into_tensor_arg())
                    .collect(),
            },
            weight.clone().into_tensor_arg(),
            bias.clone().unwrap_or(weight).into_tensor_arg(),
            addend.clone().unwrap_or(first.clone()).into_tensor_arg(),
            out.clone().into_tensor_arg(),
            WindowLaunch::new(
                kernel[0],
                kernel[1],
                stride[0],
                stride[1],
                padding[0],
                padding[1],
                dilation[0],
                dilation[1],
            ),
            FinishLaunch::new(
                scale,
                slope(activation),
                slope(after),
                bias.is_some() as u32,
                addend.is_some() as u32,
            ),
            groups,
            form,
            elem_type(first),
            weight_elem,
            shared_elem,
        );
        out
    }

    /// Returns what multiplies for so many outputs, and the type of the factors in shared memory.
    fn multiplier(&self, outputs: usize) -> (Multiplier, ElemType) {
        let [first, weight] = [&self.inputs[0], &self.weight].map(elem_type);
        let exact = ElemType::Float(FloatKind::F32);
        let (factor, depth) = if first != exact && first == weight {
            (first, 16)
        } else if self.rounding == Rounding::Tf32 {
            (ElemType::Float(FloatKind::TF32), 8)
        } else {
            return (Multiplier::Units, exact);
        };
        let config = MmaConfig {
            a_type: factor,
            b_type: factor,
            cd_type: exact,
            m: 16,
            n: 16,
            k: depth,
        };
        let cores = &self.inputs[0].client.properties().features.matmul.cmma;
        if outputs > Tile::FLAT.rows && cores.contains(&config) {
            (Multiplier::TensorCores(depth as usize), factor)
        } else {
            (Multiplier::Units, exact)
        }
    }
}

/// Returns the slope of negative values.
fn slope(activation: Activation) -> f32 {
    match activation {
        Activation::None => 1.0,
        Activation::Relu => 0.0,
        Activation::Leaky(slope) => slope as f32,
    }
}
