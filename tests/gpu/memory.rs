//! The byte model of a GPU against what the virtual GPU's driver was asked for. Nothing is computed.
//!
//! By hand, with `--include-ignored --nocapture`: `MEMORY_TRACE=1` prints the driver's peak at every
//! frame, `MEMORY_ONLY=432F160` runs one setting (width, number type, tenth), and `MEMORY_PARTS=4` opens
//! the pools with pages of a quarter of the plan's working memory.

use burn::tensor::Device;
use propainter::{
    Config, DType, DeviceChoice, Limits, Mask, Mode, Model, Precision, Session,
    internals::{
        kernels::pools::Pools,
        memory::planning::{
            bytes::{ByteModel, Gpu as GpuSizes, Machine},
            planner::{Planner, QualityLevel},
        },
        schedule::WindowParams,
        synthetic::Scene,
    },
    memory::{Degradation, Faults, MeterKind, Stage, Usage},
};
use propainter_tests::{golden::weights_folder, virtual_gpu::virtual_gpu};
use virtual_gpu::{client::Gpu, counters::Counts};

/// Bytes of the virtual GPU's context.
const CONTEXT: u64 = 350 << 20;

/// Size; sub-video, neighbour length and reference stride; frames; number type; which of the plans,
/// counted from the fastest in tenths of all.
type Setting = ([usize; 2], [usize; 3], usize, DType, usize);

const SMALL: [Setting; 6] = [
    ([432, 240], [16, 10, 10], 18, DType::F16, 0),
    ([432, 240], [16, 10, 10], 18, DType::F32, 0),
    ([432, 240], [16, 10, 10], 18, DType::F16, 5),
    ([432, 240], [16, 10, 10], 18, DType::F16, 10),
    ([640, 480], [12, 10, 10], 13, DType::F16, 0),
    ([640, 480], [12, 10, 10], 13, DType::F16, 10),
];

const LARGE: [Setting; 5] = [
    ([1280, 720], [12, 10, 10], 13, DType::F16, 0),
    ([1280, 720], [12, 10, 10], 13, DType::F32, 0),
    ([1280, 720], [12, 10, 10], 13, DType::F16, 10),
    ([1920, 1080], [12, 10, 10], 13, DType::F16, 0),
    ([1920, 1080], [12, 10, 10], 13, DType::F16, 10),
];

/// Runs a stream of frames that are all hole, and returns the session's figures and the driver's.
fn stream(config: &Config, frames: usize, gpu: &Gpu) -> (Usage, Counts) {
    let (width, height) = (config.width, config.height);
    let mut session = Session::open(config.clone()).expect("the session opens");
    let mut mask = Mask::empty(width, height);
    mask.add_rectangle(0, 0, width as u64, height as u64);
    let scene = Scene::new(width, height, 3);
    let mut done = 0;
    for t in 0..frames {
        let finals = session.push(scene.frame(t), &mask);
        done += finals.expect("the frame is taken").len();
        if std::env::var_os("MEMORY_TRACE").is_some() {
            println!(
                "  push {t}: peak {:.1} now {:.1}",
                gpu.counts().peak_bytes as f64 / 1e6,
                gpu.counts().bytes as f64 / 1e6
            );
            gpu.reset_peak();
        }
    }
    done += session.drain().expect("the rest comes out").len();
    if std::env::var_os("MEMORY_TRACE").is_some() {
        println!(
            "  drain: peak {:.1} now {:.1}",
            gpu.counts().peak_bytes as f64 / 1e6,
            gpu.counts().bytes as f64 / 1e6
        );
    }
    assert_eq!(done, frames);
    let usage = session.stats().memory;
    assert_eq!((usage.out_of_memory, usage.meter), (0, MeterKind::Pools));
    (usage, gpu.counts())
}

#[test]
#[ignore = "long: make gpu-test"]
fn the_model_is_near_what_the_driver_is_asked_for_and_never_below() {
    let test = "gpu::memory::the_model_is_near_what_the_driver_is_asked_for_and_never_below";
    if virtual_gpu(test, &[("VIRTUAL_GPU_MEMORY_MIB", "24576")]) {
        assert_near(&SMALL);
    }
}

