//! `make bench`: seconds and peak bytes of each stage of the networks, 12 frames, default settings,
//! generated weights. Prints the tables of BENCHMARKS.md.
//!
//! ```text
//! stages [--device cpu|cuda:N] [--sizes 432x240,640x480,1280x720,1920x1080]
//!        [--precisions fp32,fp16] [--from-features] [--once]
//! ```
//!
//! Without arguments: the CPU, 432x240, fp32. The peak is the device's: by the driver on a GPU, of
//! what is resident on the CPU. `start` is what the first run of all stages takes longer than the
//! second: kernels are compiled then. The operations are those of the layers, and the bytes those of all
//! tensors that a launch on a GPU reads or writes.

use std::{error::Error, ops::Range, time::Instant};

use burn::tensor::{Device, Tensor, TensorData};
use clap::Parser;
use propainter::{
    Cancel, DType, DeviceChoice, Rect,
    internals::{
        kernels::{
            correlation::CorrelationForm,
            flops::{counted, counted_bytes},
            pools::Pools,
            upcast::upcast,
        },
        memory::meter::Meter,
        networks::{
            flow_completion::FlowCompletion,
            generator::{Generator, GeneratorInput, QuarterScaleInputs},
            image_propagation::propagate,
            raft::Raft,
            stored::Placement,
            strips::Strips,
        },
        self_test::launches::Launches,
    },
    weights::Network,
};
use propainter_cli::memory::{peak_resident, reset_peak};
use propainter_tests::golden::checkpoint;

const FRAMES: usize = 12;
const RAFT_ITERATIONS: usize = 20;
/// Local frames of the window in the middle of a stream: neighbour length 10.
const LOCAL: usize = 11;

#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    #[arg(long, value_delimiter = ',', default_value = "432x240")]
    sizes: Vec<String>,
    #[arg(long, value_delimiter = ',', default_value = "fp32")]
    precisions: Vec<String>,
    /// Looks correlation up from features: no volume, which is 11 GB both ways at 1920x1080.
    #[arg(long)]
    from_features: bool,
    /// Runs all stages once, not first to start what has to be started.
    #[arg(long)]
    once: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    // Before the device, whose own context counts, too.
    let meter = Meter::open(options.device);
    let device = options.device.open()?;
    if let Some(pools) = Pools::of(&device) {
        meter.attach(move || pools.reserved());
    }
    println!(
        "| size | precision | stage | s per frame | peak MB | GFLOP per frame | MB per frame | launches per frame |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for precision in &options.precisions {
        let numbers = match &precision[..] {
            "fp32" => DType::F32,
            "fp16" => DType::F16,
            "bf16" => DType::Bf16,
            "tf32" => DType::Tf32,
            other => return Err(format!("{other} is none of fp32, tf32, fp16, bf16").into()),
        };
        let networks = Networks::read(numbers, &device)?;
        for size in &options.sizes {
            let sides = size.split_once('x').ok_or("a size is WIDTHxHEIGHT")?;
            let (width, height): (usize, usize) = (sides.0.parse()?, sides.1.parse()?);
            let bench = Bench {
                networks: &networks,
                width,
                height,
                device: &device,
                meter: &meter,
                correlation: match options.from_features {
                    true => CorrelationForm::Features,
                    false => CorrelationForm::Volume,
                },
            };
            let sum = |stages: &[Stage]| stages.iter().map(|stage| stage.seconds).sum::<f64>();
            // The first run starts what has to be started.
            let first = match options.once {
                true => None,
                false => Some(sum(&bench.run()?)),
            };
            let stages = bench.run()?;
            let together = sum(&stages);
            for Stage {
                name,
                seconds,
                peak,
                work: [flops, bytes, launches],
            } in &stages
            {
                let [peak, bytes] = [*peak as f64, *bytes].map(|bytes| bytes / 1e6);
                let flops = flops / 1e9;
                println!(
                    "| {width}×{height} | {precision} | {name} | {seconds:.3} | {peak:.0} | \
                     {flops:.1} | {bytes:.0} | {launches:.0} |"
                );
            }
            println!("| {width}×{height} | {precision} | together | {together:.3} | | | | |");
            if let Some(first) = first {
                let start = (first - together) * FRAMES as f64;
                println!("| {width}×{height} | {precision} | start, once | {start:.1} s | | | | |");
            }
        }
    }
    Ok(())
}

