use burn::tensor::Tensor;
use propainter::internals::isa::Isa;
use propainter::internals::kernels::deform_conv::{
    PackedDeformConv, SamplingPoints, deform_conv_reference,
};
use proptest::prelude::*;

use super::{assert_matches_reference, from_slice, numbers, tensor};

proptest! {
    #[test]
    fn every_instruction_set_deforms_like_the_reference(
        groups in 1usize..5,
        each in prop_oneof![Just(1usize), Just(3), Just(8), Just(16)],
        outputs in 1usize..60,
        size in [1usize..14, 1usize..20],
        reach in prop_oneof![Just(1.5f32), Just(30.0)],
        learned: bool,
        with_flow: bool,
        batch in 1usize..3,
        seed: u64,
    ) {
        let [height, width] = size;
        let x = tensor([batch, groups * each, height, width], seed, 1.0);
        let shape = [outputs, groups * each, 3, 3];
        let weight = numbers(shape.iter().product(), seed + 1, 1.0);
        let bias = numbers(outputs, seed + 2, 1.0);
        let points = if learned {
            SamplingPoints::Learned {
                raw: tensor([batch, 27 * groups, height, width], seed + 3, 2.0),
                limit: 5.0,
                flow: with_flow.then(|| tensor([batch, 2, height, width], seed + 4, reach)),
            }
        } else {
            SamplingPoints::Given {
                offset: tensor([batch, 18 * groups, height, width], seed + 3, reach),
                modulation: tensor([batch, 9 * groups, height, width], seed + 4, 1.0),
            }
        };
        let (offset, modulation) = points.clone().resolve();
        let reference: Tensor<4> = deform_conv_reference(
            x.clone(),
            offset,
            modulation,
            from_slice(&weight, shape),
            from_slice(&bias, [outputs]),
        );
        for isa in Isa::all() {
            let packed = PackedDeformConv::pack(&weight, [outputs, groups * each], &bias, groups, isa);
            assert_matches_reference(packed.apply(&x, &points), reference.clone(), &format!("{isa:?}"));
        }
    }
}
