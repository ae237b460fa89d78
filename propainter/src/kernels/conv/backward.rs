//! Backward passes: of the leaky ReLU, whose output tells the slope, so that its input is not kept, and
//! of convolutions in 16 bits on the CPU, where the tensor library sums gradients in 16 bits.

use burn::{
    backend::{Flex, ops::ModuleOps},
    tensor::{DType, Tensor, ops::ConvOptions},
};

use super::{Activation, ConvGeometry, conv2d_reference};
use crate::kernels::{recorded::record, upcast::upcast};

/// Convolves on a device that records operations, and computes gradients in 32 bits; returns `None`
/// unless `x` has 16 bits and is in the host's memory.
pub fn conv2d_in_16_bits(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: &Tensor<1>,
    geometry: ConvGeometry,
) -> Option<Tensor<4>> {
    const CPU: &str = "a tensor of the CPU device";
    let [kept, filter] = [x, weight].map(|x| x.clone().inner());
    kept.clone().try_into_primitive::<Flex>().ok()?;
    if kept.dtype() == DType::F32 {
        return None;
    }
    let below = bias.clone().inner();
    let output = conv2d_reference(
        kept.clone(),
        filter.clone(),
        below,
        geometry,
        Activation::None,
    );
    let inputs = [x.into(), weight.into(), bias.into()];
    Some(record(inputs, output, move |gradient, inputs| {
        let primitive = |x: &Tensor<4>| {
            let primitive = upcast(x.clone()).try_into_primitive::<Flex>();
            primitive.expect(CPU)
        };
        let [x, weight, upstream] = [&kept, &filter, &gradient].map(primitive);
        let ConvGeometry {
            stride,
            padding,
            dilation,
            groups,
        } = geometry;
        let options = || ConvOptions::new(stride, padding, dilation, groups);
        inputs.add::<4>(0, || {
            let (x, weight, upstream) = (x.clone(), weight.clone(), upstream.clone());
            Tensor::from_primitive::<Flex>(Flex::conv2d_x_backward(x, weight, upstream, options()))
        });
        inputs.add::<4>(1, || {
            Tensor::from_primitive::<Flex>(Flex::conv2d_weight_backward(
                x,
                weight,
                upstream,
                options(),
            ))
        });
        inputs.add(2, || {
            let outputs = gradient.dims()[1];
            upcast(gradient).sum_dims(&[0, 2, 3]).reshape([outputs])
        });
    }))
}

/// Applies the leaky ReLU on a device that records operations. `slope` is more than 0.
pub fn leaky_relu(x: &Tensor<4>, slope: f64) -> Tensor<4> {
    let output = burn::tensor::activation::leaky_relu(x.clone().inner(), slope);
    let kept = output.clone();
    record([x.into()], output, move |gradient, inputs| {
        inputs.add(0, || {
            let negative = kept.clone().lower_elem(0.0);
            let scaled = gradient.clone() * slope;
            gradient.mask_where(negative, scaled)
        });
    })
}
