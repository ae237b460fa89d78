//! Frames that lie on a GPU as samples, beside what the host makes of the same samples.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use propainter::{
    Frame, Mask, Rect,
    internals::{
        device_frames::{Overlay, Samples, YuvMatrix},
        kernels::pixels::{
            FrameBytes,
            samples::{DevicePart, joined_of, sampled},
        },
    },
};

use crate::gpu::kernels::support::{assert_close, devices};

/// Height and width.
const SIZES: [[usize; 2]; 3] = [[1, 1], [5, 7], [12, 16]];

/// Returns bytes of all values.
fn bytes(length: usize, seed: usize) -> Vec<u8> {
    let byte = |i: usize| ((i + seed * 131).wrapping_mul(2_654_435_761) >> 9) as u8;
    (0..length).map(byte).collect()
}

/// Returns pixels of four bytes, and luma and chroma of 8 and of 10 bits, by BT.601 and BT.709.
fn layouts() -> [Samples; 4] {
    let fixed = |value: f64| (value * 65536.0).round() as i32;
    let matrix = |[red, green_u, green_v, blue]: [f64; 4], unit: i32| YuvMatrix {
        luma_offset: 16 * unit,
        luma_gain: fixed(255.0 / 219.0 / f64::from(unit)),
        gray: 128 * unit,
        red_from_v: fixed(red / f64::from(unit)),
        green_from_u: fixed(-green_u / f64::from(unit)),
        green_from_v: fixed(-green_v / f64::from(unit)),
        blue_from_u: fixed(blue / f64::from(unit)),
    };
    let planes = |bytes, shift, matrix| Samples::SemiPlanar {
        bytes,
        shift,
        matrix,
    };
    [
        Samples::Packed {
            step: 4,
            rgb: [0, 1, 2],
        },
        Samples::Packed {
            step: 4,
            rgb: [2, 1, 0],
        },
        planes(1, 0, matrix([1.596, 0.391, 0.813, 2.018], 1)),
        planes(2, 6, matrix([1.793, 0.213, 0.533, 2.112], 4)),
    ]
}

/// Returns the number of bytes that a frame takes.
fn length(samples: &Samples, [height, width]: [usize; 2]) -> usize {
    match samples {
        Samples::Packed { step, .. } => step * height * width,
        Samples::SemiPlanar { bytes, .. } => {
            bytes * (height * width + 2 * height.div_ceil(2) * width.div_ceil(2))
        }
    }
}

/// Returns red, green and blue of a pixel by the definition.
fn pixel(memory: &[u8], samples: &Samples, [height, width]: [usize; 2], at: usize) -> [u8; 3] {
    let (bytes, shift, m) = match samples {
        Samples::Packed { step, rgb } => return rgb.map(|offset| memory[step * at + offset]),
        Samples::SemiPlanar {
            bytes,
            shift,
            matrix,
        } => (*bytes, *shift, matrix),
    };
    let sample = |at: usize| {
        let word = &memory[bytes * at..][..bytes];
        let word = word
            .iter()
            .rev()
            .fold(0, |word, &b| 256 * word + i64::from(b));
        word >> shift
    };
    let (row, column) = (at / width / 2, at % width / 2);
    let pair = height * width + 2 * (row * width.div_ceil(2) + column);
    let luma = i64::from(m.luma_gain) * (sample(at) - i64::from(m.luma_offset));
    let [u, v] = [pair, pair + 1].map(|at| sample(at) - i64::from(m.gray));
    let [r, gu, gv, b] =
        [m.red_from_v, m.green_from_u, m.green_from_v, m.blue_from_u].map(i64::from);
    let sums = [luma + r * v, luma + gu * u + gv * v, luma + b * u];
    sums.map(|sum| ((sum + 32768).div_euclid(65536)).clamp(0, 255) as u8)
}

/// Returns a part of a frame as the host makes it of samples.
fn on_host(memory: &[u8], samples: &Samples, size: [usize; 2], part: &Rect) -> Frame {
    let rows = part.rows.clone();
    let pixels = rows.flat_map(|row| {
        part.columns
            .clone()
            .map(move |column| row * size[1] + column)
    });
    let rgb = pixels.flat_map(|at| pixel(memory, samples, size, at));
    Frame::new(part.columns.len(), part.rows.len(), rgb.collect())
}

