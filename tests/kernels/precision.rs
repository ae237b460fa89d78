//! Tensors of 16 bits: a fast form gives the rounded result of the same values in 32 bits, and the
//! reference form is close to it.

use burn::tensor::{DType as TensorDType, Tensor, module};
use propainter::{
    DType, Rect,
    internals::kernels::{
        attention::{attention, attention_reference},
        conv::{Activation, ConvGeometry, PackedConv, conv2d_reference},
        deform_conv::{PackedDeformConv, SamplingPoints, deform_conv_reference},
        fold::{fold, fold_reference, unfold, unfold_reference},
        gates,
        gelu::{gelu, gelu_reference},
        instance_norm::{instance_norm, instance_norm_reference},
        linear::PackedLinear,
        upsample::{upsample2x, upsample2x_reference},
        warp::{Sampling, consistency, warp, warp_reference},
    },
};
use propainter_tests::golden::relative_error;

use super::tensor;

/// The values that a kernel is given: rounded to `rounding`, stored as `dtype`.
#[derive(Clone, Copy)]
struct Given {
    rounding: DType,
    dtype: TensorDType,
}

impl Given {
    fn rounded<const D: usize>(self, shape: [usize; D], seed: u64, most: f32) -> Tensor<D> {
        let x = tensor(shape, seed, most);
        x.cast(self.rounding.tensor_dtype()).cast(self.dtype)
    }
}

/// Compares a kernel and its reference form on 16 bits with the kernel on 32 bits.
fn check<const D: usize>(
    what: &str,
    kernel: impl Fn(Given) -> Tensor<D>,
    reference: impl Fn(Given) -> Tensor<D>,
) {
    for (rounding, bound) in [(DType::F16, 2e-3), (DType::Bf16, 1.6e-2)] {
        let dtype = rounding.tensor_dtype();
        let given = |dtype| Given { rounding, dtype };
        let full = kernel(given(TensorDType::F32));
        assert_eq!(full.dtype(), TensorDType::F32, "{what}");
        let fast = kernel(given(dtype));
        assert_eq!(fast.dtype(), dtype, "{what}");
        let rounded = full.clone().cast(dtype);
        assert_eq!(fast.into_data(), rounded.into_data(), "{what}");
        let reference = reference(given(dtype));
        assert_eq!(reference.dtype(), dtype, "{what}, reference");
        let error = relative_error(reference.cast(TensorDType::F32), full);
        println!("{what}, reference, {rounding:?}: relative error {error:.2e}");
        assert!(
            error <= bound,
            "{what}, reference, {rounding:?}: {error:.2e}"
        );
    }
}

#[test]
fn convolutions_keep_the_type() {
    let default = ConvGeometry::default();
    let activation = Activation::Leaky(0.2);
    for (name, channels, kernel, geometry) in [
        ("direct", [3, 5], [3, 3], default.stride(2)),
        ("winograd", [32, 24], [3, 3], default),
        ("grouped", [40, 48], [3, 3], default.groups(4)),
        ("wide", [20, 17], [1, 5], ConvGeometry::padding(0, 2)),
    ] {
        let parts = |given: Given| {
            let [inputs, outputs] = channels;
            let shape = [outputs, inputs / geometry.groups, kernel[0], kernel[1]];
            (
                given.rounded([2, inputs, 13, 22], 1, 1.0),
                given.rounded(shape, 2, 1.0),
                given.rounded([outputs], 3, 1.0),
            )
        };
        let fast = |given| {
            let (x, weight, bias) = parts(given);
            let packed = PackedConv::new(&weight, &bias, geometry).expect("tensors of the CPU");
            packed.apply(&x, activation)
        };
        let reference = |given| {
            let (x, weight, bias) = parts(given);
            conv2d_reference(x, weight, bias, geometry, activation)
        };
        check(name, fast, reference);
    }
}

#[test]
fn linear_layers_keep_the_type() {
    let parts = |given: Given| {
        (
            given.rounded([2, 21, 130], 1, 1.0),
            given.rounded([130, 50], 2, 1.0),
            given.rounded([50], 3, 1.0),
        )
    };
    let fast = |given| {
        let (x, weight, bias) = parts(given);
        let packed = PackedLinear::new(&weight, &bias).expect("tensors of the CPU");
        packed.apply(&x)
    };
    let reference = |given| {
        let (x, weight, bias) = parts(given);
        module::linear(x, weight, Some(bias))
    };
    check("linear", fast, reference);
}

