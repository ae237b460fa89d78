//! Fully connected layers over overlapping patches (spec section 6).

use burn::tensor::{Device, Tensor};

use crate::{
    kernels::{
        conv::cube::{Fusion, GpuConv},
        device::by_operations,
        flops,
        fold::{self, AREA, PADDING, SIDE, STRIDE},
    },
    networks::{
        layers::{ConvGeometry, Linear},
        parameters::{ParameterSource, parameter},
    },
};

/// A fully connected layer that reads the 7×7 patches of an image.
#[derive(Debug)]
pub struct PatchLayer(Form);

#[derive(Debug)]
enum Form {
    /// On the CPU the patches are cut out first.
    Patches(Linear),
    /// On a GPU the layer is a convolution with stride 3, so that no patch lies in memory.
    Conv(GpuConv),
}

impl PatchLayer {
    /// Reads `{key}.weight` `[O, C·49]` and `{key}.bias` `[O]`.
    pub fn init(source: &dyn ParameterSource, key: &str, device: &Device) -> Self {
        if by_operations(device) {
            return Self(Form::Patches(Linear::init(source, key, device)));
        }
        let weight: Tensor<2> = parameter(source, &format!("{key}.weight"), device);
        let bias = parameter(source, &format!("{key}.bias"), device);
        let [outputs, inputs] = weight.dims();
        let weight = weight.reshape([outputs, inputs / AREA, SIDE, SIDE]);
        let geometry = ConvGeometry::padding(PADDING, PADDING).stride(STRIDE);
        let conv = GpuConv::new(&weight, &bias, geometry);
        Self(Form::Conv(conv.expect("a tensor of a CubeCL device")))
    }

    /// Applies the layer to all patches and adds `addend` `[B, rows, columns, O]`, if there is one:
    /// `[B, C, H, W]` → `[B, rows, columns, O]`.
    pub fn forward(&self, x: Tensor<4>, addend: Option<Tensor<4>>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        match &self.0 {
            Form::Patches(layer) => {
                let [rows, columns] = fold::patches([height, width]);
                let out = layer.forward(fold::unfold(x));
                let outputs = out.dims()[2];
                let out = out.reshape([batch, rows, columns, outputs]);
                match addend {
                    Some(addend) => out + addend,
                    None => out,
                }
            }
            Form::Conv(conv) => {
                let fusion = Fusion {
                    addend,
                    ..Fusion::default()
                };
                let out = conv.apply_by_rows(&[&x], fusion);
                flops::count(channels * AREA * out.dims().iter().product::<usize>());
                out
            }
        }
    }
}
