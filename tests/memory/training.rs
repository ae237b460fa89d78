//! What a training step takes, with and without recomputed segments.
//!
//! The peak is counted above the parameters and contains their gradients. The byte model is held to it.

use burn::tensor::{Device, Distribution, Tensor};
use propainter::{
    DType,
    internals::memory::counting::{Counting, Watch},
    weights::Network,
};
use propainter_tests::golden::generated_tensors;
use propainter_training::{
    budget::{Plan, Sizes},
    networks::{Computing, FlowCompletionNet, GeneratorClip, GeneratorNet, state},
    recompute::Segments,
};

use super::turn;

const MIB: u64 = 1 << 20;

/// Runs `work` and returns the most bytes that it had allocated at once.
fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let (watch, before) = (Watch::new(), Counting::live());
    let result = work();
    (result, watch.peak() - before)
}

/// Compares the byte model with a counted peak: at most 15 % above it, and not below.
fn assert_planned(
    network: Network,
    [width, height, local, references]: [usize; 4],
    numbers: DType,
    segments: Segments,
    peak: u64,
) {
    let sizes = Sizes {
        network,
        size: (width, height),
        local,
        references,
        batch: 1,
    };
    let planned = sizes.pass(&Plan {
        at_once: 1,
        computing: Computing { numbers, segments },
    });
    let ratio = planned as f64 / peak as f64;
    println!("  planned {} MiB, {ratio:.3} of that", planned / MIB);
    assert!(
        (1.0..=1.15).contains(&ratio),
        "{numbers:?}, {segments}: {ratio:.3}"
    );
}

fn random<const D: usize>(shape: [usize; D], range: f64) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-range, range), &Device::flex())
}

/// A clip of 5 local and 3 reference frames of 120×64, with a hole in each.
fn clip() -> GeneratorClip {
    let (frames, size) = (8, [64, 120]);
    let masks = Tensor::zeros([frames, 1, size[0], size[1]], &Device::flex());
    let hole = Tensor::ones([frames, 1, 24, 28], &Device::flex());
    let masks = masks.slice_assign([0..frames, 0..1, 16..40, 40..68], hole);
    GeneratorClip {
        updated: random([frames, 3, size[0], size[1]], 1.0),
        updated_masks: masks.clone(),
        masks,
        flows: [(); 2].map(|()| random([4, 2, size[0], size[1]], 3.0)),
    }
}

#[test]
fn recomputed_segments_lower_the_peak_of_a_generator_step() {
    let _turn = turn();
    let Some(tensors) = generated_tensors(Network::Generator) else {
        return;
    };
    let device = Device::flex();
    let parameters = state(Network::Generator, tensors, &device).expect("they fit the layout");
    let clip = clip();
    let step = |numbers, segments| {
        let (elements, peak) = counted(|| {
            let recorded = parameters.record(|_| true);
            let network = GeneratorNet::new(&recorded, &device, Computing { numbers, segments });
            let out = network.forward(clip.clone()).expect("a clip");
            let mut tape = out.powf_scalar(2.0).mean().backward();
            let gradients = recorded.gradients(&mut tape);
            let elements = gradients.iter().map(|(_, gradient)| gradient.dims()[0]);
            elements.sum::<usize>()
        });
        let gradients = 4 * elements as u64;
        println!(
            "{numbers:?}, {segments}: {} MiB, of them {} MiB of gradients",
            peak / MIB,
            gradients / MIB,
        );
        assert_planned(Network::Generator, [120, 64, 5, 3], numbers, segments, peak);
        peak
    };
    let choices = [
        Segments {
            encoder: true,
            ..Segments::NONE
        },
        Segments {
            propagation: true,
            ..Segments::NONE
        },
        Segments {
            transformer: true,
            ..Segments::NONE
        },
        Segments {
            decoder: true,
            ..Segments::NONE
        },
    ];
    let kept = step(DType::F32, Segments::NONE);
    for segments in choices {
        let peak = step(DType::F32, segments);
        assert!(peak < kept, "{segments:?}: {peak} bytes, {kept} without");
    }
    let peak = step(DType::F32, Segments::ALL);
    assert!(2 * peak < kept, "{peak} bytes, {kept} without");
    step(DType::Bf16, Segments::ALL);
    step(DType::Bf16, Segments::NONE);
}

#[test]
fn recomputed_segments_lower_the_peak_of_a_flow_completion_step() {
    let _turn = turn();
    let Some(tensors) = generated_tensors(Network::FlowCompletion) else {
        return;
    };
    let device = Device::flex();
    let parameters = state(Network::FlowCompletion, tensors, &device).expect("they fit the layout");
    let flows = [(); 2].map(|()| random([1, 9, 2, 120, 216], 3.0));
    let masks = Tensor::zeros([1, 10, 1, 120, 216], &device);
    let step = |segments| {
        let (_, peak) = counted(|| {
            let recorded = parameters.record(|_| true);
            let computing = Computing {
                segments,
                ..Computing::default()
            };
            let network = FlowCompletionNet::new(&recorded, &device, computing);
            let out = network.forward(flows.clone(), masks.clone());
            let [forward, backward] = out.flows;
            let [edges, others] = out.edges;
            let sum = (forward * backward).mean() + (edges * others).mean();
            recorded.gradients(&mut sum.backward()).iter().len()
        });
        println!("{segments}: {} MiB", peak / MIB);
        assert_planned(
            Network::FlowCompletion,
            [216, 120, 10, 0],
            DType::F32,
            segments,
            peak,
        );
        peak
    };
    let (kept, peak) = (step(Segments::NONE), step(Segments::ALL));
    assert!(2 * peak < kept, "{peak} bytes, {kept} without");
}
