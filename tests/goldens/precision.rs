//! Flow completion and the generator in 16 bits, and on a GPU in TF32, against the same networks in 32
//! bits, at every stage and at the end.

use burn::tensor::{DType as TensorDType, Device, Tensor};
use propainter::{
    Cancel, DType,
    internals::networks::{
        flow_completion::{EncoderContext, FlowCompletion},
        generator::{
            Generator,
            attention::DeviceAttentionPlan,
            attention_plan::BlockScope,
            token_grid::{TokenGrid, mask_tokens},
        },
    },
    weights::Network,
};
use propainter_tests::golden::{Vectors, checkpoint, device, relative_error};

use super::generator::Window;

/// The results of a run, by name.
type Stages = Vec<(String, Tensor<4>)>;

/// The largest relative error of a stage in fp16; 1.3e-3 was measured.
const STAGE: f64 = 2e-3;
/// The same for completed flows; 1.6e-3 was measured.
const FLOW: f64 = 2.5e-3;
/// The factor for bf16, which has three bits less.
const COARSER: f64 = 8.0;

/// Returns the types to compare. The CPU has no TF32.
fn types() -> Vec<DType> {
    let tf32 = (device() != Device::flex()).then_some(DType::Tf32);
    tf32.into_iter().chain([DType::F16, DType::Bf16]).collect()
}

/// Fails unless each stage of `rounded` has the type `dtype`, and differs from the stage in 32 bits
/// by more than 0 and no more than allowed.
fn compare(dtype: DType, rounded: Stages, full: &Stages) {
    assert_eq!(rounded.len(), full.len());
    let mut failed = Vec::new();
    for ((name, out), (_, reference)) in rounded.into_iter().zip(full) {
        assert_eq!(reference.dtype(), TensorDType::F32, "{name}");
        assert_eq!(out.dtype(), dtype.tensor_dtype(), "{name}");
        let error = relative_error(out.cast(TensorDType::F32), reference.clone());
        println!("{dtype:?} {name}: relative error {error:.2e}");
        let bound = if name == "flow" { FLOW } else { STAGE };
        let bound = match dtype {
            DType::Bf16 => COARSER * bound,
            _ => bound,
        };
        if error == 0.0 || error > bound {
            failed.push(format!("{name}: {error:.2e}"));
        }
    }
    assert!(failed.is_empty(), "{dtype:?}: {failed:?}");
}

#[test]
fn flow_completion_in_fewer_bits_stays_near_at_every_stage() {
    let device = device();
    let (Some(vectors), Some(checkpoint)) = (
        Vectors::open("flow_completion"),
        checkpoint(Network::FlowCompletion),
    ) else {
        return;
    };
    let get = |key: &str| vectors.tensor::<5>(key, &device).squeeze_dim::<4>(0);
    let run = |dtype: DType| -> Stages {
        let network = FlowCompletion::init(&checkpoint.clone().at(dtype), &device);
        let flows = get("flow_forward").cast(dtype.tensor_dtype());
        let masks = get("masks").cast(dtype.tensor_dtype());
        let masks = masks.narrow(0, 0, flows.dims()[0]);
        let known = flows.clone() * (-masks.clone() + 1.0);
        let small = network.downsample(Tensor::cat(vec![known, masks.clone()], 1));
        let whole = |part: Option<Tensor<4>>| part.expect("a whole video");
        let encode =
            |x: &Tensor<4>| network.encode1(x.clone(), &mut EncoderContext::default(), true);
        let fine = whole(encode(&small));
        let coarse = whole(network.encode2(fine.clone(), &mut EncoderContext::default(), true));
        let dilated = network.dilate(coarse.clone());
        let propagated = network
            .propagate(dilated.clone())
            .expect("the CPU does not fail");
        let decoded2 = network.decoder.quarter(propagated.clone());
        let decoded1 = network.decoder.half(decoded2.clone() + fine.clone());
        let stages = [
            ("downsample", small),
            ("encode1", fine),
            ("encode2", coarse),
            ("dilate", dilated),
            ("propagate", propagated),
            ("decode2", decoded2),
            ("decode1", decoded1),
            (
                "flow",
                network
                    .predict_whole(flows, masks)
                    .expect("the CPU does not fail"),
            ),
        ];
        stages.map(|(name, x)| (name.to_owned(), x)).into()
    };
    let full = run(DType::F32);
    for dtype in types() {
        compare(dtype, run(dtype), &full);
    }
}

