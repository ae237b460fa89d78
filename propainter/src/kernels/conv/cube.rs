//! The GPU form: an implicit matrix product of the weights and of what the taps read.

use burn::tensor::Tensor;
use burn_cubecl::{Cube, kernel::into_contiguous};

use super::{Activation, ConvGeometry};
use crate::kernels::{
    cube::strided_tensor,
    gemm::{Epilogue, INPUTS, Layout, Product, Rounding, Taps},
};

/// A convolution's weights and bias on a CubeCL device, in the kernel's order.
#[derive(Debug)]
pub struct GpuConv {
    /// `[1, groups, taps · I/groups, O/groups]`, the third axis ordered (tap, channel).
    weight: Tensor<4>,
    /// `[O]`
    bias: Tensor<1>,
    /// Rows and columns of the taps.
    kernel: [usize; 2],
    geometry: ConvGeometry,
    rounding: Rounding,
}

/// What follows a convolution before its result is stored: `after(activation(sums) + addend)`.
#[derive(Clone, Debug, Default)]
pub struct Fusion {
    /// Applied to the sums.
    pub activation: Activation,
    /// `[B, O, H', W']`, added then.
    pub addend: Option<Tensor<4>>,
    /// Applied last.
    pub after: Activation,
}

impl GpuConv {
    /// Packs `weight` `[O, I/groups, kh, kw]` and `bias` `[O]`; returns `None` if they are not on a
    /// CubeCL device.
    pub fn new(weight: &Tensor<4>, bias: &Tensor<1>, geometry: ConvGeometry) -> Option<Self> {
        strided_tensor(weight)?;
        let [outputs, inputs, rows, columns] = weight.dims();
        let groups = geometry.groups;
        let packed: Tensor<4> = weight
            .clone()
            .reshape([groups, outputs / groups, inputs, rows * columns])
            .permute([0, 3, 2, 1])
            .reshape([1, groups, rows * columns * inputs, outputs / groups]);
        let packed = into_contiguous(strided_tensor(&packed)?);
        Some(Self {
            weight: Tensor::from_primitive::<Cube>(packed),
            bias: bias.clone().cast(weight.dtype()),
            kernel: [rows, columns],
            geometry,
            rounding: Rounding::Exact,
        })
    }

    /// Returns the convolution with factors rounded so.
    pub fn rounding(self, rounding: Rounding) -> Self {
        Self { rounding, ..self }
    }

    /// Convolves the concatenation of `parts` along the channels: each `[B, C, H, W]` with any strides,
    /// together I channels. With groups, each group reads its share of every part. Returns
    /// `[B, O, H', W']` in the data type of the first part.
    ///
    /// # Panics
    /// Panics if a part is not on a CubeCL device, or if the parts have not I channels.
    pub fn apply(&self, parts: &[&Tensor<4>], fusion: Fusion) -> Tensor<4> {
        self.compute(parts, fusion, Layout::Planes)
    }

    /// Convolves as [`apply`](Self::apply) does, for channels of a pixel that are neighbours in memory.
    /// The addend and the result are `[B, H', W', O]`.
    ///
    /// # Panics
    /// As [`apply`](Self::apply).
    pub fn apply_by_rows(&self, parts: &[&Tensor<4>], mut fusion: Fusion) -> Tensor<4> {
        let addend = fusion.addend.take();
        fusion.addend = addend.map(|addend| addend.permute([0, 3, 1, 2]));
        self.compute(parts, fusion, Layout::Rows)
            .permute([0, 2, 3, 1])
    }

    fn compute(&self, parts: &[&Tensor<4>], fusion: Fusion, layout: Layout) -> Tensor<4> {
        let dtype = parts[0].dtype();
        let groups = self.geometry.groups;
        let channels: usize = parts.iter().map(|part| part.dims()[1] / groups).sum();
        let taps = self.kernel[0] * self.kernel[1];
        assert_eq!(
            channels * taps,
            self.weight.dims()[2],
            "channels of the input"
        );
        let mut parts: Vec<Tensor<4>> = parts.iter().map(|&part| part.clone()).collect();
        if parts.len() > INPUTS {
            // The last ones are the smallest, as a rule.
            assert_eq!(groups, 1, "at most {INPUTS} parts with groups");
            let rest = parts.split_off(INPUTS - 1);
            let rest = rest.into_iter().map(|part| part.cast(dtype));
            parts.push(Tensor::cat(rest.collect(), 1));
        }
        let on_gpu =
            |x: Tensor<4>| strided_tensor(&x.cast(dtype)).expect("a tensor of a CubeCL device");
        let [.., height, width] = parts[0].dims();
        let inputs: Vec<_> = parts.into_iter().map(on_gpu).collect();
        let out = Product {
            inputs: &inputs,
            weight: strided_tensor(&self.weight).expect("a tensor of a CubeCL device"),
            taps: Taps {
                kernel: self.kernel,
                stride: self.geometry.stride,
                padding: self.geometry.padding,
                dilation: self.geometry.dilation,
            },
            size: self.geometry.output([height, width], self.kernel),
            epilogue: Epilogue {
                bias: strided_tensor(&self.bias),
                activation: fusion.activation,
                addend: fusion.addend.map(on_gpu),
                after: fusion.after,
                ..Epilogue::default()
            },
            layout,
            rounding: self.rounding,
        };
        Tensor::from_primitive::<Cube>(out.compute())
    }
}
