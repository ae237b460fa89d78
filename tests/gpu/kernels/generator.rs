//! The kernels of the generator against their reference forms.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use propainter::{
    Rect,
    internals::kernels::{
        attention::{
            attention_reference, windowed_attention,
            windows::{DeviceWindowLists, WindowLists},
        },
        concat::concat,
        conv::{
            ConvGeometry,
            cube::{Fusion, GpuConv},
        },
        crop_tanh::{self, crop_tanh_reference},
        fold::{
            self, AREA, PADDING, SIDE, STRIDE, fold_reference, mean_weights, patches,
            unfold_reference,
        },
        gelu::gelu_reference,
        layer_norm::{self, layer_norm_reference},
        linear::linear_reference,
        quarter_flow::{self, quarter_flow_reference},
        token_pool::{POOL, PoolGrid, pool_in_table, pool_reference},
        warp::{guided, guided_reference},
    },
};

use super::support::{assert_close, both, devices, values};

/// Returns values of 32 bits on a device.
fn there<const D: usize>(x: &Tensor<D>, device: &Device) -> Tensor<D> {
    Tensor::from_data(x.clone().into_data(), device)
}

#[test]
fn layer_norms_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for (rows, size, spare) in [(1, 1, 0), (3, 7, 2), (9, 512, 0), (37, 512, 20)] {
                let (x, seen) = both(values([rows, size], 1) * 3.0, &device, dtype);
                let (gain, shift) = (values([size], 2), values([size], 3));
                let on_device = [&gain, &shift].map(|x| there(x, &device));
                let out = layer_norm::cube::layer_norm(&x, &on_device[0], &on_device[1], spare)
                    .expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let expected = layer_norm_reference(seen, &gain, &shift, spare);
                let what = format!("{dtype:?} {rows}×{size} and {spare}");
                assert_close(out, &expected, bound, 0.0, &what);
            }
        }
    }
}

#[test]
fn tensors_of_any_number_are_concatenated() {
    for (device, kinds) in devices() {
        for (dtype, _) in kinds {
            for count in [1, 2, 11, 16, 17, 33] {
                let parts = (0..count).map(|i| values([1 + i % 3, 3, 5], i));
                let (parts, seen): (Vec<_>, Vec<_>) =
                    parts.map(|part| both(part, &device, dtype)).unzip();
                let out = concat(parts);
                assert_eq!(out.dtype(), dtype);
                let expected = Tensor::cat(seen, 0);
                assert_close(out, &expected, 0.0, 0.0, &format!("{dtype:?} {count}"));
            }
        }
    }
}

#[test]
fn averages_through_gelu_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for size in [[1, 1], [2, 5], [8, 10], [13, 22]] {
                let [rows, columns] = patches(size);
                let x = values([2, rows * columns, 3 * AREA], 4) * 4.0;
                let (x, seen) = both(x, &device, dtype);
                let out = fold::cube::fold_mean_gelu(&x, size).expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let mean = fold_reference(seen, size) * mean_weights(size, &Device::flex());
                let what = format!("{dtype:?} {size:?}");
                assert_close(out, &gelu_reference(mean), bound, 0.0, &what);
            }
        }
    }
}

#[test]
fn layers_over_patches_are_those_of_cut_out_patches() {
    let geometry = ConvGeometry::padding(PADDING, PADDING).stride(STRIDE);
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for (channels, outputs, size) in [(1, 3, [1, 1]), (5, 9, [8, 10]), (40, 33, [13, 22])] {
                let [rows, columns] = patches(size);
                let x = values([2, channels, size[0], size[1]], 15);
                let (x, seen) = both(x, &device, dtype);
                let addend = values([2, rows, columns, outputs], 16);
                let (addend, seen_addend) = both(addend, &device, dtype);
                let scale = (1.0 / (channels * AREA) as f32).sqrt();
                let weight = values([outputs, channels * AREA], 17) * scale;
                let (weight, seen_weight) = both(weight, &device, dtype);
                let (bias, seen_bias) = both(values([outputs], 18), &device, dtype);
                let weight = weight.reshape([outputs, channels, SIDE, SIDE]);
                let conv = GpuConv::new(&weight, &bias, geometry).expect("a CubeCL device");
                let fusion = Fusion {
                    addend: Some(addend),
                    ..Fusion::default()
                };
                let out = conv.apply_by_rows(&[&x], fusion);
                assert_eq!(out.dtype(), dtype);
                let patches = unfold_reference(seen);
                let expected = linear_reference(patches, seen_weight.transpose(), seen_bias);
                let expected = expected.reshape([2, rows, columns, outputs]) + seen_addend;
                let what = format!("{dtype:?} {channels} to {outputs}, {size:?}");
                assert_close(out, &expected, bound, 0.0, &what);
            }
        }
    }
}

#[test]
fn tokens_pooled_in_a_table_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for (tokens, pooled) in [([3, 5], [1, 2]), ([20, 18], [5, 4]), ([7, 9], [2, 2])] {
                let ([rows, columns], size) = (tokens, 24);
                let chosen = [0usize, 2];
                let pooled_rows = chosen.len() * pooled[0] * pooled[1];
                let x = values([3 * rows * columns, size], 5);
                let (x, seen) = both(x, &device, dtype);
                let weight = values([1, POOL, 1, POOL, size], 6);
                let bias = values([size], 7);
                let frames: Tensor<1, Int> = Tensor::from_data([0, 2], &device);
                let spare = Tensor::zeros([1 + pooled_rows, size], (&device, dtype));
                let table = Tensor::cat(vec![x, spare], 0);
                let grid = PoolGrid { tokens, pooled };
                let (weight_there, bias_there) = (there(&weight, &device), there(&bias, &device));
                let table = pool_in_table(table, &frames, &weight_there, &bias_there, grid);
                let table = table.expect("a CubeCL device");
                assert_eq!(table.dtype(), dtype);
                let seen: Tensor<4> = seen.reshape([3, rows, columns, size]);
                let seen = chosen.map(|frame| seen.clone().narrow(0, frame, 1));
                let expected = pool_reference(Tensor::cat(seen.to_vec(), 0), &weight, &bias, grid);
                let out = table.narrow(0, 3 * rows * columns + 1, pooled_rows);
                let what = format!("{dtype:?} {tokens:?} {pooled:?}");
                assert_close(out, &expected, bound, 0.0, &what);
            }
        }
    }
}

