//! Fully connected layers and matrix products on a GPU against the reference forms.

use burn::tensor::Tensor;
use propainter::internals::kernels::linear::{
    cube::{GpuLinear, all_products},
    linear_reference,
};

use crate::gpu::kernels::support::{assert_close, both, devices, values};

#[test]
fn fully_connected_layers_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for (rows, inputs, outputs) in [
                ([1, 1], 1, 1),
                ([2, 7], 19, 33),
                ([5, 26], 64, 70),
                ([1, 9], 130, 8),
            ] {
                let scale = (inputs as f32).sqrt();
                let (weight, seen_weight) =
                    both(values([inputs, outputs], 61) / scale, &device, dtype);
                let (bias, seen_bias) = both(values([outputs], 62), &device, dtype);
                let (x, seen) = both(values([rows[0], rows[1], inputs], 63), &device, dtype);
                let layer = GpuLinear::new(&weight, &bias).expect("a CubeCL device");
                let out: Tensor<3> = layer.apply(&x);
                assert_eq!(out.dtype(), dtype);
                let expected = linear_reference(seen, seen_weight, seen_bias);
                let what = format!("{dtype:?} {rows:?} {inputs} → {outputs}");
                assert_close(out, &expected, bound, 0.0, &what);
            }
        }
    }
}

#[test]
fn weights_that_are_transposed_views_are_packed() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            let (weight, seen_weight) = both(values([33, 20], 64) / 5.0, &device, dtype);
            let (bias, seen_bias) = both(values([33], 65), &device, dtype);
            let (x, seen) = both(values([20, 6], 66), &device, dtype);
            let layer = GpuLinear::new(&weight.transpose(), &bias).expect("a CubeCL device");
            let out = layer.apply(&x.transpose());
            let expected = linear_reference(seen.transpose(), seen_weight.transpose(), seen_bias);
            assert_close(out, &expected, bound, 0.0, &format!("{dtype:?}"));
        }
    }
}

#[test]
fn products_of_all_columns_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for [batch, channels, rows, columns] in [[1, 1, 1, 1], [2, 19, 35, 70], [1, 40, 130, 9]]
            {
                let (first, seen_first) = both(values([batch, channels, rows], 67), &device, dtype);
                let (second, seen_second) =
                    both(values([batch, channels, columns], 68), &device, dtype);
                let out = all_products(&first, &second, 0.25).expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let expected = seen_first.transpose().matmul(seen_second) * 0.25;
                let what = format!("{dtype:?} {batch}×{channels}, {rows} by {columns}");
                assert_close(out, &expected, bound, 0.0, &what);
            }
        }
    }
}