/// Where the hole is, along a side of the image.
fn middle(side: usize) -> Range<usize> {
    side / 4..3 * side / 4
}

struct Networks {
    raft: Raft,
    completion: FlowCompletion,
    generator: Generator,
    numbers: DType,
}

impl Networks {
    fn read(numbers: DType, device: &Device) -> Result<Self, Box<dyn Error>> {
        let read = |network| checkpoint(network).ok_or("the golden weights table is missing");
        let completion = read(Network::FlowCompletion)?.at(numbers);
        let generator = read(Network::Generator)?.at(numbers);
        // Optical flow is in 32 bits.
        let raft = match numbers {
            DType::Tf32 => numbers,
            _ => DType::F32,
        };
        Ok(Self {
            raft: Raft::init(&read(Network::Raft)?.at(raft), device),
            completion: FlowCompletion::init(&completion, device),
            generator: Generator::init(&generator, device),
            numbers,
        })
    }
}

struct Stage {
    name: &'static str,
    /// For a frame.
    seconds: f64,
    peak: u64,
    /// Operations, bytes and launches for a frame.
    work: [f64; 3],
}

struct Bench<'a> {
    networks: &'a Networks,
    width: usize,
    height: usize,
    device: &'a Device,
    meter: &'a Meter,
    correlation: CorrelationForm,
}

