//! Recurrent flow completion, its stages and its result: relative error ≤ 1e-4.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor};
use propainter::{
    Cancel, Rect,
    internals::networks::{
        flow_completion::{ChunkSize, EncoderContext, FlowCompletion, Video, network_input},
        stored::Placement,
    },
    weights::Network,
};
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
    let whole = |part: Option<Tensor<4>>| part.expect("a whole video");
    let fine = whole(network.encode1(x, &mut EncoderContext::default(), true));
    close(video(steps(&fine)), "encoder1_t03");
    let x = whole(network.encode2(fine.clone(), &mut EncoderContext::default(), true));
    close(video(x.clone()), "encoder2");
    let x = network.dilate(x);
    close(video(x.clone()), "mid_dilation");
    let x = network.propagate(x).unwrap();
    close(x.clone().unsqueeze_dim(0), "feat_prop");
    let x = network.decoder.quarter(x);
    assert_close(steps(&x), &stages, "decoder2_t03", TOLERANCE);
    let x = network.decoder.half(x + fine);
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
    let close = |out: Tensor<4>, key: &str| {
        assert_close(out.unsqueeze_dim::<5>(0), &vectors, key, TOLERANCE);
    };
    let count = forward.dims()[0];
    let at = |start| masks.clone().narrow(0, start, count);
    let predicted = network.predict_whole(forward.clone(), at(0)).unwrap();
    close(predicted, "predicted_forward");
    // The network sees the backward direction reversed in time.
    let predicted = network.predict_whole(backward.clone().flip([0]), at(1).flip([0]));
    close(predicted.unwrap().flip([0]), "predicted_backward");
    let (forward, backward) = network.complete(forward, backward, masks).unwrap();
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
    let (forward, backward) = network
        .complete(flow.clone(), get("flow_backward", 1), masks.clone())
        .unwrap();
    assert_eq!(forward.dims(), flow.dims());
    assert_eq!(backward.dims(), flow.dims());
    let outside = -masks.narrow(0, 0, 1) + 1.0;
    let change = ((forward - flow) * outside)
        .abs()
        .max()
        .into_scalar::<f32>();
    assert_eq!(change, 0.0);
}

/// What the network predicts where it is wanted, and of which flows.
fn predict(
    network: &FlowCompletion,
    [flows, masks]: [&Tensor<4>; 2],
    wanted: &[Rect],
    chunk_size: ChunkSize,
) -> Vec<(usize, Tensor<4>)> {
    let part = |x: &Tensor<4>, range: &Range<usize>| x.clone().narrow(0, range.start, range.len());
    let input = |range: Range<usize>| Ok(network_input(part(flows, &range), part(masks, &range)));
    let mut predicted = Vec::new();
    let mut output = |t, flow| {
        predicted.push((t, flow));
        Ok(())
    };
    let video = Video {
        input: &input,
        wanted,
        output: &mut output,
    };
    let done = network.predict(video, chunk_size, &Cancel::default());
    done.expect("nobody cancels");
    predicted
}

#[test]
fn wanted_parts_are_those_of_the_whole_flows() {
    let device = device();
    let (Some(vectors), Some(network)) = (Vectors::open("flow_completion"), network(&device))
    else {
        return;
    };
    let flows = input(&vectors, "flow_forward", &device);
    let [count, _, height, width] = flows.dims();
    let masks = input(&vectors, "masks", &device).narrow(0, 0, count);
    let whole = network.predict_whole(flows.clone(), masks.clone()).unwrap();
    let none = Rect::default();
    let corner = Rect::new([0..9, width - 5..width]);
    let middle = Rect::new([height / 2 - 3..height / 2 + 4, 6..width / 2]);
    for areas in [
        vec![&none, &corner, &none, &middle],
        vec![&middle],
        vec![&none],
    ] {
        let wanted = areas.iter().cycle().take(count).copied().cloned();
        let wanted: Vec<_> = wanted.collect();
        for frames in [2, count] {
            let placement = Placement::Device;
            let predicted = predict(
                &network,
                [&flows, &masks],
                &wanted,
                ChunkSize { frames, placement },
            );
            let seen: Vec<_> = predicted.iter().map(|(t, _)| *t).collect();
            let expected = (0..count).filter(|&t| !wanted[t].is_empty());
            assert_eq!(seen, expected.collect::<Vec<_>>());
            for (t, flow) in predicted {
                let expected = whole.clone().narrow(0, t, 1);
                let expected = wanted[t].crop(expected, 2, &Rect::whole([height, width]));
                let apart = (flow - expected).abs().max().into_scalar::<f32>();
                assert!(apart < 1e-5, "flow {t}, {:?}: {apart:e} apart", wanted[t]);
            }
        }
    }
}

#[test]
fn every_chunk_size_gives_the_same_flows() {
    let device = device();
    let (Some(vectors), Some(network)) = (Vectors::open("flow_completion"), network(&device))
    else {
        return;
    };
    let flows = input(&vectors, "flow_forward", &device);
    let [count, _, height, width] = flows.dims();
    let masks = input(&vectors, "masks", &device).narrow(0, 0, count);
    let wanted = vec![Rect::whole([height, width]); count];
    let in_chunks = |frames, placement| {
        let predicted = predict(
            &network,
            [&flows, &masks],
            &wanted,
            ChunkSize { frames, placement },
        );
        Tensor::cat(predicted.into_iter().map(|(_, flow)| flow).collect(), 0)
    };
    let whole = in_chunks(count, Placement::Device);
    let key = "predicted_forward";
    assert_close(
        whole.clone().unsqueeze_dim::<5>(0),
        &vectors,
        key,
        TOLERANCE,
    );
    for frames in 1..count {
        let parts = in_chunks(frames, Placement::Host);
        let difference = (parts - whole.clone()).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5, "{frames} at once: {difference:e}");
    }
}
