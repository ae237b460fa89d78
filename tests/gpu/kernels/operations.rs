//! The GPU forms against the reference forms: on CubeCL's CPU runtime, and on the device that
//! `PROPAINTER_TEST_DEVICE` names.

use burn::tensor::{DType, Device, Tensor, TensorData};
use propainter::{
    Rect,
    internals::kernels::{
        convex_upsample::{self, convex_upsample_reference},
        correlation::{Correlation, CorrelationForm, cube::Lookup},
        deform_conv::{SamplingPoints, deform_conv_on_gpu, deform_conv_reference, pack_weight},
        fold::{self, AREA, fold_reference, patches, unfold_reference},
        instance_norm::{self, instance_norm_reference},
        upsample::{self, upsample2x_reference},
        warp::{self, Sampling, consistency_reference, warp_reference},
    },
};

use crate::gpu::kernels::support::{assert_close, both, devices, values};

#[test]
fn warps_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for [batch, channels, height, width] in [[1, 1, 1, 1], [2, 11, 13, 17], [1, 5, 32, 9]] {
                let x = values([batch, channels, height, width], 1);
                // Far outside, too.
                let flow = values([batch, 2, height, width], 2) * 30.0;
                let (on_device, seen) = both(x, &device, dtype);
                let flow_there = Tensor::from_data(flow.clone().into_data(), &device);
                for sampling in [Sampling::Bilinear, Sampling::Nearest] {
                    let out = warp::cube::warp(&on_device, &flow_there, sampling);
                    let out = out.expect("a CubeCL device");
                    assert_eq!(out.dtype(), dtype);
                    let reference = warp_reference(seen.clone(), flow.clone(), sampling);
                    let what = format!("{dtype:?} {sampling:?} {height}×{width}");
                    // Where a place is a tie, or nearly.
                    assert_close(out, &reference, bound, 0.002, &what);
                }
            }
        }
    }
}

#[test]
fn the_forward_backward_check_is_that_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, _) in kinds {
            for [batch, height, width] in [[1, 1, 1], [2, 13, 17], [1, 40, 31]] {
                let forward = values([batch, 2, height, width], 3) * 1.5;
                let backward = values([batch, 2, height, width], 4) * 1.5;
                let (forward, seen_forward) = both(forward, &device, dtype);
                let (backward, seen_backward) = both(backward, &device, dtype);
                let out = warp::cube::consistency(&forward, &backward).expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let reference = consistency_reference(seen_forward, seen_backward);
                // Where both sides of the comparison are equal but for rounding.
                let what = format!("{dtype:?} {height}×{width}");
                assert_close(out, &reference, 0.5, 0.002, &what);
            }
        }
    }
}

#[test]
fn parts_upsample_as_the_reference_does() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for ([height, width], held, area) in [
                ([1, 1], [0..1, 0..1], [0..2, 0..2]),
                ([5, 7], [0..5, 0..7], [0..10, 0..14]),
                ([9, 13], [1..6, 3..11], [3..10, 8..20]),
                ([9, 13], [4..9, 0..6], [11..18, 0..10]),
            ] {
                let (held, area) = (Rect::new(held), Rect::new(area));
                let [rows, columns] = held.size();
                let x = values([2, 3, rows, columns], 5);
                let (x, seen) = both(x, &device, dtype);
                let out = upsample::cube::upsample2x(&x, &held, [height, width], &area);
                let out = out.expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let reference = upsample2x_reference(seen, &held, [height, width], &area);
                let what = format!("{dtype:?} {area:?} of {height}×{width}");
                assert_close(out, &reference, bound, 0.0, &what);
            }
        }
    }
}

#[test]
fn convex_upsampling_is_that_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for [batch, height, width] in [[1, 1, 1], [2, 5, 7]] {
                let (flow, seen_flow) = both(values([batch, 2, height, width], 5), &device, dtype);
                let mask = values([batch, 576, height, width], 6) * 5.0;
                let (mask, seen_mask) = both(mask, &device, dtype);
                let out =
                    convex_upsample::cube::convex_upsample(&flow, &mask).expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let reference = convex_upsample_reference(seen_flow, seen_mask);
                let what = format!("{dtype:?} {height}×{width}");
                assert_close(out, &reference, bound, 0.0, &what);
            }
        }
    }
}