#[test]
#[ignore = "long: make gpu-test"]
fn the_model_is_near_at_large_sizes() {
    let test = "gpu::memory::the_model_is_near_at_large_sizes";
    if virtual_gpu(test, &[("VIRTUAL_GPU_MEMORY_MIB", "24576")]) {
        assert_near(&LARGE);
    }
}

fn assert_near(settings: &[Setting]) {
    let Some(weights) = weights_folder() else {
        return;
    };
    let gpu = Gpu::find(0).expect("the virtual GPU");
    let device = Device::cuda(0);
    let pools = Pools::of(&device).expect("a CubeCL device");
    let machine = Machine::Gpu(GpuSizes {
        context: CONTEXT,
        largest: pools.largest_allocation(),
    });
    println!(
        "| setting | counted MB | model MB | above | largest counted MB | largest by the model MB |"
    );
    println!("|---|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for &([width, height], [v, n, r], frames, numbers, tenth) in settings {
        if std::env::var("MEMORY_ONLY")
            .is_ok_and(|only| only != format!("{width}{numbers:?}{tenth}"))
        {
            continue;
        }
        device.memory_cleanup();
        gpu.reset_counts();
        let windows = WindowParams {
            subvideo_length: v,
            neighbor_length: n,
            ref_stride: r,
            lookahead: None,
        };
        let level = QualityLevel {
            windows,
            size: (width, height),
            numbers,
            downgrades: Vec::new(),
        };
        let planner = Planner::new(machine, (width, height), level.clone(), Degradation::NONE);
        let ladder = planner.ladder(&level);
        let plan = ladder[(ladder.len() - 1) * tenth / 10].0;
        let model = ByteModel::new(machine, [width, height], windows, Some(frames));
        let needs = model.needs(&plan, numbers);
        let config = Config {
            model: Model::Propainter,
            weights: Some(weights.to_owned()),
            device: DeviceChoice::Cuda(0),
            raft_iterations: 1,
            subvideo_length: v,
            neighbor_length: n,
            ref_stride: r,
            mode: Mode::Reference,
            scene_cuts: false,
            mask_dilation: 0,
            limits: Limits {
                precision: match numbers {
                    DType::F32 => Precision::Fp32,
                    DType::Tf32 => Precision::Tf32,
                    DType::F16 => Precision::Fp16,
                    DType::Bf16 => Precision::Bf16,
                },
                allow_degradation: Degradation::NONE,
                faults: Faults::force_plan(plan),
                ..Limits::default()
            },
            ..Config::new(width, height)
        };
        let (usage, counts) = pools.without_pools(|| stream(&config, frames, &gpu));
        let exact = counts.peak_bytes + CONTEXT;
        device.memory_cleanup();
        gpu.reset_counts();
        let working = needs.device() - needs.loading;
        if let Ok(parts) = std::env::var("MEMORY_PARTS") {
            let parts: u64 = parts.parse().unwrap();
            pools.open_page((working / parts).max(needs.largest));
        }
        println!(
            "exact {:.0} working {:.0} largest {:.0}/{:.0}",
            exact as f64 / 1e6,
            working as f64 / 1e6,
            counts.largest_allocation as f64 / 1e6,
            needs.largest as f64 / 1e6
        );
        let (usage_pools, counts_pools) = stream(&config, frames, &gpu);
        let _ = (usage_pools, &usage);
        println!(
            "exact {} pools {}",
            exact / 1_000_000,
            (counts_pools.peak_bytes + CONTEXT) / 1_000_000
        );
        let counts = counts_pools;
        let counted = counts.peak_bytes + CONTEXT;
        let modelled = needs.device();
        let above = (modelled as f64 / counted as f64 - 1.0) * 100.0;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let setting =
            format!("{width}x{height}, {v}/{n}/{r}, {frames} frames, {numbers:?}, {plan}");
        println!(
            "| {setting} | {:.0} | {:.0} | {above:.1} % | {:.0} | {:.0} |",
            mb(counted),
            mb(modelled),
            mb(counts.largest_allocation),
            mb(needs.largest),
        );
        for (stage, (&pools, &modelled)) in Stage::ALL
            .iter()
            .zip(usage.stages.iter().zip(&needs.stages))
        {
            println!(
                "  {stage}: {:.0} by the meter, {:.0} by the model",
                mb(pools),
                mb(modelled)
            );
        }
        if !(0.0..=15.0).contains(&above) {
            wrong.push(format!("{setting}: {above:.1} %"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
