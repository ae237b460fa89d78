//! Products whose factors are rounded to TF32: 10 bits of mantissa, to the nearest. Products and sums
//! are in 32 bits, so they are those of the reference form for rounded factors.

use burn::tensor::{Device, Tensor, TensorData};
use propainter::{
    DType, DeviceChoice,
    internals::{
        cuda_info::DeviceInfo,
        kernels::{
            conv::{
                Activation, ConvGeometry, conv2d_reference,
                cube::{Fusion, GpuConv},
            },
            linear::{cube::GpuLinear, linear_reference},
        },
    },
};
use propainter_tests::golden;

use super::support::{assert_close, devices, values};

/// What summing in 32 bits may cost, relative to the largest element.
const BOUND: f32 = 1e-5;

/// Returns values between two of TF32, so that rounding has no ties.
fn thirds<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
    values(shape, seed) / 3.0
}

/// Returns the values that TF32 represents, the nearest ones.
fn rounded<const D: usize>(x: &Tensor<D>) -> Tensor<D> {
    let data = x.clone().into_data();
    let values: Vec<f32> = data.try_into_vec().expect("floats");
    let nearest = |value: f32| f32::from_bits((value.to_bits() + (1 << 12)) & !0x1fff);
    let values: Vec<f32> = values.into_iter().map(nearest).collect();
    Tensor::from_data(TensorData::new(values, x.dims()), &Device::flex())
}

/// Returns whether the device's tensor cores multiply TF32.
fn has_tf32(device: &Device) -> bool {
    let DeviceChoice::Cuda(n) = golden::device_choice() else {
        return false;
    };
    let info = DeviceInfo::of(n).expect("the device is open");
    *device == golden::device() && info.compute_capability >= Some((8, 0))
}

/// Fails unless `out` is what the device must make of factors that round to `rounded`: that, or the
/// exact product where it has no TF32.
fn assert_rounded<const D: usize>(
    out: Tensor<D>,
    exact: &Tensor<D>,
    rounded: &Tensor<D>,
    device: &Device,
    what: &str,
) {
    let expected = if has_tf32(device) { rounded } else { exact };
    assert_close(out, expected, BOUND, 0.0, what);
    let most = |x: Tensor<D>| x.abs().max().into_scalar::<f32>();
    let difference = most(exact.clone() - rounded.clone()) / most(exact.clone());
    println!("{what}: TF32 differs by {difference:.1e} of the largest element");
    assert!((1e-5..1e-3).contains(&difference), "{what}: {difference:e}");
}

#[test]
fn convolutions_in_tf32_round_their_factors_only() {
    for (device, _) in devices() {
        for (inputs, outputs, kernel, stride) in [
            (20, 33, [3, 3], 1),
            (3, 66, [7, 7], 2),
            (128, 70, [1, 5], 1),
            (324, 130, [1, 1], 1),
        ] {
            let geometry = ConvGeometry::padding(kernel[0] / 2, kernel[1] / 2).stride(stride);
            let length = (inputs * kernel[0] * kernel[1]) as f32;
            let weight = thirds([outputs, inputs, kernel[0], kernel[1]], 71) / length.sqrt();
            let (bias, x) = (thirds([outputs], 72), thirds([2, inputs, 9, 13], 73));
            let there = |x: &Tensor<4>| Tensor::from_data(x.clone().into_data(), &device);
            let bias_there = Tensor::from_data(bias.clone().into_data(), &device);
            let conv = GpuConv::new(&there(&weight), &bias_there, geometry);
            let conv = conv.expect("a CubeCL device").rounding(DType::Tf32.into());
            let out = conv.apply(&[&there(&x)], Fusion::default());
            let reference = |x: &Tensor<4>, weight: &Tensor<4>| {
                let (x, weight, bias) = (x.clone(), weight.clone(), bias.clone());
                conv2d_reference(x, weight, bias, geometry, Activation::None)
            };
            let exact = reference(&x, &weight);
            let expected = reference(&rounded(&x), &rounded(&weight));
            let what = format!("{inputs} → {outputs}, {kernel:?}");
            assert_rounded(out, &exact, &expected, &device, &what);
        }
    }
}

#[test]
fn fully_connected_layers_in_tf32_round_their_factors_only() {
    for (device, _) in devices() {
        for (rows, inputs, outputs) in [(14, 19, 33), (130, 64, 70)] {
            let weight = thirds([inputs, outputs], 74) / (inputs as f32).sqrt();
            let (bias, x) = (thirds([outputs], 75), thirds([rows, inputs], 76));
            let there = |x: &Tensor<2>| Tensor::from_data(x.clone().into_data(), &device);
            let bias_there = Tensor::from_data(bias.clone().into_data(), &device);
            let layer = GpuLinear::new(&there(&weight), &bias_there);
            let layer = layer.expect("a CubeCL device").rounding(DType::Tf32.into());
            let out: Tensor<2> = layer.apply(&there(&x));
            let exact = linear_reference(x.clone(), weight.clone(), bias.clone());
            let expected = linear_reference(rounded(&x), rounded(&weight), bias);
            let what = format!("{rows} rows, {inputs} → {outputs}");
            assert_rounded(out, &exact, &expected, &device, &what);
        }
    }
}

#[test]
fn few_outputs_are_computed_exactly() {
    for (device, _) in devices() {
        let geometry = ConvGeometry::default();
        let (weight, bias) = (thirds([2, 32, 3, 3], 77) / 17.0, thirds([2], 78));
        let x = thirds([1, 32, 9, 11], 79);
        let there = |x: &Tensor<4>| Tensor::from_data(x.clone().into_data(), &device);
        let bias_there = Tensor::from_data(bias.clone().into_data(), &device);
        let conv = GpuConv::new(&there(&weight), &bias_there, geometry);
        let conv = conv.expect("a CubeCL device").rounding(DType::Tf32.into());
        let out = conv.apply(&[&there(&x)], Fusion::default());
        let expected = conv2d_reference(x, weight, bias, geometry, Activation::None);
        assert_close(out, &expected, BOUND, 0.0, "two outputs");
    }
}
