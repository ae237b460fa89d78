//! Numbers of 16 bits: the fast forms give what they give of the same numbers in 32 bits,
//! rounded; the plain twins take them, too, and come near.

use burn::tensor::{DType, Tensor, module};
use propainter::{
    Area, Numbers,
    internals::kernels::{
        attention::{attention, attention_plain},
        conv2d::{Activation, Filter, Geometry, conv2d_plain},
        deform_conv::{self, Sites, deform_conv_plain},
        fold::{fold, fold_plain, unfold, unfold_plain},
        gates,
        gelu::{gelu, gelu_plain},
        instance_norm::{instance_norm, instance_norm_plain},
        linear::Matrix,
        upsample::{upsample_area, upsample_area_plain},
        warp::{Sampling, consistency, warp, warp_plain},
    },
};
use propainter_tests::golden::relative_error;

use super::tensor;

/// How a kernel is given what was rounded to some numbers.
#[derive(Clone, Copy)]
struct Given {
    numbers: Numbers,
    dtype: DType,
}

impl Given {
    fn rounded<const D: usize>(self, shape: [usize; D], seed: u64, most: f32) -> Tensor<D> {
        let x = tensor(shape, seed, most);
        x.cast(self.numbers.dtype()).cast(self.dtype)
    }
}

/// Holds a kernel, and its plain twin, given 16 bits against the kernel given 32.
fn check<const D: usize>(
    what: &str,
    kernel: impl Fn(Given) -> Tensor<D>,
    plain: impl Fn(Given) -> Tensor<D>,
) {
    for (numbers, bound) in [(Numbers::F16, 2e-3), (Numbers::Bf16, 1.6e-2)] {
        let dtype = numbers.dtype();
        let given = |dtype| Given { numbers, dtype };
        let full = kernel(given(DType::F32));
        assert_eq!(full.dtype(), DType::F32, "{what}");
        let fast = kernel(given(dtype));
        assert_eq!(fast.dtype(), dtype, "{what}");
        let rounded = full.clone().cast(dtype);
        assert_eq!(fast.into_data(), rounded.into_data(), "{what}");
        let plain = plain(given(dtype));
        assert_eq!(plain.dtype(), dtype, "{what}, plain");
        let error = relative_error(plain.cast(DType::F32), full);
        println!("{what}, plain, {numbers:?}: relative error {error:.2e}");
        assert!(error <= bound, "{what}, plain, {numbers:?}: {error:.2e}");
    }
}

#[test]
fn convolutions_keep_the_type() {
    let plain = Geometry::default();
    let activation = Activation::Leaky(0.2);
    for (name, channels, kernel, geometry) in [
        ("direct", [3, 5], [3, 3], plain.stride(2)),
        ("short", [32, 24], [3, 3], plain),
        ("grouped", [40, 48], [3, 3], plain.groups(4)),
        ("wide", [20, 17], [1, 5], Geometry::padding(0, 2)),
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
            let filter = Filter::new(&weight, &bias, geometry).expect("tensors of the CPU");
            filter.apply(&x, activation)
        };
        let plain = |given| {
            let (x, weight, bias) = parts(given);
            conv2d_plain(x, weight, bias, geometry, activation)
        };
        check(name, fast, plain);
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
        let matrix = Matrix::new(&weight, &bias).expect("tensors of the CPU");
        matrix.apply(&x)
    };
    let plain = |given| {
        let (x, weight, bias) = parts(given);
        module::linear(x, weight, Some(bias))
    };
    check("linear", fast, plain);
}

#[test]
fn deformable_convolutions_keep_the_type_and_sample_where_32_bits_say() {
    let parts = |given: Given| {
        let sites = Sites::Learned {
            raw: given.rounded([1, 27 * 4, 9, 14], 3, 2.0),
            limit: 5.0,
            flow: Some(tensor([1, 2, 9, 14], 4, 6.0)),
        };
        (
            given.rounded([1, 32, 9, 14], 1, 1.0),
            given.rounded([24, 32, 3, 3], 2, 1.0),
            given.rounded([24], 5, 1.0),
            sites,
        )
    };
    let fast = |given| {
        let (x, weight, bias, sites) = parts(given);
        let filter = deform_conv::Filter::new(&weight, &bias, 4).expect("tensors of the CPU");
        filter.apply(&x, &sites)
    };
    let plain = |given| {
        let (x, weight, bias, sites) = parts(given);
        let (offset, modulation) = sites.resolve();
        assert_eq!(offset.dtype(), DType::F32);
        deform_conv_plain(x, offset, modulation, weight, bias)
    };
    check("deformable convolution", fast, plain);
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
    check("attention", with(attention), with(attention_plain));
}

#[test]
fn pictures_keep_the_type_and_flows_their_bits() {
    let x = |given: Given| given.rounded([2, 5, 13, 22], 1, 1.0);
    let flow = || tensor([2, 2, 13, 22], 2, 7.0);
    for sampling in [Sampling::Bilinear, Sampling::Nearest] {
        check(
            &format!("{sampling:?} warp"),
            |given| warp(x(given), flow(), sampling),
            |given| warp_plain(x(given), flow(), sampling),
        );
    }
    let area = Area::of([7..16, 12..30]);
    check(
        "upsample_area",
        |given| upsample_area(x(given), &Area::whole([13, 22]), [13, 22], &area),
        |given| upsample_area_plain(x(given), &Area::whole([13, 22]), [13, 22], &area),
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
        |given| unfold_plain(x(given)),
    );
    let patches = |given: Given| given.rounded([2, 5 * 8, 3 * 49], 2, 1.0);
    check(
        "fold",
        |given| fold(patches(given), [13, 22]),
        |given| fold_plain(patches(given), [13, 22]),
    );
}

#[test]
fn activations_and_norms_keep_the_type() {
    let x = |given: Given| given.rounded([2, 6, 13, 22], 1, 5.0);
    check("gelu", |given| gelu(x(given)), |given| gelu_plain(x(given)));
    check(
        "instance_norm",
        |given| instance_norm(x(given), true),
        |given| instance_norm_plain(x(given), true),
    );
    let half = |given: Given, seed| given.rounded([2, 3, 13, 22], seed, 2.0);
    check(
        "open",
        |given| gates::open(x(given), x(given), half(given, 2)).1,
        |given| gates::open_plain(x(given), x(given), half(given, 2)).1,
    );
    let close = |form: fn(Tensor<4>, Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>| {
        move |given| {
            let [h, z, candidate, constant] = [3, 4, 5, 6].map(|seed| half(given, seed));
            form(h, z, candidate, constant)
        }
    };
    check("close", close(gates::close), close(gates::close_plain));
}
