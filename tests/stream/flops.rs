//! Counts the floating-point operations of the networks for a frame of a long stream.

use std::{collections::BTreeSet, ops::Range};

use burn::tensor::{Device, Tensor};
use propainter::{
    Cancel, Mask, Rect,
    internals::{
        kernels::{correlation::CorrelationForm, flops::counted},
        networks::{
            flow_completion::{ChunkSize, FlowCompletion, Video},
            generator::{Flows, Generator, GeneratorInput, QuarterScaleInputs},
            raft::Raft,
            strips::Strips,
        },
        schedule::{Schedule, Segment, Task, Window, WindowParams},
    },
    weights::Network,
};
use propainter_cli::advise::speed::work::Work;
use propainter_tests::golden::checkpoint;

/// Width and height that BENCHMARKS.md has figures for.
const SIZE: [usize; 2] = [432, 240];
/// The official defaults.
const CUT: WindowParams = WindowParams {
    subvideo_length: 80,
    neighbor_length: 10,
    ref_stride: 10,
    lookahead: None,
};

/// Operations per frame of a long stream, in 10⁹, by stage.
#[derive(Debug, Default)]
struct Flops {
    flow: f64,
    completion: f64,
    encoder: f64,
    generator: f64,
}

impl Flops {
    fn total(&self) -> f64 {
        self.flow + self.completion + self.encoder + self.generator
    }
}

fn zeros<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::zeros(shape, &Device::flex())
}

fn billions(work: impl FnOnce()) -> f64 {
    counted(work).1 as f64 / 1e9
}

/// Returns a hole in the middle that covers a share of the frame, in the shape of the frame.
fn hole([across, down]: [usize; 2], share: f64) -> Mask {
    let side = share.sqrt();
    let (width, height) = (across as f64 * side, down as f64 * side);
    let mut mask = Mask::empty(across, down);
    let (x, y) = ((across as f64 - width) / 2.0, (down as f64 - height) / 2.0);
    mask.add_rectangle(x as i64, y as i64, width as u64, height as u64);
    mask
}

/// Returns the windows of ten frames in the middle of a long stream.
fn windows() -> Vec<Window> {
    let mut schedule = Schedule::new(CUT);
    let mut windows = vec![];
    for _ in 0..400 {
        schedule.push();
        while let Some(task) = schedule.next_task() {
            if let Task::Generate(window) = task {
                windows.push(window);
            }
        }
    }
    let middle = windows
        .iter()
        .filter(|w| (195..205).contains(&w.neighbours.start));
    middle.cloned().collect()
}

/// Returns the operations for completing a flow in both directions. A chunk runs over 90 flows and
/// keeps the 80 in the middle.
fn complete(completion: &FlowCompletion, mask: &Mask) -> f64 {
    let chunk = |flows: usize, kept: Range<usize>| {
        let wanted = |t| match kept.contains(&t) {
            true => mask.bounding_box(),
            false => Rect::default(),
        };
        let video = Video {
            input: &|range| Ok(zeros([range.len(), 3, mask.height(), mask.width()])),
            wanted: &(0..flows).map(wanted).collect::<Vec<_>>(),
            output: &mut |_, _| Ok(()),
        };
        billions(|| {
            let done = completion.predict(video, ChunkSize::default(), &Cancel::default());
            done.expect("nobody cancels");
        })
    };
    let (six, eight) = (chunk(6, 0..6), chunk(8, 0..8));
    let ninety = six + 42.0 * (eight - six);
    let [before, behind] = [2..8, 0..6].map(|kept| (eight - chunk(8, kept)) / 2.0);
    2.0 * (ninety - 5.0 * before - 5.0 * behind) / 80.0
}

/// Returns the operations of a window, which do not depend on the values.
fn window(generator: &Generator, window: &Window, mask: &Mask) -> f64 {
    let (height, width) = (mask.height() / 4, mask.width() / 4);
    let locals = window.neighbours.len();
    let quarters: Vec<f32> = (0..height * width)
        .map(|p| f32::from(mask.hole()[16 * (p / width) * width + 4 * (p % width)]))
        .collect();
    let masks = Tensor::<1>::from_floats(&quarters[..], &Device::flex());
    let masks = masks.reshape([1, 1, height, width]).repeat(&[1, 2, 1, 1]);
    let flow = || zeros([1, 2, height, width]);
    let tokens = generator.tokens(zeros([1, 128, height, width]));
    let references = window.references.len();
    let input = GeneratorInput {
        features: vec![zeros([1, 128, height, width]); locals],
        references: vec![tokens; references],
        quarter_scale: QuarterScaleInputs {
            flows: (1..locals)
                .map(|_| Flows {
                    forward: flow(),
                    backward: flow(),
                })
                .collect(),
            masks: vec![masks; locals],
            mask_pixels: quarters.repeat(locals),
        },
        wanted: vec![mask.bounding_box(); locals],
    };
    billions(|| {
        let (strips, cancel) = (Strips::default(), Cancel::default());
        let done = generator.forward(input, strips, &cancel, &mut |_| Ok(()));
        done.expect("nobody cancels");
    })
}

