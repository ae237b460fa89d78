use burn::tensor::module;
use propainter::internals::isa::Isa;
use propainter::internals::kernels::linear::PackedLinear;
use proptest::prelude::*;

use super::{assert_matches_reference, from_slice, numbers, tensor};

proptest! {
    #[test]
    fn every_instruction_set_multiplies_like_the_reference(
        rows in 1usize..150,
        inputs in prop_oneof![1usize..80, 1020usize..2100],
        outputs in 1usize..150,
        seed: u64,
    ) {
        let x = tensor([1, rows, inputs], seed, 1.0);
        let weight = numbers(inputs * outputs, seed + 1, 1.0);
        let bias = numbers(outputs, seed + 2, 1.0);
        let reference = module::linear(
            x.clone(),
            from_slice(&weight, [inputs, outputs]),
            Some(from_slice(&bias, [outputs])),
        );
        for isa in Isa::all() {
            let fast = PackedLinear::pack(&weight, &bias, isa).apply(&x);
            assert_matches_reference(fast, reference.clone(), &format!("{isa:?}"));
        }
    }
}
