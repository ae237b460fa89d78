//! RAFT: correlation lookup and convex upsampling ≤ 1e-5, its stages and flows ≤ 1e-4.

use burn::tensor::{Device, Tensor};
use propainter::{
    internals::{
        kernels::{
            convex_upsample::convex_upsample,
            correlation::{Correlation, CorrelationForm},
        },
        networks::raft::Raft,
    },
    weights::Network,
};
use propainter_tests::golden::{Vectors, assert_close, checkpoint, device, relative_error};

const PRIMITIVE: f64 = 1e-5;
const TOLERANCE: f64 = 1e-4;
const ITERATIONS: usize = 20;

fn raft(device: &Device) -> Option<Raft> {
    Some(Raft::init(&checkpoint(Network::Raft)?, device))
}

#[test]
fn correlation_lookup_matches_in_every_form() {
    let Some(vectors) = Vectors::open("correlation") else {
        return;
    };
    let device = device();
    let get = |key: &str| vectors.tensor::<4>(key, &device);
    for form in [CorrelationForm::Volume, CorrelationForm::Features] {
        let correlation = Correlation::new(get("fmap1"), get("fmap2"), form);
        let samples = correlation.lookup(get("coords"));
        assert_close(samples, &vectors, "lookup", PRIMITIVE);
        let samples = correlation.lookup_reference(get("coords"));
        assert_close(samples, &vectors, "lookup", PRIMITIVE);
    }
}

#[test]
fn convex_upsampling_matches() {
    let Some(vectors) = Vectors::open("convex_upsample") else {
        return;
    };
    let device = device();
    let get = |key: &str| vectors.tensor::<4>(key, &device);
    let fine = convex_upsample(get("flow"), get("mask"));
    assert_close(fine, &vectors, "out", PRIMITIVE);
}

#[test]
fn raft_matches_at_every_stage() {
    let device = device();
    let (Some(vectors), Some(pair), Some(raft)) = (
        Vectors::open("raft_stages"),
        Vectors::open("raft"),
        raft(&device),
    ) else {
        return;
    };
    let [first, second] =
        ["image1", "image2"].map(|key| raft.encode(pair.tensor::<4>(key, &device)));
    let close = |out: Tensor<4>, key: &str| assert_close(out, &vectors, key, TOLERANCE);
    close(first.map.clone(), "fmap1");
    close(second.map.clone(), "fmap2");
    close(first.hidden.clone(), "net0");
    close(first.context.clone(), "inp");
    let mut estimate = raft.start(&[(&first, &second)], CorrelationForm::Volume);
    close(estimate.correlation_samples(), "corr0");
    for iteration in 1..=5 {
        estimate = raft.refine(estimate);
        if [1, 2, 5].contains(&iteration) {
            close(estimate.flow.clone(), &format!("flow_after_{iteration}"));
            close(estimate.hidden.clone(), &format!("net_after_{iteration}"));
        }
    }
    close(raft.upsampling_mask(&estimate), "up_mask_after_5");
    close(raft.finish(&estimate), "up_after_5");
}

#[test]
fn flows_both_ways_match() {
    let device = device();
    let Some(raft) = raft(&device) else {
        return;
    };
    for name in ["raft", "raft_odd"] {
        let Some(vectors) = Vectors::open(name) else {
            continue;
        };
        let [first, second] =
            ["image1", "image2"].map(|key| raft.encode(vectors.tensor::<4>(key, &device)));
        let flows = raft.flows(
            &[(&first, &second), (&second, &first)],
            ITERATIONS,
            CorrelationForm::Volume,
        );
        assert_close(
            flows.clone().narrow(0, 0, 1),
            &vectors,
            "flow_forward",
            TOLERANCE,
        );
        assert_close(flows.narrow(0, 1, 1), &vectors, "flow_backward", TOLERANCE);
    }
}

/// On a GPU a stream computes several pairs at once.
#[test]
fn pairs_of_a_batch_are_those_computed_alone() {
    let device = device();
    let (Some(vectors), Some(raft)) = (Vectors::open("raft"), raft(&device)) else {
        return;
    };
    let [first, second] =
        ["image1", "image2"].map(|key| raft.encode(vectors.tensor::<4>(key, &device)));
    let pairs = [
        (&first, &second),
        (&second, &first),
        (&second, &second),
        (&first, &second),
    ];
    for form in [CorrelationForm::Volume, CorrelationForm::Features] {
        let together = raft.flows(&pairs, 3, form);
        assert_eq!(together.dims()[0], pairs.len());
        for (i, pair) in pairs.into_iter().enumerate() {
            let alone = raft.flows(&[pair], 3, form);
            let error = relative_error(together.clone().narrow(0, i, 1), alone);
            println!("{form:?}, pair {i}: relative error {error:.2e}");
            assert!(error <= 1e-6, "{form:?}, pair {i}: {error:.2e}");
        }
    }
}

#[test]
fn flow_from_features_alone_matches() {
    let device = device();
    let (Some(vectors), Some(raft)) = (Vectors::open("raft"), raft(&device)) else {
        return;
    };
    let [first, second] =
        ["image1", "image2"].map(|key| raft.encode(vectors.tensor::<4>(key, &device)));
    let flow = raft.flows(&[(&first, &second)], ITERATIONS, CorrelationForm::Features);
    assert_close(flow, &vectors, "flow_forward", TOLERANCE);
}

/// A small frame is extended by reflection, so its flow is that of the extended frame.
#[test]
fn small_frames_are_reflected_to_128() {
    let device = device();
    let Some(raft) = raft(&device) else {
        return;
    };
    let (height, width) = (16, 136);
    let frame = |shift: usize, rows: usize| -> Tensor<4> {
        let mirrored = |y: usize| {
            let y = y % (2 * height - 2);
            y.min(2 * height - 2 - y)
        };
        let value = |c: usize, y: usize, x: usize| {
            let (y, x) = (mirrored(y) as f32, (x + shift) as f32);
            ((x * 0.31).sin() + (y * 0.47 + c as f32).cos()) / 2.0
        };
        let values: Vec<f32> = (0..3 * rows * width)
            .map(|i| value(i / (rows * width), i / width % rows, i % width))
            .collect();
        Tensor::<1>::from_floats(values.as_slice(), &device).reshape([1, 3, rows, width])
    };
    let flow = |rows: usize| {
        let [first, second] = [0, 2].map(|shift| raft.encode(frame(shift, rows)));
        raft.flows(&[(&first, &second)], 2, CorrelationForm::Volume)
    };
    let small = flow(height);
    assert_eq!(small.dims(), [1, 2, height, width]);
    let error = relative_error(small, flow(128).narrow(2, 0, height));
    assert!(error < 1e-6, "relative error {error:.2e}");
}