#[test]
fn a_frame_takes_the_work_that_its_hole_needs() {
    let Some(stages) = stages([216, 120], [0.25, 0.03]) else {
        return;
    };
    let [quarter, small] = stages.map(|flops| {
        assert_context(&flops);
        flops.total()
    });
    assert!(small < quarter, "{small}, {quarter}");
}

/// The model that `propainter advise` computes times from, at another size than its figures are from.
#[test]
fn advice_counts_the_work_of_a_frame_as_the_networks_do() {
    assert_advice([320, 192], [0.05]);
}

#[test]
#[ignore = "long: make soak"]
fn advice_counts_the_work_of_large_holes_as_the_networks_do() {
    assert_advice([320, 192], [0.5]);
    assert_advice([432, 240], [0.1]);
}

fn assert_advice<const N: usize>(size: [usize; 2], shares: [f64; N]) {
    let Some(stages) = stages(size, shares) else {
        return;
    };
    for (share, counted) in shares.into_iter().zip(stages) {
        let counted = counted.total();
        let work = Work::of(size.into(), CUT, 400, share).total() / 400.0 / 1e9;
        let error = (work / counted - 1.0).abs();
        assert!(error < 0.03, "{share}: {work:.0}, counted {counted:.0}");
    }
}

/// Prints the table of BENCHMARKS.md.
#[test]
#[ignore = "long: make soak"]
fn a_frame_takes_less_work_the_smaller_its_hole_is() {
    let Some(stages) = stages(SIZE, [1.0, 0.25, 0.1, 0.03]) else {
        return;
    };
    stages.iter().for_each(assert_context);
    let totals = stages.map(|flops| flops.total());
    assert!(totals[1] <= 777.0, "{totals:?}");
    assert!(totals.is_sorted_by(|more, less| more > less), "{totals:?}");
}

/// Fails if the context of a segment of 2,000 frames within a longer clip takes 15 % or more of the
/// operations for its own frames. The smaller the hole, the larger is the share of the flows, of
/// which the context has most.
fn assert_context(flops: &Flops) {
    let segment = Segment::new(CUT, 20_000, 4_000..6_000);
    let mut schedule = Schedule::of_segment(CUT, &segment);
    let (mut completed, mut windows, mut encoded) = (0, 0, BTreeSet::new());
    for _ in segment.read.clone() {
        schedule.push();
        while let Some(task) = schedule.next_task() {
            match task {
                Task::Complete { keep, .. } => completed += keep.len(),
                Task::Propagate { .. } => {}
                Task::Generate(window) => {
                    windows += 1;
                    encoded.extend(window.neighbours.chain(window.references));
                }
            }
        }
    }
    // A window of the generator makes five frames.
    let took = flops.flow * (segment.read.len() - 1) as f64
        + flops.completion * completed as f64
        + flops.encoder * encoded.len() as f64
        + flops.generator * (5 * windows) as f64;
    let context = took / (flops.total() * segment.keep.len() as f64) - 1.0;
    println!("{segment}: {:.1} % more operations", 100.0 * context);
    assert!((0.0..0.15).contains(&context), "{context}");
}

/// Returns the operations for a frame with holes of these shares, in 10⁹; `None` where the
/// generated weights cannot be made.
fn stages<const N: usize>([width, height]: [usize; 2], shares: [f64; N]) -> Option<[Flops; N]> {
    let [raft, completion, generator] = [
        checkpoint(Network::Raft)?,
        checkpoint(Network::FlowCompletion)?,
        checkpoint(Network::Generator)?,
    ];
    let device = Device::flex();
    let raft = Raft::init(&raft, &device);
    let completion = FlowCompletion::init(&completion, &device);
    let generator = Generator::init(&generator, &device);

    // Features are computed once per frame, flows for each pair in both directions.
    let image = || zeros([1, 3, height, width]);
    let features = raft.encode(image());
    let encoding = billions(|| _ = raft.encode(image()));
    let iterations = |count| {
        let both = [(&features, &features), (&features, &features)];
        billions(|| _ = raft.flows(&both, count, CorrelationForm::Volume))
    };
    let (one, two) = (iterations(1), iterations(2));
    let flow = encoding + one + 19.0 * (two - one);

    let windows = windows();
    assert_eq!(windows.len(), 2, "a window every five frames");
    let strips = Strips::default();
    let plane = || zeros([1, 1, height, width]);
    let encoder = billions(|| _ = generator.encode(image(), plane(), plane(), strips));
    // One frame in ten becomes a reference.
    let tokens = billions(|| _ = generator.tokens(zeros([1, 128, height / 4, width / 4])));
    let flops = |share: f64| {
        let mask = hole([width, height], share);
        let completion = complete(&completion, &mask);
        let both: f64 = windows.iter().map(|w| window(&generator, w, &mask)).sum();
        Flops {
            flow,
            completion,
            encoder: encoder + tokens / 10.0,
            generator: both / 10.0,
        }
    };
    println!("| hole | flow | completion | encoder | generator | together |");
    println!("|---|---|---|---|---|---|");
    Some(shares.map(|share| {
        let flops = flops(share);
        let Flops {
            flow,
            completion,
            encoder,
            generator,
        } = flops;
        let (total, percent) = (flops.total(), 100.0 * share);
        println!(
            "| {percent:.0} % | {flow:.0} | {completion:.0} | {encoder:.0} | {generator:.0} | {total:.0} |"
        );
        flops
    }))
}