/// Returns every layout with every size, and the whole of it and a part.
fn cases() -> Vec<(Samples, [usize; 2], Rect)> {
    let sizes = layouts()
        .into_iter()
        .flat_map(|s| SIZES.map(|size| (s, size)));
    let cases = sizes.flat_map(|(samples, size)| {
        let part = Rect::new(size.map(|side| side / 3..side));
        [Rect::whole(size), part].map(|part| (samples, size, part))
    });
    cases.collect()
}

fn uploaded(memory: &[u8], device: &Device) -> Tensor<1, Int> {
    let data = TensorData::new(memory.to_vec(), [memory.len()]);
    Tensor::from_data(data, (device, DType::U8))
}

#[test]
fn pixels_come_to_the_host_as_it_makes_them_itself() {
    for (device, _) in devices() {
        for (samples, size, part) in cases() {
            let memory = bytes(length(&samples, size), 3);
            let expected = on_host(&memory, &samples, size, &part);
            let there = DevicePart {
                tensor: &uploaded(&memory, &device),
                samples: &samples,
                size,
                part: &part,
            };
            for step in [1, 3] {
                let out = sampled(&there, step).unwrap();
                let rows = expected.rgb().chunks_exact(3 * expected.width());
                let pixels = rows.step_by(step);
                let pixels = pixels.flat_map(|row| row.chunks_exact(3).step_by(step).flatten());
                let [out, expected] = [out, pixels.copied().collect()].map(|bytes: Vec<u8>| {
                    let floats: Vec<f32> = bytes.into_iter().map(f32::from).collect();
                    Tensor::<1>::from_floats(&floats[..], &Device::flex())
                });
                let what = format!("{there:?} {step}");
                assert_close(out, &expected, 0.0, 0.0, &what);
            }
        }
    }
}

/// Returns other pixels for the hole, and the frame with them.
fn fill(frame: &Frame, hole: &Mask) -> (Overlay, Frame) {
    let area = hole.bounding_box();
    let overlay = Overlay {
        rgb: bytes(3 * area.pixels(), 9),
        hole: hole.clone(),
        area,
    };
    let (width, mut filled) = (frame.width(), frame.rgb().to_vec());
    for (at, pixel) in filled.chunks_exact_mut(3).enumerate() {
        let inside = overlay.area.index([at / width, at % width]);
        if let Some(inside) = inside.filter(|_| hole.hole()[at] == 1) {
            pixel.copy_from_slice(&overlay.rgb[3 * inside..][..3]);
        }
    }
    let filled = Frame::new(width, frame.height(), filled);
    (overlay, filled)
}

#[test]
fn tensors_are_those_of_the_frame_with_its_fill() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for (samples, size, part) in cases() {
                let memory = bytes(length(&samples, size), 5);
                let frame = on_host(&memory, &samples, size, &part);
                let [hole, missing] = [2, 3].map(|every| {
                    let hole = (0..part.pixels()).map(|at| u8::from(at % every == 0));
                    Mask::from_luma(frame.width(), frame.height(), hole.collect())
                });
                let there = DevicePart {
                    tensor: &uploaded(&memory, &device),
                    samples: &samples,
                    size,
                    part: &part,
                };
                let (overlay, filled) = fill(&frame, &hole);
                let both = [hole.hole(), missing.hole()];
                for (frame, overlay) in [(&frame, None), (&filled, Some(&overlay))] {
                    for (masks, blank) in
                        [(&both[..0], None), (&both[1..], Some(0)), (&both, Some(1))]
                    {
                        let bytes = FrameBytes {
                            frame,
                            masks,
                            blank,
                        };
                        let out = joined_of(&bytes, &there, overlay, dtype);
                        let expected = bytes.joined(&Device::flex(), DType::F32);
                        let what = format!("{there:?} {dtype:?}");
                        assert_close(out.expect("a GPU"), &expected, bound, 0.0, &what);
                    }
                }
            }
        }
    }
}
