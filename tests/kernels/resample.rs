use burn::tensor::{
    Tensor, module,
    ops::{InterpolateMode, InterpolateOptions},
};
use propainter::Area;
use propainter::internals::isa::Isa;
use propainter::internals::kernels::{
    upsample::{Part, sources, upsample_area, upsample_area_plain},
    warp::{Sampling, warp, warp_plain},
};
use proptest::prelude::*;

use super::{assert_twins, from_slice, tensor};

/// Upsampling of whole pictures as the library has it.
fn library(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let options = InterpolateOptions::new(InterpolateMode::Bilinear)
        .with_align_corners(true)
        .with_output_size([2 * height, 2 * width]);
    module::interpolate(x, options)
}

proptest! {
    #[test]
    fn areas_upsample_as_the_whole_does_and_the_library(
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
        let area = Area::of(ranges).map(|lines, axis| match axis {
            0 => lines,
            _ => lines.start / 2 * 2..lines.end.next_multiple_of(2),
        });
        let held = area.map(|lines, axis| {
            let needed = sources(lines, size[axis]);
            needed.start.saturating_sub(beyond[0])..(needed.end + beyond[1]).min(size[axis])
        });
        let x = tensor(shape, seed, 1.0);
        let part = held.cut(x.clone(), 2, &Area::whole(size));
        let all = Area::whole(size.map(|side| 2 * side));
        let whole = area.cut(upsample_area(x.clone(), &Area::whole(size), size, &all), 2, &all);
        assert_twins(area.cut(library(x), 2, &all), whole.clone(), "the library's");
        let plain = upsample_area_plain(part.clone(), &held, size, &area);
        assert_twins(plain, whole.clone(), "plain");
        let values: Vec<f32> = part.to_data().try_to_vec().expect("numbers of 32 bits");
        for isa in Isa::all() {
            let part = Part { held: held.clone(), size, area: area.clone() };
            let out = part.upsample(&values, isa);
            let out = from_slice(&out, [batch, channels, area.rows.len(), area.columns.len()]);
            assert_twins(out, whole.clone(), &format!("{isa:?}"));
        }
        let fast = upsample_area(part, &held, size, &area);
        assert_eq!(fast.into_data(), whole.into_data());
    }

    #[test]
    fn pictures_warp_like_the_plain_twin(
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
        assert_twins(fast, warp_plain(x, flow, sampling), &format!("{sampling:?}"));
    }
}
