use propainter::kernels::{
    isa::Isa,
    upsample::{upsample, upsample_plain, upsample_slices},
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