/// Encodes, propagates, splits, runs every block over all frames and composes, then the whole
/// generator: its output comes last.
fn generate(generator: &Generator, window: &Window) -> Stages {
    let mut stages = Stages::new();
    let mut keep = |name: &str, x: &Tensor<4>| stages.push((name.to_owned(), x.clone()));
    let features = window.encode(generator);
    let [_, _, height, width] = features.dims();
    let size = [height, width];
    keep("encode", &features);
    let quarter_scale = window.quarter_scale();
    let local = features.clone().narrow(0, 0, window.locals).split(1, 0);
    let local = generator
        .propagation
        .forward(local, &quarter_scale, &Cancel::default())
        .expect("nobody cancels");
    keep("propagate", &local);
    let references = window.length - window.locals;
    let references = features.narrow(0, window.locals, references);
    let features = Tensor::cat(vec![local, references], 0);
    let mut tokens = generator.split.forward(features);
    keep("split", &tokens);
    let masked = mask_tokens(&quarter_scale.mask_pixels, size);
    for (i, block) in generator.transformer.blocks.iter().enumerate() {
        let grid = TokenGrid::over(size);
        let scope = BlockScope {
            frames: window.length,
            queries: (0..window.length).collect(),
            tokens: grid.whole(),
            keys: (i % 2..window.length).step_by(2).collect(),
        };
        let plan = DeviceAttentionPlan::new(grid, &scope, &masked, &device());
        tokens = block.forward(tokens, size, &plan);
        keep(&format!("block{i}"), &tokens);
    }
    keep("compose", &generator.composition.forward(tokens, size));
    let input = window.input(generator);
    let out = super::generator::generate(generator, input, &Cancel::default());
    keep("frames", &out.expect("nobody cancels"));
    stages
}

/// PSNR in dB of frames in [−1, 1], where `masks` is 1.
fn psnr(out: &Tensor<4>, reference: &Tensor<4>, masks: &Tensor<4>) -> f64 {
    let difference = out.clone().cast(TensorDType::F32) - reference.clone();
    let squares = (difference.clone() * difference * masks.clone()).sum();
    let count = 3.0 * masks.clone().sum().into_scalar::<f32>();
    let mean = f64::from(squares.into_scalar::<f32>() / count);
    10.0 * (4.0 / mean).log10()
}

#[test]
fn the_generator_in_fewer_bits_stays_near_at_every_stage() {
    let Some(checkpoint) = checkpoint(Network::Generator) else {
        return;
    };
    let names = ["generator", "generator_exact"];
    let run = |dtype: DType| -> Option<Vec<(Window, Stages)>> {
        let generator = Generator::init(&checkpoint.clone().at(dtype), &device());
        let runs = names.iter().map(|name| {
            let mut window = Window::read(&Vectors::open(name)?);
            window.dtype = dtype.tensor_dtype();
            let stages = generate(&generator, &window);
            Some((window, stages))
        });
        runs.collect()
    };
    let Some(full) = run(DType::F32) else {
        return;
    };
    for dtype in types() {
        // Measured on the CPU: 70.1 and 53.4 dB.
        let least = if dtype == DType::Bf16 { 48.0 } else { 65.0 };
        for ((window, rounded), (_, full)) in run(dtype).into_iter().flatten().zip(&full) {
            let last = full.len() - 1;
            let (out, reference) = (&rounded[last].1, &full[last].1);
            let masks = window.masks.clone().narrow(0, 0, window.locals);
            let everywhere = psnr(out, reference, &masks.ones_like());
            let inside = psnr(out, reference, &masks);
            println!("{dtype:?}: {everywhere:.1} dB, inside the masks {inside:.1} dB");
            assert!(everywhere.min(inside) >= least, "{dtype:?}: {inside}");
            compare(dtype, rounded, full);
        }
    }
}
