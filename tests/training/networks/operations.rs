//! The backward passes of single operations: relative error ≤ 1e-5.

use burn::tensor::Tensor;
use propainter::{
    internals::{
        kernels::{
            deform_conv::deform_conv,
            warp::{Sampling, warp},
        },
        networks::generator::{
            Generator, attention::DeviceAttentionPlan, attention_plan::BlockScope,
            token_grid::TokenGrid,
        },
    },
    weights::Network,
};
use propainter_tests::golden::Vectors;
use propainter_training::parameters::Recorded;

use super::{backward, device, distance, leaf, parameters, values};
use crate::vectors::rule_tensor;

const TOLERANCE: f64 = 1e-5;

/// The vectors of the backward passes and of the operation's inputs.
fn open(name: &str) -> Option<[Vectors; 2]> {
    Some([
        Vectors::read("training/ops_backward.safetensors")?,
        Vectors::open(name)?,
    ])
}

fn assert_gradient<const D: usize>(gradient: Option<Tensor<D>>, expected: &Vectors, key: &str) {
    let gradient = values(gradient.unwrap_or_else(|| panic!("no gradient for {key}")));
    let error = distance(&gradient, &expected.floats(key));
    println!("{key}: {error:.2e}");
    assert!(error <= TOLERANCE, "{key}: {error:.2e}");
}

/// The generator on recorded parameters.
fn generator() -> Option<(Recorded, Generator)> {
    let recorded = parameters(Network::Generator)?;
    let generator = Generator::init(&recorded, &device().autodiff());
    Some((recorded, generator))
}

#[test]
fn deformable_convolution_has_the_official_gradients() {
    let Some([expected, vectors]) = open("deform_conv") else {
        return;
    };
    let get = |key: &str| leaf::<4>(&vectors, key);
    let (x, offset, mask, weight) = (get("x"), get("offset"), get("mask"), get("weight"));
    let bias = leaf::<1>(&vectors, "bias");
    let out = deform_conv(
        x.clone(),
        offset.clone(),
        mask.clone(),
        weight.clone(),
        bias.clone(),
    );
    let upstream = rule_tensor("training/ops/deform_conv", out.dims(), &device());
    let grads = backward(out, upstream.clone());
    assert_gradient(x.grad(&grads), &expected, "deform_conv.dx");
    assert_gradient(offset.grad(&grads), &expected, "deform_conv.doffset");
    assert_gradient(mask.grad(&grads), &expected, "deform_conv.dmask");
    assert_gradient(weight.grad(&grads), &expected, "deform_conv.dweight");
    assert_gradient(bias.grad(&grads), &expected, "deform_conv.dbias");

    let zero = (vectors.tensor::<4>("offset", &device()) * 0.0)
        .autodiff()
        .require_grad();
    let out = deform_conv(x.clone(), zero.clone(), mask, weight, bias);
    let grads = backward(out, upstream);
    assert_gradient(x.grad(&grads), &expected, "deform_conv_zero.dx");
    assert_gradient(zero.grad(&grads), &expected, "deform_conv_zero.doffset");
}

#[test]
fn warping_has_the_official_gradients() {
    let Some([expected, vectors]) = open("warp") else {
        return;
    };
    let (x, flow) = (leaf::<4>(&vectors, "x"), leaf::<4>(&vectors, "flow"));
    let out = warp(x.clone(), flow.clone(), Sampling::Bilinear);
    let upstream = rule_tensor("training/ops/warp", out.dims(), &device());
    let grads = backward(out, upstream);
    assert_gradient(x.grad(&grads), &expected, "warp.dx");
    assert_gradient(flow.grad(&grads), &expected, "warp.dflow");
}

