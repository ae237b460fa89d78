//! Milliseconds of the networks' typical layers: our CPU kernels, their reference forms on the same
//! device, and PyTorch where it is installed:
//!
//!     cargo run --release -p propainter-tests --example kernels -- [PYTHON]
//!
//! `PYTHON` is an interpreter that has PyTorch; `benches/compare_pytorch.py` runs in it.
//! `RAYON_NUM_THREADS` sets the threads of all three.

use std::{
    env,
    error::Error,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use burn::tensor::{Device, Distribution, Tensor, module};
use propainter::Rect;
use propainter::internals::kernels::{
    attention::{attention, attention_reference},
    conv::{Activation, ConvGeometry, PackedConv, conv2d_reference},
    deform_conv::{PackedDeformConv, SamplingPoints, deform_conv_reference},
    linear::PackedLinear,
    upsample::{upsample2x, upsample2x_reference},
    warp::{Sampling, warp, warp_reference},
};
use serde_json::{Value, json};

/// Runs of each operation; the best one counts, so that a busy machine disturbs little.
const RUNS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let mut lines: Vec<Line> = convolutions();
    lines.extend(linears());
    lines.extend(others());
    let pytorch = env::args().nth(1).map(|python| pytorch(&python, &lines));
    let pytorch = pytorch.transpose()?;
    println!("| layer | reference form ms | ours ms | PyTorch ms |\n|---|---|---|---|");
    for line in &lines {
        let theirs = pytorch
            .as_ref()
            .and_then(|table| table[&line.name].as_f64());
        let theirs = theirs.map_or("–".to_owned(), |ms| format!("{ms:.2}"));
        let [reference, ours] = line.milliseconds;
        println!("| {} | {reference:.2} | {ours:.2} | {theirs} |", line.name);
    }
    Ok(())
}

/// One operation: its times, and what PyTorch needs to know to do the same.
struct Line {
    name: String,
    shape: Value,
    /// The reference form's and ours.
    milliseconds: [f64; 2],
}

impl Line {
    fn new(
        name: &str,
        mut shape: Value,
        mut reference: impl FnMut() -> Tensor<4>,
        mut ours: impl FnMut() -> Tensor<4>,
    ) -> Self {
        shape["name"] = json!(name);
        let milliseconds = [best(&mut reference), best(&mut ours)];
        Self {
            name: name.to_owned(),
            shape,
            milliseconds,
        }
    }
}

fn best(run: &mut dyn FnMut() -> Tensor<4>) -> f64 {
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        drop(run());
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min) * 1e3
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn convolutions() -> Vec<Line> {
    let k3 = ConvGeometry::default();
    let layers = [
        (
            "RAFT stem 7×7 s2",
            [1, 3, 240, 432],
            [64, 3, 7, 7],
            ConvGeometry::padding(3, 3).stride(2),
        ),
        ("RAFT 3×3 64→64", [1, 64, 120, 216], [64, 64, 3, 3], k3),
        (
            "RAFT 1×1 324→256",
            [2, 324, 30, 54],
            [256, 324, 1, 1],
            ConvGeometry::padding(0, 0),
        ),
        ("RAFT 3×3 256→192", [2, 256, 30, 54], [192, 256, 3, 3], k3),
        (
            "RAFT GRU 1×5 384→128",
            [2, 384, 30, 54],
            [128, 384, 1, 5],
            ConvGeometry::padding(0, 2),
        ),
        (
            "RAFT GRU 5×1 384→128",
            [2, 384, 30, 54],
            [128, 384, 5, 1],
            ConvGeometry::padding(2, 0),
        ),
        (
            "RAFT flow head 3×3 256→2",
            [2, 256, 30, 54],
            [2, 256, 3, 3],
            k3,
        ),
        (
            "completion 3×3 32→32",
            [11, 32, 120, 216],
            [32, 32, 3, 3],
            k3,
        ),
        (
            "completion 3×3 64→128 s2",
            [11, 64, 60, 108],
            [128, 64, 3, 3],
            k3.stride(2),
        ),
        (
            "completion 3×1 d2 128→128",
            [1, 128, 11, 30 * 54],
            [128, 128, 3, 1],
            ConvGeometry {
                dilation: [2, 1],
                ..ConvGeometry::padding(2, 0)
            },
        ),
        (
            "completion 3×3 d3 128→128",
            [11, 128, 30, 54],
            [128, 128, 3, 3],
            ConvGeometry::padding(3, 3).dilation(3),
        ),
        (
            "offsets 3×3 128→432",
            [1, 128, 60, 108],
            [432, 128, 3, 3],
            k3,
        ),
        (
            "encoder 3×3 256→384",
            [1, 256, 60, 108],
            [384, 256, 3, 3],
            k3,
        ),
        (
            "encoder 3×3 640→512 g2",
            [1, 640, 60, 108],
            [512, 320, 3, 3],
            k3.groups(2),
        ),
        (
            "encoder 3×3 768→384 g4",
            [1, 768, 60, 108],
            [384, 192, 3, 3],
            k3.groups(4),
        ),
        (
            "encoder 3×3 640→256 g8",
            [1, 640, 60, 108],
            [256, 80, 3, 3],
            k3.groups(8),
        ),
        (
            "3×3 128→128, 10 frames",
            [10, 128, 60, 108],
            [128, 128, 3, 3],
            k3,
        ),
        ("decoder 3×3 64→64", [2, 64, 240, 432], [64, 64, 3, 3], k3),
        ("decoder 3×3 64→3", [2, 64, 240, 432], [3, 64, 3, 3], k3),
    ];
    let line = |(name, x, weight, geometry): (&str, [usize; 4], [usize; 4], ConvGeometry)| {
        let shape = json!({
            "kind": "conv", "x": x, "weight": weight, "stride": geometry.stride,
            "padding": geometry.padding, "dilation": geometry.dilation, "groups": geometry.groups,
        });
        let (x, weight, bias) = (random(x), random(weight), random([weight[0]]));
        let packed = PackedConv::new(&weight, &bias, geometry).expect("tensors of the CPU");
        let act = Activation::Relu;
        let reference = || conv2d_reference(x.clone(), weight.clone(), bias.clone(), geometry, act);
        Line::new(name, shape, reference, || packed.apply(&x, act))
    };
    layers.map(line).into()
}

