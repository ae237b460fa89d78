//! The byte model of a GPU against what the virtual GPU's driver was asked for. Nothing is computed.

use burn::tensor::Device;
use propainter::{
    Config, DType, DeviceChoice, Limits, Mask, Mode, Model, Precision, Session,
    internals::{
        kernels::pools::Pools,
        memory::budget::{
            bytes::{Gpu as GpuSizes, Machine},
            planner::{Planner, QualityLevel},
        },
        schedule::WindowParams,
        synthetic::Scene,
    },
    memory::{Degradation, Faults, MeterKind},
};
use propainter_tests::{golden::weights_folder, virtual_gpu::each_alone};
use virtual_gpu::client::Gpu;

/// Bytes of the virtual GPU's context.
const CONTEXT: u64 = 350 << 20;

/// The memory of the virtual GPU.
const MEMORY_MIB: u64 = 65536;

/// A stream with one of the plans for it.
struct Case {
    size: [usize; 2],
    numbers: DType,
    mode: Mode,
    frames: usize,
    /// Which of the plans that the device has room for, in tenths of all from the fastest on.
    tenth: usize,
}

const fn case(size: [usize; 2], numbers: DType, tenth: usize) -> Case {
    Case {
        size,
        numbers,
        mode: Mode::Reference,
        frames: 18,
        tenth,
    }
}

const SHORT: [Case; 4] = [
    case([432, 240], DType::F16, 0),
    case([432, 240], DType::F32, 5),
    Case {
        mode: Mode::Sliding,
        frames: 40,
        ..case([432, 240], DType::F16, 10)
    },
    case([640, 480], DType::F16, 0),
];

const LONG: [Case; 12] = [
    case([432, 240], DType::F32, 0),
    Case {
        mode: Mode::Sliding,
        frames: 60,
        ..case([432, 240], DType::F16, 0)
    },
    case([640, 480], DType::F32, 5),
    case([640, 480], DType::F16, 10),
    case([720, 480], DType::F16, 3),
    case([1280, 720], DType::F16, 0),
    Case {
        mode: Mode::Sliding,
        frames: 40,
        ..case([720, 480], DType::F32, 8)
    },
    case([1280, 720], DType::F32, 5),
    case([1280, 720], DType::F16, 10),
    case([1920, 1080], DType::F16, 3),
    case([1920, 1080], DType::F32, 8),
    case([1920, 1080], DType::F16, 10),
];

#[test]
fn the_model_is_near_what_the_driver_is_asked_for_and_never_below() {
    let test = "gpu::memory::the_model_is_near_what_the_driver_is_asked_for_and_never_below";
    table(test, &SHORT);
}

#[test]
#[ignore = "long: make gpu-test"]
fn the_model_is_near_in_further_plans_and_at_large_sizes() {
    let test = "gpu::memory::the_model_is_near_in_further_plans_and_at_large_sizes";
    table(test, &LONG);
}

/// Runs each case in a process of its own, and prints a table of all.
fn table(test: &str, cases: &[Case]) {
    if weights_folder().is_some() {
        println!("| stream | plan | model MB | driver's peak MB | above | host MB |");
        println!("|---|---|---|---|---|---|");
        let memory = MEMORY_MIB.to_string();
        let settings = [("VIRTUAL_GPU_MEMORY_MIB", &memory[..])];
        each_alone(test, &settings, cases, Case::run);
    }
}

impl Case {
    /// Runs the stream, whose frames are all hole, and prints a row of the table.
    fn run(&self) {
        let [width, height] = self.size;
        let windows = WindowParams {
            subvideo_length: 16,
            neighbor_length: 10,
            ref_stride: 10,
            lookahead: (self.mode == Mode::Sliding).then_some(12),
        };
        let level = QualityLevel {
            windows,
            size: (width, height),
            numbers: self.numbers,
            downgrades: Vec::new(),
        };
        let pools = Pools::of(&Device::cuda(0)).expect("a CubeCL device");
        let largest = pools.largest_allocation();
        let machine = Machine::Gpu(GpuSizes {
            context: CONTEXT,
            largest,
            page: 0,
            others: 0,
        });
        let planner = Planner::new(machine, (width, height), level.clone(), Degradation::NONE);
        let mut ladder = planner.ladder(&level);
        ladder.retain(|(_, needs)| needs.device() <= MEMORY_MIB << 20 && needs.largest <= largest);
        let (plan, needs) = ladder[(ladder.len() - 1) * self.tenth / 10];
        let config = Config {
            model: Model::Propainter,
            weights: weights_folder().map(ToOwned::to_owned),
            device: DeviceChoice::Cuda(0),
            raft_iterations: 1,
            subvideo_length: windows.subvideo_length,
            neighbor_length: windows.neighbor_length,
            ref_stride: windows.ref_stride,
            lookahead: windows.lookahead.unwrap_or(12),
            mode: self.mode,
            scene_cuts: false,
            mask_dilation: 0,
            limits: Limits {
                precision: match self.numbers {
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
        let gpu = Gpu::find(0).expect("the virtual GPU");
        self.stream(&config);
        let counted = gpu.counts().peak_bytes + CONTEXT;
        let above = (needs.device() as f64 / counted as f64 - 1.0) * 100.0;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        println!(
            "| {width}×{height} {:?} {:?} | {plan} | {:.0} | {:.0} | {above:.1} % | {:.0} |",
            self.numbers,
            self.mode,
            mb(needs.device()),
            mb(counted),
            mb(needs.host),
        );
        assert!((0.0..=15.0).contains(&above), "{above} %");
    }

    fn stream(&self, config: &Config) {
        let (width, height) = (config.width, config.height);
        let mut session = Session::open(config.clone()).expect("the session opens");
        let mut mask = Mask::empty(width, height);
        mask.add_rectangle(0, 0, width as u64, height as u64);
        let scene = Scene::new(width, height, 3);
        let mut done = 0;
        for t in 0..self.frames {
            let finals = session.push(scene.frame(t), &mask);
            done += finals.expect("the frame is taken").len();
        }
        done += session.drain().expect("the rest comes out").len();
        assert_eq!(done, self.frames);
        let usage = session.stats().memory;
        assert_eq!((usage.out_of_memory, usage.meter), (0, MeterKind::Pools));
        assert!(usage.host_peak <= usage.host_planned, "{usage:?}");
    }
}
