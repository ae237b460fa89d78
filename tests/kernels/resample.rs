use propainter::kernels::{
    isa::Isa,
    upsample::{
        Strip, sources, upsample, upsample_plain, upsample_rows, upsample_rows_plain,
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
    fn rows_upsample_as_they_do_within_the_whole(
        shape in [1usize..3, 1usize..4, 1usize..25, 1usize..40],
        ends in [0usize..50, 0usize..50],
        beyond in [0usize..3, 0usize..3],
        seed: u64,
    ) {
        let [batch, channels, height, width] = shape;
        let [a, b] = ends.map(|end| end % (2 * height));
        let rows = a.min(b)..a.max(b) + 1;
        let needed = sources(rows.clone(), height);
        let start = needed.start.saturating_sub(beyond[0]);
        let held = (needed.end + beyond[1]).min(height) - start;
        let x = tensor(shape, seed, 1.0);
        let part = x.clone().narrow(2, start, held);
        let whole = upsample(x.clone()).narrow(2, rows.start, rows.len());
        let plain = upsample_rows_plain(part.clone(), start, height, rows.clone());
        assert_twins(plain, whole.clone(), "plain");
        let values: Vec<f32> = part.to_data().try_to_vec().expect("numbers of 32 bits");
        for isa in Isa::all() {
            let strip = Strip { held, start, height, rows: rows.clone() };
            let out = strip.upsample(&values, width, isa);
            let out = from_slice(&out, [batch, channels, rows.len(), 2 * width]);
            assert_twins(out, whole.clone(), &format!("{isa:?}"));
        }
        let fast = upsample_rows(part, start, height, rows);
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
