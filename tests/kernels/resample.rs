use propainter::kernels::{
    area::Area,
    isa::Isa,
    upsample::{
        Part, sources, upsample, upsample_area, upsample_area_plain, upsample_plain,
        upsample_slices,
    },
    warp::{Sampling, warp, warp_plain},
};
use proptest::prelude::*;

use super::{assert_twins, from_slice, numbers, tensor};

proptest! {
    #[test]
    fn every_instruction_set_upsamples_like_the_plain_twin(
        shape in [1usize..3, 1usize..4, 1usize..40, 1usize..90],
        seed: u64,
    ) {
        let values = numbers(shape.iter().product(), seed, 1.0);
        let plain = upsample_plain(from_slice(&values, shape));
        let [batch, channels, height, width] = shape;
        for isa in Isa::all() {
            let fast = upsample_slices(&values, [height, width], isa);
            let fast = from_slice(&fast, [batch, channels, 2 * height, 2 * width]);
            assert_twins(fast, plain.clone(), &format!("{isa:?}"));
        }
        assert_twins(upsample(from_slice(&values, shape)), plain, "upsample");
    }

    #[test]
    fn areas_upsample_as_they_do_within_the_whole(
        shape in [1usize..3, 1usize..4, 1usize..25, 1usize..40],
        ends in [[0usize..50, 0usize..50], [0usize..80, 0usize..80]],
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
        let whole = area.cut(upsample(x), 2, &Area::whole(size.map(|side| 2 * side)));
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