#[test]
fn deformable_convolutions_keep_the_type_and_sample_where_32_bits_say() {
    let parts = |given: Given| {
        let points = SamplingPoints::Learned {
            raw: given.rounded([1, 27 * 4, 9, 14], 3, 2.0),
            limit: 5.0,
            flow: Some(tensor([1, 2, 9, 14], 4, 6.0)),
        };
        (
            given.rounded([1, 32, 9, 14], 1, 1.0),
            given.rounded([24, 32, 3, 3], 2, 1.0),
            given.rounded([24], 5, 1.0),
            points,
        )
    };
    let fast = |given| {
        let (x, weight, bias, points) = parts(given);
        let packed = PackedDeformConv::new(&weight, &bias, 4).expect("tensors of the CPU");
        packed.apply(&x, &points)
    };
    let reference = |given| {
        let (x, weight, bias, points) = parts(given);
        let (offset, modulation) = points.resolve();
        assert_eq!(offset.dtype(), TensorDType::F32);
        deform_conv_reference(x, offset, modulation, weight, bias)
    };
    check("deformable convolution", fast, reference);
}

#[test]
fn attention_keeps_the_type() {
    let parts = |given: Given| {
        // Scores up to about 10.
        let q = given.rounded([3, 45, 32], 1, 4.0);
        let k = given.rounded([3, 193, 32], 2, 1.0);
        (q, k, given.rounded([3, 193, 32], 3, 1.0))
    };
    let with = |form: fn(Tensor<3>, Tensor<3>, Tensor<3>, f64) -> Tensor<3>| {
        move |given| {
            let (q, k, v) = parts(given);
            form(q, k, v, 0.5)
        }
    };
    check("attention", with(attention), with(attention_reference));
}

#[test]
fn images_keep_the_type_and_flows_their_bits() {
    let x = |given: Given| given.rounded([2, 5, 13, 22], 1, 1.0);
    let flow = || tensor([2, 2, 13, 22], 2, 7.0);
    for sampling in [Sampling::Bilinear, Sampling::Nearest] {
        check(
            &format!("{sampling:?} warp"),
            |given| warp(x(given), flow(), sampling),
            |given| warp_reference(x(given), flow(), sampling),
        );
    }
    let area = Rect::new([7..16, 12..30]);
    check(
        "upsample2x",
        |given| upsample2x(x(given), &Rect::whole([13, 22]), [13, 22], &area),
        |given| upsample2x_reference(x(given), &Rect::whole([13, 22]), [13, 22], &area),
    );
    let agree = |given: Given| {
        let flow = |seed| given.rounded([2, 2, 13, 22], seed, 0.9);
        consistency(flow(3), flow(4))
    };
    check("consistency", agree, agree);
}

#[test]
fn patches_keep_the_type() {
    let x = |given: Given| given.rounded([2, 5, 13, 22], 1, 1.0);
    check(
        "unfold",
        |given| unfold(x(given)),
        |given| unfold_reference(x(given)),
    );
    let patches = |given: Given| given.rounded([2, 5 * 8, 3 * 49], 2, 1.0);
    check(
        "fold",
        |given| fold(patches(given), [13, 22]),
        |given| fold_reference(patches(given), [13, 22]),
    );
}

#[test]
fn activations_and_norms_keep_the_type() {
    let x = |given: Given| given.rounded([2, 6, 13, 22], 1, 5.0);
    check(
        "gelu",
        |given| gelu(x(given)),
        |given| gelu_reference(x(given)),
    );
    check(
        "instance_norm",
        |given| instance_norm(x(given), true),
        |given| instance_norm_reference(x(given), true),
    );
    let half = |given: Given, seed| given.rounded([2, 3, 13, 22], seed, 2.0);
    check(
        "open",
        |given| gates::open(x(given), x(given), half(given, 2)).1,
        |given| gates::open_reference(x(given), x(given), half(given, 2)).1,
    );
    let close = |form: fn(Tensor<4>, Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>| {
        move |given| {
            let [h, z, candidate, constant] = [3, 4, 5, 6].map(|seed| half(given, seed));
            form(h, z, candidate, constant)
        }
    };
    check("close", close(gates::close), close(gates::close_reference));
}