impl Bench<'_> {
    fn run(&self) -> Result<Vec<Stage>, Box<dyn Error>> {
        let Networks {
            raft,
            completion,
            generator,
            numbers,
        } = self.networks;
        let cast = |x: Tensor<4>| x.cast(numbers.tensor_dtype());
        let mut stages = Vec::new();
        let mut stage = |name, frames: usize, run: &mut dyn FnMut()| {
            reset_peak();
            let launches = Launches::watch();
            let start = Instant::now();
            let ((_, flops), bytes) = counted_bytes(|| counted(&mut *run));
            // A GPU works on by itself until it is asked.
            let done = self.device.sync();
            let seconds = start.elapsed().as_secs_f64() / frames as f64;
            let on_card = *self.device != Device::flex();
            let resident = peak_resident().filter(|_| !on_card);
            stages.push(Stage {
                name,
                seconds,
                peak: resident.unwrap_or_else(|| self.meter.most()),
                work: [flops, bytes, launches.count()].map(|work| work as f64 / frames as f64),
            });
            done.map_err(|error| format!("{name}: {error:?}"))
        };

        let images: Vec<Tensor<4>> = (0..FRAMES).map(|t| self.image(t)).collect();
        let mut features = Vec::new();
        stage("RAFT, features and context", FRAMES, &mut || {
            features = images.iter().map(|p| raft.encode(p.clone())).collect();
        })?;
        let mut flows = Vec::new();
        stage("RAFT, 20 iterations both ways", FRAMES - 1, &mut || {
            let pairs = features.windows(2);
            flows = pairs
                .map(|pair| {
                    let both = [(&pair[0], &pair[1]), (&pair[1], &pair[0])];
                    let flows = raft.flows(&both, RAFT_ITERATIONS, self.correlation);
                    (flows.clone().narrow(0, 0, 1), flows.narrow(0, 1, 1))
                })
                .collect();
        })?;
        let (forward, backward): (Vec<_>, Vec<_>) = flows.into_iter().unzip();
        let (forward, backward) = (Tensor::cat(forward, 0), Tensor::cat(backward, 0));
        let masks = self.masks();
        let mut completed = (forward.clone(), backward.clone());
        stage("flow completion", FRAMES, &mut || {
            let (forward, backward) = (cast(forward.clone()), cast(backward.clone()));
            let flows = completion.complete(forward, backward, cast(masks.clone()));
            let (forward, backward) = flows.expect("nobody cancels");
            completed = (upcast(forward), upcast(backward));
        })?;
        let at = |x: &Tensor<4>, t: usize| x.clone().narrow(0, t, 1);
        let mut propagated = Vec::new();
        stage("image propagation", FRAMES, &mut || {
            let mut output = |_, image, missing| {
                propagated.push((image, missing));
                Ok(())
            };
            propagate(
                FRAMES,
                Placement::Device,
                &Cancel::default(),
                &|t| {
                    let mask = at(&masks, t);
                    (images[t].clone() * (-mask.clone() + 1.0), mask)
                },
                &|t| (at(&completed.0, t), at(&completed.1, t)),
                &mut output,
            )
            .expect("nobody cancels");
        })?;
        let mut encoded = Vec::new();
        stage("generator, encoder", FRAMES, &mut || {
            let frames = propagated.iter().enumerate();
            encoded = frames
                .map(|(t, (image, missing))| {
                    let (image, missing) = (cast(image.clone()), cast(missing.clone()));
                    generator.encode(image, cast(at(&masks, t)), missing, Strips::default())
                })
                .collect();
        })?;
        let first = |x: &Tensor<4>, count| x.clone().narrow(0, 0, count);
        let missing = propagated.iter().map(|(_, missing)| missing.clone());
        let quarter_scale = QuarterScaleInputs::new(
            first(&masks, LOCAL),
            Tensor::cat(missing.take(LOCAL).collect(), 0),
            Some((
                first(&completed.0, LOCAL - 1),
                first(&completed.1, LOCAL - 1),
            )),
        )?;
        let mut input = Some(GeneratorInput {
            features: encoded[..LOCAL].to_vec(),
            references: vec![generator.tokens(encoded[LOCAL].clone())],
            quarter_scale,
            wanted: vec![Rect::new([self.height, self.width].map(middle)); LOCAL],
        });
        // A window of 11 local frames and a reference comes every 5 frames.
        stage("generator, window", LOCAL / 2, &mut || {
            let input = input.take().expect("one run");
            generator
                .forward(
                    input,
                    Strips::default(),
                    &Cancel::default(),
                    &mut |_| Ok(()),
                )
                .expect("nobody cancels");
        })?;
        Ok(stages)
    }

    /// A panning pattern, `[1, 3, H, W]` in [−1, 1].
    fn image(&self, t: usize) -> Tensor<4> {
        let (width, height) = (self.width, self.height);
        let data = (0..3 * height * width).map(|i| {
            let (channel, y, x) = (i / (height * width), i / width % height, i % width);
            let (x, y) = ((x + 3 * t) as f32, (y + t) as f32);
            ((x * 0.13).sin() + (y * 0.17 + channel as f32).cos() + (x * y * 0.002).sin()) / 3.0
        });
        let data = TensorData::new(data.collect(), [1, 3, height, width]);
        Tensor::from_data(data, self.device)
    }

    /// A still hole over a quarter of the image, `[FRAMES, 1, H, W]`.
    fn masks(&self) -> Tensor<4> {
        let (width, height) = (self.width, self.height);
        let (rows, columns) = (middle(height), middle(width));
        let plane = (0..height * width).map(|p| {
            let inside = rows.contains(&(p / width)) && columns.contains(&(p % width));
            f32::from(u8::from(inside))
        });
        let plane: Vec<f32> = plane.collect();
        let shape = [FRAMES, 1, height, width];
        Tensor::from_data(TensorData::new(plane.repeat(FRAMES), shape), self.device)
    }
}
