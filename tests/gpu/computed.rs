//! What the CUDA path computes, on the virtual GPU: it runs the PTX of every kernel.

use std::{env, process::Command};

use burn::tensor::Tensor;
use propainter::{
    Config, DType, DeviceChoice, InpaintedFrame, Mode, Model, Precision, Session,
    internals::{kernels::correlation::CorrelationForm, networks::raft::Raft, synthetic::Scene},
    weights::Network,
};
use propainter_tests::{
    e2e::psnr_in_holes,
    golden::{Vectors, checkpoint, device, relative_error, weights_folder},
    virtual_gpu::virtual_gpu,
};
use virtual_gpu::harness;

/// Runs the tests whose names hold one of `tests` on a virtual GPU of this architecture that computes.
/// They may skip none.
///
/// # Panics
/// A test fails there, or none runs.
fn compute(tests: &[&str], architecture: &str) {
    let output = Command::new(env::current_exe().expect("a running test"))
        .args(tests)
        .args(["--nocapture", "--test-threads", "2"])
        .env("LD_LIBRARY_PATH", harness::folder())
        .env("PROPAINTER_TEST_DEVICE", "cuda:0")
        .env("VIRTUAL_GPU_MODE", "compute")
        .env("VIRTUAL_GPU_SM", architecture)
        .output()
        .expect("the tests run");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    println!("{text}");
    assert!(output.status.success(), "sm_{architecture}");
    assert!(!text.contains(" 0 passed"), "no test is of {tests:?}");
}

#[test]
fn kernels_compute_what_their_reference_forms_do() {
    compute(&["gpu::kernels::"], "86");
}

#[test]
#[ignore = "long: make gpu-test"]
fn raft_computes_its_golden_vectors() {
    compute(&["goldens::raft::"], "86");
}

#[test]
#[ignore = "long: make gpu-test"]
fn flow_completion_computes_its_golden_vectors() {
    compute(
        &["goldens::flow_completion::", "goldens::image_propagation"],
        "86",
    );
}

#[test]
#[ignore = "long: make gpu-test"]
fn the_generator_computes_its_golden_vectors() {
    compute(&["goldens::generator::"], "86");
}

#[test]
#[ignore = "long: make gpu-test"]
fn a_clip_computes_its_golden_frames() {
    compute(&["e2e::default_windows"], "86");
}

#[test]
#[ignore = "long: make gpu-test"]
fn networks_in_fewer_bits_stay_near_their_golden_vectors() {
    compute(&["goldens::precision::"], "86");
}

const COMPUTE: (&str, &str) = ("VIRTUAL_GPU_MODE", "compute");

/// Returns the lengths of flows, `[1, 2, H, W]`.
fn lengths(flow: Tensor<4>) -> Vec<f32> {
    let data = flow.into_data().try_into_vec::<f32>().expect("floats");
    let (x, y) = data.split_at(data.len() / 2);
    x.iter().zip(y).map(|(x, y)| x.hypot(*y)).collect()
}

/// Optical flow in TF32 on the golden pairs: relative error 2e-3, and a hundredth of a pixel.
#[test]
#[ignore = "long: make gpu-test"]
fn optical_flow_in_tf32_stays_near_its_golden_vectors() {
    let test = "gpu::computed::optical_flow_in_tf32_stays_near_its_golden_vectors";
    if !virtual_gpu(test, &[COMPUTE]) {
        return;
    }
    let Some(checkpoint) = checkpoint(Network::Raft) else {
        return;
    };
    let device = device();
    for dtype in [DType::F32, DType::Tf32] {
        let raft = Raft::init(&checkpoint.clone().at(dtype), &device);
        for name in ["raft", "raft_odd"] {
            let Some(vectors) = Vectors::open(name) else {
                return;
            };
            let [first, second] =
                ["image1", "image2"].map(|key| raft.encode(vectors.tensor::<4>(key, &device)));
            let flow = raft.flows(&[(&first, &second)], 20, CorrelationForm::Volume);
            let golden = vectors.tensor::<4>("flow_forward", &device);
            let [apart, length] = [flow.clone() - golden.clone(), golden.clone()].map(lengths);
            let mean = |lengths: &[f32]| lengths.iter().sum::<f32>() / lengths.len() as f32;
            let (mean, length) = (mean(&apart), mean(&length));
            let most = apart.into_iter().fold(0.0, f32::max);
            let error = relative_error(flow, golden);
            println!(
                "{name} {dtype:?}: relative error {error:.2e}; of {length:.2} pixels \
                 {mean:.2e} on average, {most:.2e} at most"
            );
            let (bound, pixels) = match dtype {
                DType::F32 => (1e-4, 1e-3),
                _ => (2e-3, 1e-2),
            };
            assert!(error <= bound && most <= pixels, "{name} {dtype:?}");
            assert!(dtype == DType::F32 || error > 1e-5, "TF32 was not used");
        }
    }
}