#[test]
fn attention_in_windows_is_that_of_the_reference() {
    // Queries, keys; some rows occur more than once, and one window has no keys.
    let sizes = [(1, 1), (33, 31), (45, 70), (5, 0), (64, 32)];
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for (heads, size) in [(1, 32), (3, 32), (4, 128)] {
                let rows = 90;
                let (table, seen) = both(values([rows, 3 * heads * size], 8) * 2.0, &device, dtype);
                let mut lists = WindowLists::default();
                let mut expected = Vec::new();
                let mut results = 0;
                for (window, (count, length)) in sizes.into_iter().enumerate() {
                    let queries: Vec<_> = (0..count).map(|i| (i * 37 + window) % rows).collect();
                    let keys: Vec<_> = (0..length).map(|i| (i * 29 + window) % rows).collect();
                    // In reverse.
                    let to = (0..count).map(|i| results + count - 1 - i);
                    lists.add(queries.iter().copied().zip(to), keys.iter().copied());
                    results += count;
                    expected.push(window_reference(&seen, &queries, &keys, heads, size));
                }
                let lists = DeviceWindowLists::new(&lists, &device);
                let out = windowed_attention(&table, &lists, results, heads, 0.3);
                let out = out.expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let what = format!("{dtype:?} {heads}×{size}");
                assert_close(out, &Tensor::cat(expected, 0), bound, 0.0, &what);
            }
        }
    }
}

/// Returns the results of a window, `[queries, heads · size]`, the last query first.
fn window_reference(
    table: &Tensor<2>,
    queries: &[usize],
    keys: &[usize],
    heads: usize,
    size: usize,
) -> Tensor<2> {
    let width = heads * size;
    if keys.is_empty() {
        return Tensor::zeros([queries.len(), width], &table.device());
    }
    let pick = |rows: &[usize], part: usize| {
        let indices: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let indices = TensorData::new(indices, [rows.len()]);
        let indices: Tensor<1, Int> = Tensor::from_data(indices, &table.device());
        let picked = table.clone().select(0, indices);
        let picked = picked.narrow(1, part * width, width);
        picked.reshape([rows.len(), heads, size]).swap_dims(0, 1)
    };
    let out = attention_reference(pick(queries, 0), pick(keys, 1), pick(keys, 2), 0.3);
    let out = out.swap_dims(0, 1).reshape([queries.len(), width]);
    out.flip([0])
}

#[test]
fn the_guided_part_of_a_condition_is_that_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for [batch, channels, height, width] in [[1, 1, 1, 1], [2, 3, 13, 17], [1, 21, 9, 8]] {
                let shape = |channels| [batch, channels, height, width];
                let (x, seen) = both(values(shape(channels), 9), &device, dtype);
                let (masks, seen_masks) = both(values(shape(2), 10), &device, dtype);
                let flow = values(shape(2), 11) * 12.0;
                let back = flow.clone() * -1.0 + values(shape(2), 12);
                let flows = [&flow, &back].map(|flow| there(flow, &device));
                let parts = guided(&x, [&flows[0], &flows[1]], &masks);
                assert_eq!(parts.len(), 1, "a GPU form");
                let out = parts[0].clone();
                assert_eq!(out.dtype(), dtype);
                let expected = guided_reference(&seen, [&flow, &back], &seen_masks);
                let what = format!("{dtype:?} {batch}×{channels}×{height}×{width}");
                // A pixel may be at the bound of the check.
                assert_close(out, &Tensor::cat(expected, 1), bound, 0.002, &what);
            }
        }
    }
}

#[test]
fn the_cropped_end_of_the_decoder_is_that_of_the_reference() {
    let held = Rect::new([4..21, 6..19]);
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            let (x, seen) = both(values([2, 3, 17, 13], 13) * 3.0, &device, dtype);
            for area in [
                held.clone(),
                Rect::new([5..20, 8..9]),
                Rect::new([4..5, 6..19]),
            ] {
                let out = crop_tanh::cube::crop_tanh(&x, &held, &area).expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let expected = crop_tanh_reference(seen.clone(), &held, &area);
                assert_close(out, &expected, bound, 0.0, &format!("{dtype:?} {area:?}"));
            }
        }
    }
}

#[test]
fn quarter_flows_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for [height, width] in [[8, 8], [24, 40]] {
                let (flow, seen) = both(values([2, 2, height, width], 14), &device, dtype);
                let out = quarter_flow::cube::quarter_flow(&flow).expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let what = format!("{dtype:?} {height}×{width}");
                assert_close(out, &quarter_flow_reference(seen), bound, 0.0, &what);
            }
        }
    }
}

#[test]
fn tensors_of_the_cpu_are_left_to_other_forms() {
    let (x, rows) = (values([1, 2, 4, 4], 1), values([2, 4], 2));
    let vector = values([4], 3);
    assert!(quarter_flow::cube::quarter_flow(&x).is_none());
    assert!(layer_norm::cube::layer_norm(&rows, &vector, &vector, 0).is_none());
    assert_eq!(x.dtype(), DType::F32);
}
