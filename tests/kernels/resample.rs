use burn::tensor::{
    Tensor, module,
    ops::{InterpolateMode, InterpolateOptions},
};
use propainter::Rect;
use propainter::internals::isa::Isa;
use propainter::internals::kernels::{
    upsample::{Upsample2x, source_lines, upsample2x, upsample2x_reference},
    warp::{Sampling, warp, warp_reference},
};
use proptest::prelude::*;

use super::{assert_matches_reference, from_slice, tensor};

/// Upsamples whole images with the tensor library.
fn library(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let options = InterpolateOptions::new(InterpolateMode::Bilinear)
        .with_align_corners(true)
        .with_output_size([2 * height, 2 * width]);
    module::interpolate(x, options)
}

proptest! {
    #[test]
    fn parts_upsample_as_the_whole_does_and_the_library(
        shape in [1usize..3, 1usize..4, 1usize..25, 1usize..90],
        ends in [[0usize..50, 0usize..50], [0usize..180, 0usize..180]],
        beyond in [0usize..3, 0usize..3],
        seed: u64,
    ) {
        let [batch, channels, height, width] = shape;
        let size = [height, width];
        let ranges = [0, 1].map(|axis| {
            let [a, b] = ends[axis].map(|end| end % (2 * size[axis]));
            a.min(b)..a.max(b) + 1
        });
        let area = Rect::new(ranges).map(|lines, axis| match axis {
            0 => lines,
            _ => lines.start / 2 * 2..lines.end.next_multiple_of(2),
        });
        let held = area.map(|lines, axis| {
            let needed = source_lines(lines, size[axis]);
            needed.start.saturating_sub(beyond[0])..(needed.end + beyond[1]).min(size[axis])
        });
        let x = tensor(shape, seed, 1.0);
        let part = held.crop(x.clone(), 2, &Rect::whole(size));
        let all = Rect::whole(size.map(|side| 2 * side));
        let whole = area.crop(upsample2x(x.clone(), &Rect::whole(size), size, &all), 2, &all);
        assert_matches_reference(area.crop(library(x), 2, &all), whole.clone(), "the library's");
        let reference = upsample2x_reference(part.clone(), &held, size, &area);
        assert_matches_reference(reference, whole.clone(), "reference");
        let values: Vec<f32> = part.to_data().try_to_vec().expect("32-bit floats");
        for isa in Isa::all() {
            let task = Upsample2x { held: held.clone(), size, area: area.clone() };
            let out = task.run(&values, isa);
            let out = from_slice(&out, [batch, channels, area.rows.len(), area.columns.len()]);
            assert_matches_reference(out, whole.clone(), &format!("{isa:?}"));
        }
        let fast = upsample2x(part, &held, size, &area);
        assert_eq!(fast.into_data(), whole.into_data());
    }

    #[test]
    fn images_warp_like_the_reference(
        shape in [1usize..3, 1usize..5, 1usize..30, 1usize..40],
        reach in prop_oneof![Just(0.0f32), Just(2.0), Just(60.0)],
        nearest: bool,
        seed: u64,
    ) {
        let [batch, _, height, width] = shape;
        let x = tensor(shape, seed, 1.0);
        let flow = tensor([batch, 2, height, width], seed + 1, reach);
        let sampling = if nearest { Sampling::Nearest } else { Sampling::Bilinear };
        let fast = warp(x.clone(), flow.clone(), sampling);
        assert_matches_reference(fast, warp_reference(x, flow, sampling), &format!("{sampling:?}"));
    }
}
