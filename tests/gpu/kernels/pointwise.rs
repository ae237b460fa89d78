//! The GPU forms of functions of single elements, of the gates and of GELU beside their reference
//! forms, on parts of larger tensors too.

use burn::tensor::{DType, Tensor};
use propainter::internals::kernels::{
    elementwise::{
        cube::{Function, map, split_tanh_relu},
        split_tanh_relu_reference, tanh_reference,
    },
    gates,
    gelu::gelu_reference,
};

use crate::gpu::kernels::support::{assert_close, both, devices, values};

/// Batch, channels, height and width.
const SHAPES: [[usize; 4]; 3] = [[1, 1, 1, 1], [2, 3, 5, 7], [1, 5, 13, 17]];

#[test]
fn functions_of_parts_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for [batch, channels, height, width] in SHAPES {
                let x = values([batch, channels + 2, height + 3, width + 1], 1) * 4.0;
                let (x, seen) = both(x, &device, dtype);
                let part = |x: Tensor<4>| {
                    let x = x.narrow(1, 1, channels).narrow(2, 2, height);
                    x.narrow(3, 1, width)
                };
                let what = format!("{dtype:?} {channels} × {height}×{width}");
                for (function, reference) in [
                    (Function::Tanh, tanh_reference as fn(Tensor<4>) -> Tensor<4>),
                    (Function::Gelu, gelu_reference),
                ] {
                    for (x, seen) in [
                        (x.clone(), seen.clone()),
                        (part(x.clone()), part(seen.clone())),
                        (x.clone().swap_dims(1, 3), seen.clone().swap_dims(1, 3)),
                    ] {
                        let out = map(&x, function).expect("a CubeCL device");
                        assert_eq!(out.dtype(), dtype);
                        let what = format!("{function:?} {what}");
                        assert_close(out, &reference(seen), bound, 0.0, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn halves_of_the_channels_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for [batch, channels, height, width] in SHAPES {
                let x = values([batch, 2 * channels, height, width], 2) * 3.0;
                let (x, seen) = both(x, &device, dtype);
                let out = split_tanh_relu(&x).expect("a CubeCL device");
                let reference = split_tanh_relu_reference(seen);
                for (out, reference) in out.into_iter().zip(reference) {
                    assert_eq!(out.dtype(), dtype);
                    let what = format!("{dtype:?} {channels} × {height}×{width}");
                    assert_close(out, &reference, bound, 0.0, &what);
                }
            }
        }
    }
}

#[test]
fn gates_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for [batch, channels, height, width] in SHAPES {
                let random = |channels: usize, seed: usize| {
                    let x = values([batch, channels, height, width], seed) * 3.0;
                    both(x, &device, dtype)
                };
                let (sums, seen_sums) = random(2 * channels, 3);
                // The share of the context: that of z and r, then that of the candidate.
                let (shares, seen_shares) = random(3 * channels, 4);
                let first = |x: &Tensor<4>| x.clone().narrow(1, 0, 2 * channels);
                let last = |x: &Tensor<4>| x.clone().narrow(1, 2 * channels, channels);
                let (hidden, seen_hidden) = random(channels, 5);
                let (candidate, seen_candidate) = random(channels, 6);
                let what = format!("{dtype:?} {batch} of {channels} × {height}×{width}");
                let (update, reset) =
                    gates::cube::open(&sums, &first(&shares), &hidden).expect("a CubeCL device");
                let (z, r) =
                    gates::open_reference(seen_sums, first(&seen_shares), seen_hidden.clone());
                let shown = |x: &Tensor<4>| {
                    assert_eq!(x.dtype(), dtype);
                    x.clone().cast(DType::F32).into_data()
                };
                let seen_update = Tensor::from_data(shown(&update), &z.device());
                assert_close(update.clone(), &z, bound, 0.0, &what);
                assert_close(reset, &r, bound, 0.0, &what);
                let next = gates::cube::close(&hidden, &update, &candidate, &last(&shares));
                let next = next.expect("a CubeCL device");
                assert_eq!(next.dtype(), dtype);
                let reference = gates::close_reference(
                    seen_hidden,
                    seen_update,
                    seen_candidate,
                    last(&seen_shares),
                );
                assert_close(next, &reference, bound, 0.0, &what);
            }
        }
    }
}
