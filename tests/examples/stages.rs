//! `make bench`: seconds and peak resident bytes of each stage, 12 frames at 432×240,
//! default settings, generated weights, on the CPU. Prints the table of BENCHMARKS.md.

use std::{error::Error, time::Instant};

use burn::tensor::{Device, Tensor, TensorData};
use propainter::{
    Cancel,
    kernels::correlation::CorrelationForm,
    networks::{
        flow_completion::FlowCompletion,
        generator::{Generator, GeneratorInput, Guides},
        image_propagation::propagate,
        kept::Place,
        pace::Strips,
        raft::Raft,
    },
    weights::Network,
};
use propainter_tests::golden::checkpoint;
use propainter_tools::memory::{peak_resident, reset_peak};

const WIDTH: usize = 432;
const HEIGHT: usize = 240;
const FRAMES: usize = 12;
const RAFT_ITERATIONS: usize = 20;
/// Local frames of the window in the middle of a stream: neighbour length 10.
const LOCAL: usize = 11;

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::flex();
    let checkpoint = |network| checkpoint(network).ok_or("the golden weights table is missing");
    let raft = Raft::init(&checkpoint(Network::Raft)?, &device);
    let completion = FlowCompletion::init(&checkpoint(Network::FlowCompletion)?, &device);
    let generator = Generator::init(&checkpoint(Network::Generator)?, &device);
    println!("| stage | s per frame | peak resident MB |\n|---|---|---|");

    // A warm-up at full size, so that thread pools and pages are there.
    let pictures: Vec<Tensor<4>> = (0..FRAMES).map(|t| picture(t, &device)).collect();
    raft.encode(pictures[0].clone());

    let mut total = 0.0;
    let mut stage = |name: &str, frames: usize, run: &mut dyn FnMut()| {
        reset_peak();
        let start = Instant::now();
        run();
        let seconds = start.elapsed().as_secs_f64() / frames as f64;
        total += seconds;
        let peak = peak_resident().map_or(f64::NAN, |bytes| bytes as f64 / 1e6);
        println!("| {name} | {seconds:.3} | {peak:.0} |");
    };

    let mut features = Vec::new();
    stage("RAFT, features and context", FRAMES, &mut || {
        features = pictures.iter().map(|p| raft.encode(p.clone())).collect();
    });
    let mut flows = Vec::new();
    stage("RAFT, 20 iterations both ways", FRAMES - 1, &mut || {
        let pairs = features.windows(2);
        flows = pairs
            .map(|pair| {
                let both = [(&pair[0], &pair[1]), (&pair[1], &pair[0])];
                let flows = raft.flows(&both, RAFT_ITERATIONS, CorrelationForm::Volume);
                (flows.clone().narrow(0, 0, 1), flows.narrow(0, 1, 1))
            })
            .collect();
    });
    let (forward, backward): (Vec<_>, Vec<_>) = flows.into_iter().unzip();
    let (forward, backward) = (Tensor::cat(forward, 0), Tensor::cat(backward, 0));
    let masks = masks(&device);
    let mut completed = (forward.clone(), backward.clone());
    stage("flow completion", FRAMES, &mut || {
        let flows = completion.complete(forward.clone(), backward.clone(), masks.clone());
        completed = flows.expect("the CPU does not fail");
    });
    let at = |x: &Tensor<4>, t: usize| x.clone().narrow(0, t, 1);
    let mut propagated = Vec::new();
    stage("image propagation", FRAMES, &mut || {
        let mut output = |_, picture, missing| {
            propagated.push((picture, missing));
            Ok(())
        };
        propagate(
            FRAMES,
            Place::Device,
            &Cancel::default(),
            &|t| (pictures[t].clone(), at(&masks, t)),
            &|t| (at(&completed.0, t), at(&completed.1, t)),
            &mut output,
        )
        .expect("nobody cancels");
    });
    let mut encoded = Vec::new();
    stage("generator, encoder", FRAMES, &mut || {
        let frames = propagated.iter().enumerate();
        encoded = frames
            .map(|(t, (picture, missing))| {
                generator.encode(
                    picture.clone(),
                    at(&masks, t),
                    missing.clone(),
                    Strips::default(),
                )
            })
            .collect();
    });
    let first = |x: &Tensor<4>, count| x.clone().narrow(0, 0, count);
    let missing = propagated.iter().map(|(_, missing)| missing.clone());
    let guides = Guides::new(
        first(&masks, LOCAL),
        Tensor::cat(missing.take(LOCAL).collect(), 0),
        Some((
            first(&completed.0, LOCAL - 1),
            first(&completed.1, LOCAL - 1),
        )),
    );
    let mut input = Some(GeneratorInput {
        features: Tensor::cat(encoded[..LOCAL].to_vec(), 0),
        references: Some(generator.tokens(encoded[LOCAL].clone())),
        guides,
    });
    // A window of 11 local frames and a reference comes every 5 frames.
    stage("generator, window", LOCAL / 2, &mut || {
        let input = input.take().expect("one run");
        generator
            .forward(input, Strips::default(), &Cancel::default(), &mut |_, _| {
                Ok(())
            })
            .expect("nobody cancels");
    });
    println!("| together | {total:.3} | |");
    Ok(())
}

/// A panning pattern, `[1, 3, H, W]` in [−1, 1].
fn picture(t: usize, device: &Device) -> Tensor<4> {
    let data = (0..3 * HEIGHT * WIDTH).map(|i| {
        let (channel, y, x) = (i / (HEIGHT * WIDTH), i / WIDTH % HEIGHT, i % WIDTH);
        let (x, y) = ((x + 3 * t) as f32, (y + t) as f32);
        ((x * 0.13).sin() + (y * 0.17 + channel as f32).cos() + (x * y * 0.002).sin()) / 3.0
    });
    Tensor::from_data(
        TensorData::new(data.collect(), [1, 3, HEIGHT, WIDTH]),
        device,
    )
}

/// A still hole over a quarter of the picture, `[FRAMES, 1, H, W]`.
fn masks(device: &Device) -> Tensor<4> {
    let plane = (0..HEIGHT * WIDTH).map(|p| {
        let (y, x) = (p / WIDTH, p % WIDTH);
        let inside = (60..180).contains(&y) && (108..324).contains(&x);
        f32::from(u8::from(inside))
    });
    let plane: Vec<f32> = plane.collect();
    let shape = [FRAMES, 1, HEIGHT, WIDTH];
    Tensor::from_data(TensorData::new(plane.repeat(FRAMES), shape), device)
}
