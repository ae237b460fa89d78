//! The kernels of flow completion, image propagation and conversion beside their reference forms.

use burn::tensor::{DType, Device, Tensor};
use propainter::{
    Frame, Rect,
    internals::kernels::{
        flow_input::{self, combine_area_reference, masked_flows_reference},
        pixels::{FrameBytes, MaskTensor, Rounding, bytes_on_gpu, interleaved, read_bytes},
        propagation::{self, propagation_step_reference},
        replicate_pad::{self, replicate_pad_reference},
        residual::{self, rectified_sum_reference},
    },
};

use crate::gpu::kernels::support::{assert_close, both, devices, values};

/// Returns bytes of all values.
fn bytes(length: usize, seed: usize) -> Vec<u8> {
    let byte = |i: usize| ((i + seed * 131).wrapping_mul(2_654_435_761) >> 8) as u8;
    (0..length).map(byte).collect()
}

/// Returns a mask of 0 and 1.
fn mask(length: usize, seed: usize) -> Vec<u8> {
    let bytes = bytes(length, seed);
    bytes.into_iter().map(|byte| byte % 2).collect()
}

/// Returns a mask `[1, 1, H, W]` of 0 and 1.
fn mask_tensor([height, width]: [usize; 2], seed: usize) -> Tensor<4> {
    values([1, 1, height, width], seed)
        .greater_elem(0.0)
        .float()
}

fn there(x: &Tensor<4>, device: &Device) -> Tensor<4> {
    Tensor::from_data(x.clone().into_data(), device)
}