#[test]
fn lookups_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for [batch, height, width] in [[1, 16, 16], [2, 17, 23]] {
                let shape = [batch, 8, height, width];
                let [first, second] = [7, 8].map(|seed| values(shape, seed));
                let coordinates = values([batch, 2, height, width], 9) * 20.0 + 8.0;
                let there = Tensor::from_data(coordinates.clone().into_data(), &device);
                // A correlation of one level: features as rows, and all pairs.
                let flat = |x: Tensor<4>| -> Tensor<3> { x.reshape([batch, 8, height * width]) };
                let [first, second] = [first, second].map(|x| both(flat(x), &device, dtype));
                let rows = |x: &Tensor<3>| x.clone().swap_dims(1, 2);
                let volume = rows(&first.1).matmul(second.1.clone());
                let (volume, seen) = both(volume, &device, dtype);
                let size = [height, width];
                let what = format!("{dtype:?} {height}×{width}");
                let [one, two] = [&first.0, &second.0].map(rows);
                let exact = rows(&first.1).matmul(second.1.clone());
                // The same level as the second one of the pyramid, and as the first one.
                for first_level in [1, 0] {
                    let scale = (1 << first_level) as f32;
                    let reference = |volume: &Tensor<3>| {
                        samples(volume.clone(), size, coordinates.clone() / scale)
                    };
                    let lookup = |levels: &[&Tensor<3>], own: Option<&Tensor<3>>| {
                        let lookup = Lookup {
                            levels,
                            first_level,
                            size,
                            moved: &there,
                            flows: false,
                        };
                        let out = match own {
                            None => lookup.in_volume(),
                            Some(own) => lookup.in_features(own),
                        };
                        let out = out.expect("a CubeCL device");
                        assert_eq!(out.dtype(), dtype);
                        out
                    };
                    let out = lookup(&[&volume], None);
                    assert_close(out, &reference(&seen), bound, 0.0, &what);
                    if first_level == 1 {
                        let out = lookup(&[&two], Some(&one));
                        assert_close(out, &reference(&exact), bound, 0.0, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn lookups_along_a_flow_are_those_of_the_reference_at_every_level() {
    for (device, _) in devices() {
        for [batch, height, width] in [[1, 16, 16], [2, 17, 23]] {
            let maps = |device: &Device| {
                let shape = [batch, 20, height, width];
                [7, 8].map(|seed| Tensor::from_data(values(shape, seed).into_data(), device))
            };
            let flow = values([batch, 2, height, width], 9) * 20.0;
            let row = |i: usize| (i / width % height) as f32;
            let grid = (0..2 * height * width).map(|i| match i / (height * width) {
                0 => (i % width) as f32,
                _ => row(i),
            });
            let grid: Vec<f32> = grid.collect();
            let grid = TensorData::new(grid, [1, 2, height, width]);
            for form in [CorrelationForm::Volume, CorrelationForm::Features] {
                let [first, second] = maps(&device);
                let there = Correlation::new(first, second, form);
                let along = Tensor::from_data(flow.clone().into_data(), &device);
                let out = there.lookup_along(&along, &Tensor::from_data(grid.clone(), &device));
                let [first, second] = maps(&Device::flex());
                let here = Correlation::new(first, second, form);
                let coordinates = Tensor::from_data(grid.clone(), &Device::flex()) + flow.clone();
                let reference = here.lookup_reference(coordinates);
                let what = format!("{form:?} {height}×{width}");
                assert_close(out, &reference, 1e-5, 0.0, &what);
            }
        }
    }
}

/// 9×9 bilinear samples of each position's plane of `volume` around its coordinates, x outer.
fn samples(volume: Tensor<3>, [height, width]: [usize; 2], at: Tensor<4>) -> Tensor<4> {
    let [batch, positions, _] = volume.dims();
    let [.., rows, columns] = at.dims();
    let [volume, at]: [Vec<f32>; 2] = [
        volume.into_data().try_into_vec().expect("floats"),
        at.into_data().try_into_vec().expect("floats"),
    ];
    let mut out = vec![0.0; batch * 81 * positions];
    for (i, out) in out.iter_mut().enumerate() {
        let (image, sample, position) = (i / positions / 81, i / positions % 81, i % positions);
        let place = |axis: usize| at[(image * 2 + axis) * positions + position];
        let x = place(0) + (sample / 9) as f32 - 4.0;
        let y = place(1) + (sample % 9) as f32 - 4.0;
        let value = |row: f32, column: f32| {
            let inside =
                (0.0..height as f32).contains(&row) && (0.0..width as f32).contains(&column);
            let plane = (image * positions + position) * height * width;
            if inside {
                volume[plane + row as usize * width + column as usize]
            } else {
                0.0
            }
        };
        let (top, left) = (y.floor(), x.floor());
        let between =
            |row: f32| value(row, left) * (1.0 - (x - left)) + value(row, left + 1.0) * (x - left);
        *out = between(top) * (1.0 - (y - top)) + between(top + 1.0) * (y - top);
    }
    Tensor::from_data(
        TensorData::new(out, [batch, 81, rows, columns]),
        &Device::flex(),
    )
}

#[test]
fn patches_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for size @ [height, width] in [[1, 1], [2, 5], [9, 6], [13, 22]] {
                let what = format!("{dtype:?} {height}×{width}");
                let (x, seen) = both(values([2, 3, height, width], 10), &device, dtype);
                let out = fold::cube::unfold(&x).expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                assert_close(out, &unfold_reference(seen), 0.0, 0.0, &what);
                let [rows, columns] = patches(size);
                let (x, seen) = both(values([2, rows * columns, 3 * AREA], 11), &device, dtype);
                let out = fold::cube::fold(&x, size).expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                assert_close(out, &fold_reference(seen, size), bound, 0.0, &what);
            }
        }
    }
}

#[test]
fn instance_norms_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for shape in [[1, 3, 1, 1], [2, 5, 7, 3], [1, 2, 61, 67]] {
                for rectify in [false, true] {
                    // Far from zero, so that the mean matters.
                    let (x, seen) = both(values(shape, 12) * 2.0 + 5.0, &device, dtype);
                    let out = instance_norm::cube::instance_norm(&x, rectify);
                    let out = out.expect("a CubeCL device");
                    assert_eq!(out.dtype(), dtype);
                    let reference = instance_norm_reference(seen, rectify);
                    assert_close(out, &reference, bound, 0.0, &format!("{dtype:?} {shape:?}"));
                }
            }
        }
    }
}

