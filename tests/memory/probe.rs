//! Temporary.
use burn::tensor::{Device, Distribution, Tensor};
use propainter::{
    DType,
    internals::memory::counting::{Counting, Watch},
    weights::Network,
};
use propainter_tests::golden::generated_tensors;
use propainter_training::{
    networks::{Computing, FlowCompletionNet, GeneratorClip, GeneratorNet, state},
    recompute::Segments,
};
use super::turn;

fn random<const D: usize>(shape: [usize; D], range: f64) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-range, range), &Device::flex())
}

fn subsets() -> Vec<(&'static str, Segments)> {
    let n = Segments::NONE;
    vec![
        ("none", n),
        ("E", Segments { encoder: true, ..n }),
        ("P", Segments { propagation: true, ..n }),
        ("T", Segments { transformer: true, ..n }),
        ("D", Segments { decoder: true, ..n }),
        ("all", Segments::ALL),
        ("-E", Segments { encoder: false, ..Segments::ALL }),
        ("-P", Segments { propagation: false, ..Segments::ALL }),
        ("-T", Segments { transformer: false, ..Segments::ALL }),
        ("-D", Segments { decoder: false, ..Segments::ALL }),
    ]
}

fn numbers() -> DType {
    match std::env::var("NUM").as_deref() {
        Ok("bf16") => DType::Bf16,
        Ok("f16") => DType::F16,
        _ => DType::F32,
    }
}

fn env(name: &str, default: &str) -> Vec<usize> {
    let text = std::env::var(name).unwrap_or(default.to_owned());
    text.split(',').map(|x| x.parse().unwrap()).collect()
}

#[test]
fn probe_generator() {
    let _turn = turn();
    let Some(tensors) = generated_tensors(Network::Generator) else { return };
    let device = Device::flex();
    let parameters = state(Network::Generator, tensors, &device).expect("they fit the layout");
    let v = env("SHAPE", "120,64,5,3");
    let (w, h, l, r) = (v[0], v[1], v[2], v[3]);
    let only = std::env::var("ONLY").ok();
    let t = l + r;
    let masks = Tensor::zeros([t, 1, h, w], &device);
    let hole = Tensor::ones([t, 1, h / 3, w / 3], &device);
    let masks = match std::env::var("FULL") {
        Ok(_) => masks + 1.0,
        _ => masks.slice_assign([0..t, 0..1, h / 4..h / 4 + h / 3, w / 3..w / 3 + w / 3], hole),
    };
    let clip = GeneratorClip {
        updated: random([t, 3, h, w], 1.0),
        updated_masks: masks.clone(),
        masks,
        flows: [(); 2].map(|()| random([l - 1, 2, h, w], 3.0)),
    };
    for (name, segments) in subsets() {
        if only.as_ref().is_some_and(|o| !o.split(',').any(|x| x == name)) { continue; }
        let before = Counting::live();
        let watch = Watch::new();
        let recorded = parameters.record(|_| true);
        let network = GeneratorNet::new(&recorded, &device, Computing { numbers: numbers(), segments });
        let out = network.forward(clip.clone()).expect("a clip");
        let fwd = watch.peak() - before;
        let live = Counting::live() - before;
        watch.restart();
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = done.clone();
        let sampler = std::env::var("TRACE").ok().map(|_| std::thread::spawn(move || {
            let mut all = Vec::new();
            while !seen.load(std::sync::atomic::Ordering::Relaxed) {
                all.push((Counting::live() - before) / 1_000_000);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            all
        }));
        let mut tape = out.powf_scalar(2.0).mean().backward();
        let bwd = watch.peak() - before;
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(sampler) = sampler {
            let all = sampler.join().unwrap();
            let each = all.len().div_ceil(60).max(1);
            let max: Vec<u64> = all.chunks(each).map(|c| *c.iter().max().unwrap()).collect();
            println!("G {name} trace {max:?}");
        }
        let gradients = recorded.gradients(&mut tape);
        drop(tape);
        let after = Counting::live() - before;
        let elements: usize = gradients.iter().map(|(_, g)| g.dims()[0]).sum();
        println!("G {w}x{h} {l}+{r} {:?} {name}: fwd peak {fwd} live {live} bwd peak {bwd} after {after} grads {}", numbers(), 4 * elements);
    }
}

#[test]
fn probe_completion() {
    let _turn = turn();
    let Some(tensors) = generated_tensors(Network::FlowCompletion) else { return };
    let device = Device::flex();
    let parameters = state(Network::FlowCompletion, tensors, &device).expect("they fit the layout");
    let v = env("SHAPE", "120,64,5,1");
    let (w, h, l, b) = (v[0], v[1], v[2], v[3]);
    let only = std::env::var("ONLY").ok();
    let flows = [(); 2].map(|()| random([b, l - 1, 2, h, w], 3.0));
    let masks = Tensor::zeros([b, l, 1, h, w], &device);
    for (name, segments) in subsets() {
        if only.as_ref().is_some_and(|o| !o.split(',').any(|x| x == name)) { continue; }
        let before = Counting::live();
        let watch = Watch::new();
        let recorded = parameters.record(|_| true);
        let network = FlowCompletionNet::new(&recorded, &device, Computing { numbers: numbers(), segments });
        let out = network.forward(flows.clone(), masks.clone());
        let fwd = watch.peak() - before;
        let live = Counting::live() - before;
        watch.restart();
        let [forward, backward] = out.flows;
        let [edges, others] = out.edges;
        let sum = (forward * backward).mean() + (edges * others).mean();
        let mut tape = sum.backward();
        let bwd = watch.peak() - before;
        let gradients = recorded.gradients(&mut tape);
        drop(tape);
        let after = Counting::live() - before;
        let elements: usize = gradients.iter().map(|(_, g)| g.dims()[0]).sum();
        println!("A {w}x{h} {l} b{b} {:?} {name}: fwd peak {fwd} live {live} bwd peak {bwd} after {after} grads {}", numbers(), 4 * elements);
    }
}