#[test]
fn frames_and_masks_are_those_that_the_host_converts() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for [height, width] in [[1, 1], [13, 17], [16, 40]] {
                let pixels = height * width;
                let frame = Frame::new(width, height, bytes(3 * pixels, 1));
                let masks = [mask(pixels, 2), mask(pixels, 3)];
                let masks = masks.each_ref().map(|mask| &mask[..]);
                for (masks, blank) in [
                    (&masks[..0], None),
                    (&masks[..1], Some(0)),
                    (&masks, Some(1)),
                ] {
                    let frame = FrameBytes {
                        frame: &frame,
                        masks,
                        blank,
                    };
                    let (image, out) = frame.tensors(&device, dtype);
                    let (expected, seen) = frame.tensors_reference(&Device::flex(), DType::F32);
                    assert_eq!(image.dtype(), dtype);
                    let what = format!("{dtype:?} {height}×{width}");
                    assert_close(image, &expected, bound, 0.0, &what);
                    assert_eq!(out.len(), masks.len());
                    for (out, seen) in out.into_iter().zip(&seen) {
                        assert_eq!(out.dtype(), dtype);
                        assert_close(out, seen, 0.0, 0.0, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn parts_of_images_are_the_bytes_that_the_host_makes() {
    for (device, kinds) in devices() {
        for (dtype, _) in kinds {
            for ([height, width], area) in [
                ([1, 1], [0..1, 0..1]),
                ([13, 17], [0..13, 0..17]),
                ([13, 17], [3..9, 2..16]),
            ] {
                let area = Rect::new(area);
                let frame = Frame::new(width, height, bytes(3 * height * width, 4));
                let flags = mask(height * width, 5);
                let frame = FrameBytes {
                    frame: &frame,
                    masks: &[&flags],
                    blank: None,
                };
                let (image, _) = frame.tensors_reference(&Device::flex(), DType::F32);
                // Between two bytes, and beyond the range.
                let image = image * 1.01 + 0.001;
                let (image, seen) = both(image, &device, dtype);
                let flag = frame.tensors(&device, dtype).1.remove(0);
                let part = |x: Tensor<4>| area.crop(x, 2, &Rect::whole([height, width]));
                for rounding in [Rounding::Nearest, Rounding::Down] {
                    let out = [
                        bytes_on_gpu(&image, Some(&flag), &area, rounding),
                        bytes_on_gpu(&image, None, &area, rounding),
                    ];
                    let out = out.map(|out| out.expect("a CubeCL device"));
                    let [out, alone] = read_bytes(out.to_vec()).unwrap().try_into().unwrap();
                    let floats = |x: Tensor<4>| x.into_data().try_into_vec::<f32>().unwrap();
                    let expected = interleaved(&floats(part(seen.clone())), rounding);
                    assert_eq!(alone, expected, "{dtype:?} {area:?} {rounding:?}");
                    let flags = floats(part(
                        frame
                            .tensors_reference(&Device::flex(), DType::F32)
                            .1
                            .remove(0),
                    ));
                    let flags = flags.into_iter().map(|flag| flag as u8);
                    let expected: Vec<u8> = expected.into_iter().chain(flags).collect();
                    assert_eq!(out, expected, "{dtype:?} {area:?} {rounding:?}");
                }
            }
        }
    }
}

#[test]
fn steps_of_image_propagation_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for size @ [height, width] in [[1, 1], [13, 17], [40, 31]] {
                let flow = values([1, 2, height, width], 3) * 1.5;
                let check = values([1, 2, height, width], 4) * 1.5;
                let [holes, source_holes] = [5, 6].map(|seed| mask_tensor(size, seed));
                let [image, source] = [7, 8].map(|seed| values([1, 3, height, width], seed));
                let image = image * (-holes.clone() + 1.0);
                let source = source * (-source_holes.clone() + 1.0);
                let [image, source] = [image, source].map(|x| both(x, &device, dtype));
                let [holes, source_holes] = [holes, source_holes].map(|x| both(x, &device, dtype));
                let out = propagation::cube::propagation_step(
                    &(image.0, holes.0),
                    &(source.0, source_holes.0),
                    [&there(&flow, &device), &there(&check, &device)],
                );
                let (updated, missing) = out.expect("a CubeCL device");
                assert_eq!((updated.dtype(), missing.dtype()), (dtype, dtype));
                let (image, lost) = propagation_step_reference(
                    &(image.1, holes.1),
                    &(source.1, source_holes.1),
                    [&flow, &check],
                );
                // Where a place is a tie, or both sides of a comparison are equal but for rounding.
                let what = format!("{dtype:?} {height}×{width}");
                assert_close(updated, &image, bound, 0.003, &what);
                assert_close(missing, &lost, 0.5, 0.003, &what);
            }
        }
    }
}

#[test]
fn input_and_result_of_flow_completion_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for size @ [height, width] in [[1, 1], [13, 17], [24, 40]] {
                let flows = [1, 2, 3].map(|seed| values([1, 2, height, width], seed) * 20.0);
                let hosts = [4, 5, 6].map(|seed| mask(height * width, seed));
                let floats = hosts
                    .each_ref()
                    .map(|mask| MaskTensor::upload(mask, size, &Device::flex()));
                let bytes = hosts
                    .each_ref()
                    .map(|mask| MaskTensor::upload(mask, size, &device));
                let cast = bytes
                    .clone()
                    .map(|mask| MaskTensor::from(mask.floats().cast(dtype)));
                let moved = flows.each_ref().map(|flow| there(flow, &device));
                let what = format!("{dtype:?} {height}×{width}");
                let expected = masked_flows_reference(&flows, &floats, DType::F32);
                for masks in [&bytes, &cast] {
                    let out = flow_input::cube::masked_flows(&moved, masks, dtype);
                    let out = out.expect("a CubeCL device");
                    assert_eq!(out.dtype(), dtype);
                    assert_close(out, &expected, bound, 0.0, &what);
                }
                let area = Rect::new([height / 3..height, 0..width.div_ceil(2)]);
                let [rows, columns] = area.size();
                let (predicted, seen) = both(values([1, 2, rows, columns], 7), &device, dtype);
                let expected =
                    combine_area_reference(flows[0].clone(), seen, floats[0].clone(), &area);
                for masks in [&bytes, &cast] {
                    let out =
                        flow_input::cube::combine_area(&moved[0], &predicted, &masks[0], &area);
                    let out = out.expect("a CubeCL device");
                    assert_eq!(out.dtype(), DType::F32);
                    assert_close(out, &expected, 1e-6, 0.0, &what);
                }
            }
        }
    }
}

#[test]
fn padding_repeats_the_edge_as_the_reference_does() {
    for (device, kinds) in devices() {
        for (dtype, _) in kinds {
            for (shape, by) in [([1, 1, 1, 1], 2), ([2, 3, 5, 7], 2), ([1, 2, 16, 9], 1)] {
                let (x, seen) = both(values(shape, 1), &device, dtype);
                let out = replicate_pad::cube::replicate_pad(&x, by).expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let expected = replicate_pad_reference(seen, by);
                assert_close(out, &expected, 0.0, 0.0, &format!("{dtype:?} {shape:?}"));
            }
        }
    }
}

#[test]
fn rectified_sums_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for shape in [[1, 1, 1, 1], [2, 3, 5, 7]] {
                let (x, seen_x) = both(values(shape, 1), &device, dtype);
                let (y, seen_y) = both(values(shape, 2), &device, dtype);
                let out = residual::cube::rectified_sum(&x, &y).expect("a CubeCL device");
                assert_eq!(out.dtype(), dtype);
                let expected = rectified_sum_reference(seen_x, seen_y);
                assert_close(out, &expected, bound, 0.0, &format!("{dtype:?} {shape:?}"));
            }
        }
    }
}