const FRAMES: usize = 6;

/// Runs a clip that moves through a session and returns its frames.
fn inpainted(device: DeviceChoice, precision: Precision) -> Option<Vec<InpaintedFrame>> {
    let mut config = Config {
        model: Model::Propainter,
        mode: Mode::Reference,
        weights: Some(weights_folder()?.to_owned()),
        device,
        neighbor_length: 4,
        ref_stride: 2,
        raft_iterations: 2,
        ..Config::new(64, 48)
    };
    config.limits.precision = precision;
    let scene = Scene::new(config.width, config.height, 3);
    let mut session = Session::open(config).expect("the session opens");
    let mut out = Vec::new();
    for t in 0..FRAMES {
        let done = session.push(scene.frame(t), &scene.mask(t));
        out.extend(done.expect("the frame is taken"));
    }
    out.extend(session.drain().expect("the rest comes out"));
    assert_eq!(out.len(), FRAMES);
    Some(out)
}

/// What differs between two runs of a clip.
struct Apart {
    /// The mean difference of samples, of 255.
    mean: f64,
    /// The share of samples that differ by more than 2.
    far: f64,
    /// PSNR in the holes.
    psnr: f64,
}

/// Compares the clip of the virtual GPU in this precision with that of the CPU in 32 bits.
fn apart(precision: Precision) -> Option<Apart> {
    let expected = inpainted(DeviceChoice::Cpu, Precision::Fp32)?;
    let out = inpainted(DeviceChoice::Cuda(0), precision)?;
    let [samples, expected] = [&out, &expected].map(|frames| {
        let bytes = frames.iter().flat_map(|done| done.frame.rgb());
        bytes.copied().collect::<Vec<u8>>()
    });
    let differences = samples.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b));
    let (mut sum, mut far) = (0.0, 0.0);
    for difference in differences {
        sum += f64::from(difference);
        far += f64::from(u8::from(difference > 2));
    }
    let count = expected.len() as f64;
    let (mean, far) = (sum / count, far / count);
    let psnr = psnr_in_holes(&out, &expected);
    println!("{precision}: mean difference {mean:.4}, more than 2 {far:.2e}, {psnr:.1} dB");
    Some(Apart { mean, far, psnr })
}

/// In 32 bits, as near as the CPU is to the official frames.
#[test]
fn a_clip_computes_the_frames_of_the_cpu() {
    let test = "gpu::computed::a_clip_computes_the_frames_of_the_cpu";
    if !virtual_gpu(test, &[COMPUTE]) {
        return;
    }
    let Some(apart) = apart(Precision::Fp32) else {
        return;
    };
    assert!(apart.mean <= 0.05, "{}", apart.mean);
    assert!(apart.far <= 0.001, "{}", apart.far);
}

#[test]
#[ignore = "long: make gpu-test"]
fn a_clip_in_fewer_bits_stays_near_the_frames_of_the_cpu() {
    let test = "gpu::computed::a_clip_in_fewer_bits_stays_near_the_frames_of_the_cpu";
    if !virtual_gpu(test, &[COMPUTE]) {
        return;
    }
    for (precision, least) in [
        (Precision::Tf32, 50.0),
        (Precision::Fp16, 50.0),
        (Precision::Bf16, 42.0),
    ] {
        let Some(Apart { psnr, .. }) = apart(precision) else {
            return;
        };
        assert!(psnr >= least, "{precision}: {psnr:.1} dB");
        assert!(psnr.is_finite(), "{precision} was not used");
    }
}