#[test]
fn window_attention_has_the_official_gradients() {
    let Some([expected, vectors]) = open("attention_exact") else {
        return;
    };
    let Some((recorded, generator)) = generator() else {
        return;
    };
    let grid = TokenGrid {
        rows: 10,
        columns: 9,
    };
    let masks = vectors.floats("mask");
    let masked = |token: usize| masks[token..].iter().step_by(90).any(|&m| m > 0.0);
    let masked: Vec<_> = (0..90).map(masked).collect();
    let keys = vectors.floats("t_ind");
    let scope = BlockScope {
        frames: 5,
        queries: (0..5).collect(),
        tokens: grid.whole(),
        keys: keys.into_iter().map(|frame| frame as usize).collect(),
    };
    let plan = DeviceAttentionPlan::new(grid, &scope, &masked, &device().autodiff());
    let x = leaf::<5>(&vectors, "x");
    let rows = x.clone().reshape([450, 512]);
    let nothing = Tensor::zeros([5, 10, 9, 512], &device().autodiff());
    let block = &generator.transformer.blocks[0];
    let out = block.attention.forward_added(rows, nothing, &plan);
    let upstream = rule_tensor(
        "training/ops/attention_exact",
        [1, 5, 10, 9, 512],
        &device(),
    );
    let mut grads = backward(out, upstream.reshape([5, 10, 9, 512]));
    assert_gradient(x.grad(&grads), &expected, "attention_exact.dx");
    let gradients = recorded.gradients(&mut grads);
    for name in ["query", "key", "value", "proj"] {
        let key = format!("transformers.transformer.0.attention.{name}");
        let weight = gradients.get(&format!("{key}.weight")).expect("a gradient");
        let rows = (0..32).map(|row| weight.clone().narrow(0, 16 * row * 512, 512));
        let rows = Tensor::cat(rows.collect(), 0);
        assert_gradient(
            Some(rows),
            &expected,
            &format!("attention_exact.d{name}.weight"),
        );
        if name != "key" {
            let bias = gradients.get(&format!("{key}.bias")).cloned();
            assert_gradient(bias, &expected, &format!("attention_exact.d{name}.bias"));
        }
    }
    let pool = gradients
        .get("transformers.transformer.0.attention.pool_layer.weight")
        .cloned();
    assert_gradient(pool, &expected, "attention_exact.dpool_layer.weight");
}

#[test]
fn the_feed_forward_has_the_official_gradients() {
    let Some([expected, vectors]) = open("feed_forward") else {
        return;
    };
    let Some((recorded, generator)) = generator() else {
        return;
    };
    let x = leaf::<3>(&vectors, "x");
    let block = &generator.transformer.blocks[0];
    let out = block
        .feed_forward
        .forward(x.clone().reshape([2, 10, 9, 512]), None, [30, 26]);
    let upstream = rule_tensor("training/ops/feed_forward", [1, 180, 512], &device());
    let mut grads = backward(out, upstream.reshape([2, 10, 9, 512]));
    assert_gradient(x.grad(&grads), &expected, "feed_forward.dx");
    let gradients = recorded.gradients(&mut grads);
    let bias = gradients
        .get("transformers.transformer.0.mlp.fc1.0.bias")
        .cloned();
    assert_gradient(bias, &expected, "feed_forward.dfc1.0.bias");
}

#[test]
fn soft_split_and_composition_have_the_official_gradients() {
    let Some([expected, vectors]) = open("soft_split_comp") else {
        return;
    };
    let Some((_, generator)) = generator() else {
        return;
    };
    let tokens = leaf::<5>(&vectors, "tokens_in");
    let out = generator
        .composition
        .forward(tokens.clone().reshape([2, 10, 9, 512]), [30, 26]);
    let upstream = rule_tensor("training/ops/soft_comp", out.dims(), &device());
    let grads = backward(out, upstream);
    assert_gradient(tokens.grad(&grads), &expected, "soft_comp.dtokens");
    let x = leaf::<4>(&vectors, "x");
    let out = generator.split.forward(x.clone());
    let upstream = rule_tensor("training/ops/soft_split", [1, 2, 10, 9, 512], &device());
    let grads = backward(out, upstream.reshape([2, 10, 9, 512]));
    let dx = x.grad(&grads).map(|dx| dx.narrow(0, 0, 1).narrow(1, 0, 32));
    assert_gradient(dx, &expected, "soft_split.dx");
}
