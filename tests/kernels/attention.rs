use burn::tensor::activation::softmax;
use propainter::internals::isa::Isa;
use propainter::internals::kernels::attention::cpu::attention_slices;
use proptest::prelude::*;

use super::{assert_matches_reference, from_slice, numbers};

proptest! {
    #[test]
    fn every_instruction_set_attends_like_the_reference(
        batch in 1usize..4,
        queries in 1usize..130,
        keys in prop_oneof![1usize..60, 500usize..1300],
        features in 1usize..40,
        // Large scores, so that the running maximum matters.
        most in prop_oneof![Just(1.0f32), Just(6.0)],
        seed: u64,
    ) {
        assert_attends([batch, queries, keys, features], most, seed);
    }
}

#[test]
fn a_mean_that_cancels_to_almost_nothing_is_as_near_as_the_values_allow() {
    assert_attends([1, 1, 777, 1], 1.0, 8_989_092_921_304_033_751);
}

/// Compares the CPU form under every instruction set with the reference form, for values from -1 to
/// 1. The output is a mean of them: where it cancels, the error is measured by the values.
fn assert_attends([batch, queries, keys, features]: [usize; 4], most: f32, seed: u64) {
    let shape = |count: usize| [batch, count, features];
    let q = numbers(batch * queries * features, seed, most);
    let k = numbers(batch * keys * features, seed + 1, 1.0);
    let v = numbers(batch * keys * features, seed + 2, 1.0);
    let key = from_slice(&k, shape(keys)).swap_dims(1, 2);
    let scores = from_slice(&q, shape(queries)).matmul(key) * 0.5;
    let reference = softmax(scores, 2).matmul(from_slice(&v, shape(keys)));
    for isa in Isa::all() {
        let fast = attention_slices([&q, &k, &v], batch, features, 0.5, isa);
        let fast = from_slice(&fast, shape(queries));
        let difference = (fast.clone() - reference.clone()).abs().max();
        if difference.into_scalar::<f32>() > 1e-6 {
            assert_matches_reference(fast, reference.clone(), &format!("{isa:?}"));
        }
    }
}
