//! Recurrent flow completion, its stages and its result: relative error ≤ 1e-4.

use burn::tensor::{Device, Int, Tensor};
use propainter::{networks::flow_completion::FlowCompletion, weights::Network};
use propainter_tests::golden::{Vectors, assert_close, checkpoint, device};

const TOLERANCE: f64 = 1e-4;

fn network(device: &Device) -> Option<FlowCompletion> {
    Some(FlowCompletion::init(
        &checkpoint(Network::FlowCompletion)?,
        device,
    ))
}

/// The input vectors without their batch axis.
fn input(vectors: &Vectors, key: &str, device: &Device) -> Tensor<4> {
    vectors.tensor::<5>(key, device).squeeze_dim(0)
}

#[test]
fn flow_completion_matches_at_every_stage() {
    let device = device();
    let (Some(vectors), Some(stages), Some(network)) = (
        Vectors::open("flow_completion"),
        Vectors::open("flow_completion_stages"),
        network(&device),
    ) else {
        return;
    };
    // Stages come as [1, C, T, H, W] before the propagation, some at time steps 0 and 3 only.
    let steps = |x: &Tensor<4>| {
        let steps: Tensor<1, Int> = Tensor::from_ints([0, 3], &device);
        x.clone().select(0, steps)
    };
    let video = |x: Tensor<4>| -> Tensor<5> { x.swap_dims(0, 1).unsqueeze_dim(0) };
    let close = |out: Tensor<5>, key: &str| assert_close(out, &stages, key, TOLERANCE);

    let flows = input(&vectors, "flow_forward", &device);
    let masks = input(&vectors, "masks", &device).narrow(0, 0, flows.dims()[0]);
    let known = flows * (-masks.clone() + 1.0);
    let x = network.downsample(Tensor::cat(vec![known, masks], 1));
    close(video(steps(&x)), "downsample_t03");
    let fine = network.encode1(x);
    close(video(steps(&fine)), "encoder1_t03");
    let x = network.encode2(fine.clone());
    close(video(x.clone()), "encoder2");
    let x = network.dilate(x);
    close(video(x.clone()), "mid_dilation");
    let x = network.propagate(x);
    close(x.clone().unsqueeze_dim(0), "feat_prop");
    let x = network.decode2(x);
    assert_close(steps(&x), &stages, "decoder2_t03", TOLERANCE);
    let x = network.decode1(x + fine);
    assert_close(steps(&x), &stages, "decoder1_t03", TOLERANCE);
}

#[test]
fn completed_flows_match_both_ways() {
    let device = device();
    let (Some(vectors), Some(network)) = (Vectors::open("flow_completion"), network(&device))
    else {
        return;
    };
    let get = |key: &str| input(&vectors, key, &device);
    let (forward, backward, masks) = (get("flow_forward"), get("flow_backward"), get("masks"));
    let count = forward.dims()[0];
    let close = |out: Tensor<4>, key: &str| {
        assert_close(out.unsqueeze_dim::<5>(0), &vectors, key, TOLERANCE);
    };
    let at = |start| masks.clone().narrow(0, start, count);
    close(
        network.predict_forward(forward.clone(), at(0)),
        "predicted_forward",
    );
    close(
        network.predict_backward(backward.clone(), at(1)),
        "predicted_backward",
    );
    let (forward, backward) = network.complete(forward, backward, masks);
    close(forward, "completed_forward");
    close(backward, "completed_backward");
}

#[test]
fn a_single_flow_is_completed() {
    let device = device();
    let (Some(vectors), Some(network)) = (Vectors::open("flow_completion"), network(&device))
    else {
        return;
    };
    let get = |key: &str, count| input(&vectors, key, &device).narrow(0, 0, count);
    let flow = get("flow_forward", 1);
    let masks = get("masks", 2);
    let (forward, backward) =
        network.complete(flow.clone(), get("flow_backward", 1), masks.clone());
    assert_eq!(forward.dims(), flow.dims());
    assert_eq!(backward.dims(), flow.dims());
    let outside = -masks.narrow(0, 0, 1) + 1.0;
    let change = ((forward - flow) * outside)
        .abs()
        .max()
        .into_scalar::<f32>();
    assert_eq!(change, 0.0);
}