/// Batch, groups, channels of a group, output channels, height and width.
type DeformShape = (usize, usize, usize, usize, [usize; 2]);

/// Compares the GPU form of a deformable convolution with the reference form, for points of every
/// kind, or for the last kind alone.
fn assert_deforms(device: &Device, (dtype, bound): (DType, f32), shape: DeformShape, all: bool) {
    let (batch, groups, each, outputs, [height, width]) = shape;
    let channels = groups * each;
    let (x, seen) = both(values([batch, channels, height, width], 13), device, dtype);
    let weight = values([outputs, channels, 3, 3], 14);
    let bias = values([outputs], 15);
    let shape = |channels| [batch, channels, height, width];
    // As the type stores them, in 32 bits.
    let stored = |x: Tensor<4>| x.cast(dtype).cast(DType::F32);
    let raw = stored(values(shape(27 * groups), 16) * 2.0);
    // Far outside, too.
    let flow = values(shape(2), 17) * 12.0;
    let learned = |flow| SamplingPoints::Learned {
        raw: raw.clone(),
        limit: 5.0,
        flow,
    };
    let given = SamplingPoints::Given {
        offset: stored(values(shape(18 * groups), 18) * 4.0),
        modulation: stored(values(shape(9 * groups), 19)),
    };
    let kinds = [given, learned(None), learned(Some(flow))];
    for points in kinds.into_iter().skip(if all { 0 } else { 2 }) {
        let there = |x: &Tensor<4>| Tensor::<4>::from_data(x.clone().into_data(), (device, dtype));
        let in_f32 = |x: &Tensor<4>| Tensor::<4>::from_data(x.clone().into_data(), device);
        let moved = match &points {
            SamplingPoints::Given { offset, modulation } => SamplingPoints::Given {
                offset: there(offset),
                modulation: there(modulation),
            },
            SamplingPoints::Learned { raw, limit, flow } => SamplingPoints::Learned {
                raw: there(raw),
                limit: *limit,
                flow: flow.as_ref().map(in_f32),
            },
        };
        let bias_there = Tensor::from_data(bias.clone().into_data(), device);
        let packed = pack_weight(in_f32(&weight), groups);
        let out = deform_conv_on_gpu(&x, &moved, &packed, &bias_there, groups);
        assert_eq!(out.dtype(), dtype);
        let (offset, modulation) = points.resolve();
        let (weight, bias) = (weight.clone(), bias.clone());
        let reference = deform_conv_reference(seen.clone(), offset, modulation, weight, bias);
        let what = format!("{dtype:?} {groups}×{each} to {outputs}, {height}×{width}");
        assert_close(out, &reference, bound, 0.0, &what);
    }
}

#[test]
fn deformable_convolutions_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for kind in kinds {
            for shape in [
                (1, 1, 1, 1, [1, 1]),
                (2, 2, 3, 5, [7, 5]),
                (1, 4, 8, 24, [5, 9]),
                // More outputs than a cube sums.
                (1, 1, 2, 130, [3, 5]),
            ] {
                assert_deforms(&device, kind, shape, true);
            }
        }
    }
}

/// From a certain size on a lane sums more pixels.
#[test]
fn deformable_convolutions_of_large_images_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        assert_deforms(&device, kinds[0], (1, 1, 1, 3, [101, 103]), false);
    }
}

#[test]
fn tensors_of_another_device_are_left_to_others() {
    let (x, flow) = (values([1, 2, 4, 4], 1), values([1, 2, 4, 4], 2));
    assert!(warp::cube::warp(&x, &flow, Sampling::Bilinear).is_none());
    assert!(warp::cube::consistency(&x, &flow).is_none());
    assert!(instance_norm::cube::instance_norm(&x, false).is_none());
}
