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

/// A counted peak, and what the byte model says in its place.
struct Peak {
    what: String,
    counted: u64,
    planned: u64,
}

impl Peak {
    /// Fails unless the model is above each peak by at most 15 %.
    fn assert_near(peaks: &[Self]) {
        let ratio = |peak: &Self| peak.planned as f64 / peak.counted as f64;
        for peak in peaks {
            println!(
                "{}: planned {:.3} of what was counted",
                peak.what,
                ratio(peak)
            );
        }
        let wrong = peaks
            .iter()
            .filter(|peak| !(1.0..=1.15).contains(&ratio(peak)));
        let wrong: Vec<_> = wrong.map(|peak| &peak.what).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// Sets a counted peak beside that of the byte model.
fn beside_the_model(
    network: Network,
    [width, height, local, references]: [usize; 4],
    numbers: DType,
    segments: Segments,
    counted: u64,
) -> Peak {
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
    Peak {
        what: format!("{numbers:?}, {segments}: {} MiB", counted / MIB),
        counted,
        planned,
    }
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
        println!("{} MiB of gradients", gradients / MIB);
        beside_the_model(Network::Generator, [120, 64, 5, 3], numbers, segments, peak)
    };
    // Threads get their working memory at their first work.
    step(DType::F32, Segments::NONE);
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
    let some = choices.map(|segments| step(DType::F32, segments));
    for peak in &some {
        assert!(peak.counted < kept.counted, "{}", peak.what);
    }
    let all = step(DType::F32, Segments::ALL);
    assert!(2 * all.counted < kept.counted, "{}", all.what);
    let bits = [Segments::ALL, Segments::NONE].map(|segments| step(DType::Bf16, segments));
    let peaks: Vec<_> = [kept, all].into_iter().chain(some).chain(bits).collect();
    Peak::assert_near(&peaks);
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
        let sizes = [216, 120, 10, 0];
        beside_the_model(Network::FlowCompletion, sizes, DType::F32, segments, peak)
    };
    let peaks = [Segments::NONE, Segments::ALL].map(step);
    let [kept, all] = &peaks;
    assert!(2 * all.counted < kept.counted, "{}", all.what);
    Peak::assert_near(&peaks);
}