fn linears() -> Vec<Line> {
    let layers = [
        ("linear 512→512", [8640, 512, 512]),
        ("linear 512→1960", [8640, 512, 1960]),
        ("linear 1960→512", [8640, 1960, 512]),
        ("linear 6272→512", [8640, 6272, 512]),
        ("linear 512→6272", [8640, 512, 6272]),
    ];
    let line = |(name, [rows, inputs, outputs]): (&str, [usize; 3])| {
        let x: Tensor<4> = random([1, 1, rows, inputs]);
        let (weight, bias) = (random([inputs, outputs]), random([outputs]));
        let packed = PackedLinear::new(&weight, &bias).expect("tensors of the CPU");
        let shape = json!({ "kind": "linear", "x": [rows, inputs, outputs] });
        let reference = || module::linear(x.clone(), weight.clone(), Some(bias.clone()));
        Line::new(name, shape, reference, || packed.apply(&x))
    };
    layers.map(line).into()
}

fn others() -> Vec<Line> {
    let attentions = [
        ("attention, masked windows", [16, 540, 1428, 128]),
        ("attention, other windows", [768, 45, 45, 128]),
    ];
    let mut lines: Vec<Line> = Vec::new();
    for (name, shape @ [batch, queries, keys, features]) in attentions {
        let q = random([batch, queries, features]);
        let (k, v) = (
            random([batch, keys, features]),
            random([batch, keys, features]),
        );
        let run = |form: fn(Tensor<3>, Tensor<3>, Tensor<3>, f64) -> Tensor<3>| {
            form(q.clone(), k.clone(), v.clone(), 0.088).unsqueeze()
        };
        let shape = json!({ "kind": "attention", "x": shape });
        lines.push(Line::new(
            name,
            shape,
            || run(attention_reference),
            || run(attention),
        ));
    }
    let deformed = [
        ("deformable, generator", [128, 60, 108]),
        ("deformable, completion", [256, 30, 54]),
    ];
    for (name, shape @ [channels, height, width]) in deformed {
        let x: Tensor<4> = random([1, channels, height, width]);
        let points = SamplingPoints::Learned {
            raw: random([1, 432, height, width]),
            limit: 3.0,
            flow: None,
        };
        let (weight, bias) = (random([128, channels, 3, 3]), random([128]));
        let packed = PackedDeformConv::new(&weight, &bias, 16).expect("tensors of the CPU");
        let reference = || {
            let (offset, modulation) = points.clone().resolve();
            deform_conv_reference(x.clone(), offset, modulation, weight.clone(), bias.clone())
        };
        let shape = json!({ "kind": "deform", "x": shape });
        lines.push(Line::new(name, shape, reference, || {
            packed.apply(&x, &points)
        }));
    }
    let shape = [2, 64, 120, 216];
    let x: Tensor<4> = random(shape);
    let [_, _, height, width] = x.dims();
    let (held, size) = (Rect::whole([height, width]), [height, width]);
    let all = Rect::whole([2 * height, 2 * width]);
    let reference = || upsample2x_reference(x.clone(), &held, size, &all);
    let ours = || upsample2x(x.clone(), &held, size, &all);
    let shape = json!({ "kind": "upsample", "x": shape });
    lines.push(Line::new(
        "upsample ×2, 64 channels",
        shape,
        reference,
        ours,
    ));
    let shape = [1, 128, 60, 108];
    let (x, flow): (Tensor<4>, Tensor<4>) = (random(shape), random([1, 2, 60, 108]));
    let reference = || warp_reference(x.clone(), flow.clone(), Sampling::Bilinear);
    let ours = || warp(x.clone(), flow.clone(), Sampling::Bilinear);
    let shape = json!({ "kind": "warp", "x": shape });
    lines.push(Line::new("warp, 128 channels", shape, reference, ours));
    lines
}

/// PyTorch's times of the same operations, by name.
fn pytorch(python: &str, lines: &[Line]) -> Result<Value, Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/compare_pytorch.py");
    let threads = env::var("RAYON_NUM_THREADS")
        .or_else(|_| thread::available_parallelism().map(|count| count.to_string()))?;
    let mut child = Command::new(python)
        .arg(script)
        .args(["--json", "--shapes", "-", "--threads", &threads])
        .args(["--repeat", &RUNS.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let shapes: Vec<&Value> = lines.iter().map(|line| &line.shape).collect();
    let mut input = child.stdin.take().ok_or("no way to write to Python")?;
    input.write_all(json!(shapes).to_string().as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{python} failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
