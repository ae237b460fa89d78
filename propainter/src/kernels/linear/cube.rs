//! The GPU form: a matrix product of the weights and of rows of features.

use burn::tensor::Tensor;
use burn_cubecl::{Cube, kernel::into_contiguous};

use crate::kernels::{
    cube::strided_tensor,
    gemm::{Epilogue, Layout, Product, Rounding, Taps},
};

/// A layer's weights and bias on a CubeCL device.
#[derive(Debug)]
pub struct GpuLinear {
    /// `[1, 1, I, O]`
    weight: Tensor<4>,
    /// `[O]`
    bias: Tensor<1>,
    rounding: Rounding,
}

impl GpuLinear {
    /// Packs `weight` `[I, O]` and `bias` `[O]`; returns `None` if they are not on a CubeCL device.
    pub fn new(weight: &Tensor<2>, bias: &Tensor<1>) -> Option<Self> {
        let packed = into_contiguous(strided_tensor(&weight.clone().unsqueeze::<4>())?);
        Some(Self {
            weight: Tensor::from_primitive::<Cube>(packed),
            bias: bias.clone().cast(weight.dtype()),
            rounding: Rounding::Exact,
        })
    }

    /// Returns the layer with factors rounded so.
    pub fn rounding(self, rounding: Rounding) -> Self {
        Self { rounding, ..self }
    }

    /// Applies the layer: `[…, I]` → `[…, O]` in the data type of `x`.
    ///
    /// # Panics
    /// Panics if `x` is not on a CubeCL device, or if its last axis is not I.
    pub fn apply<const D: usize>(&self, x: &Tensor<D>) -> Tensor<D> {
        self.apply_onto(x, None)
    }

    /// Applies the layer and adds `addend` `[…, O]`, in the data type of `x`, if there is one.
    ///
    /// # Panics
    /// As [`apply`](Self::apply).
    pub fn apply_onto<const D: usize>(
        &self,
        x: &Tensor<D>,
        addend: Option<&Tensor<D>>,
    ) -> Tensor<D> {
        let [.., inputs, outputs] = self.weight.dims();
        let mut shape = x.dims();
        assert_eq!(shape[D - 1], inputs, "features of the input");
        let rows: usize = shape[..D - 1].iter().product();
        shape[D - 1] = outputs;
        // Features become channels, and rows a line of pixels.
        let pixels = |x: &Tensor<D>, channels: usize| {
            let x: Tensor<4> = x.clone().reshape([1, 1, rows, channels]);
            strided_tensor(&x.permute([0, 3, 1, 2])).expect("a tensor of a CubeCL device")
        };
        let out = Product {
            inputs: &[pixels(x, inputs)],
            weight: strided_tensor(&self.weight).expect("a tensor of a CubeCL device"),
            taps: Taps::ONE,
            size: [1, rows],
            epilogue: Epilogue {
                bias: strided_tensor(&self.bias),
                addend: addend.map(|addend| pixels(addend, outputs)),
                ..Epilogue::default()
            },
            layout: Layout::Rows,
            rounding: self.rounding,
        };
        let out: Tensor<4> = Tensor::from_primitive::<Cube>(out.compute());
        out.permute([0, 2, 3, 1]).reshape(shape)
    }
}

/// Computes the inner products of all columns of `first` `[B, C, P]` with all columns of `second`
/// `[B, C, Q]`, times `scale`: `[B, P, Q]` in the data type of `first`. Returns `None` unless both
/// tensors are on a CubeCL device.
pub fn all_products(first: &Tensor<3>, second: &Tensor<3>, scale: f32) -> Option<Tensor<3>> {
    let [batch, channels, rows] = first.dims();
    let columns = second.dims()[2];
    // The columns of `first` are weights, which differ between images.
    let weight = into_contiguous(strided_tensor(&first.clone().unsqueeze_dim::<4>(1))?);
    let second = second.clone().cast(first.dtype());
    let pixels: Tensor<4> = second.reshape([batch, channels, 1, columns]);
    let out = Product {
        inputs: &[strided_tensor(&pixels)?],
        weight,
        taps: Taps::ONE,
        size: [1, columns],
        epilogue: Epilogue {
            scale,
            ..Epilogue::default()
        },
        layout: Layout::Planes,
        rounding: Rounding::Exact,
    };
    let out: Tensor<4> = Tensor::from_primitive::<Cube>(out.compute());
    Some(out.reshape([batch, rows, columns]))
}
