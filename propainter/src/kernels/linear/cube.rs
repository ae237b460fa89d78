//! The GPU form: a matrix product of the weights and of rows of features.

use burn::tensor::Tensor;
use burn_cubecl::{Cube, kernel::into_contiguous};

use crate::kernels::gemm::{Epilogue, Layout, Product, Taps, strided};

/// A layer's weights and bias on a CubeCL device.
#[derive(Debug)]
pub struct GpuLinear {
    /// `[1, 1, I, O]`
    weight: Tensor<4>,
    /// `[O]`
    bias: Tensor<1>,
}

impl GpuLinear {
    /// Packs `weight` `[I, O]` and `bias` `[O]`; returns `None` if they are not on a CubeCL device.
    pub fn new(weight: &Tensor<2>, bias: &Tensor<1>) -> Option<Self> {
        let packed = into_contiguous(strided(&weight.clone().unsqueeze::<4>())?);
        Some(Self {
            weight: Tensor::from_primitive::<Cube>(packed),
            bias: bias.clone().cast(weight.dtype()),
        })
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
            strided(&x.permute([0, 3, 1, 2])).expect("a tensor of a CubeCL device")
        };
        let out = Product {
            inputs: &[pixels(x, inputs)],
            weight: strided(&self.weight).expect("a tensor of a CubeCL device"),
            taps: Taps::ONE,
            size: [1, rows],
            epilogue: Epilogue {
                bias: strided(&self.bias),
                addend: addend.map(|addend| pixels(addend, outputs)),
                ..Epilogue::default()
            },
            layout: Layout::Rows,
        };
        let out: Tensor<4> = Tensor::from_primitive::<Cube>(out.compute());
        out.permute([0, 2, 3, 1]).reshape(shape)
    }
}
