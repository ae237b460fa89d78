//! What the element adds to the engine: `cargo run --release -p propainter-tests --example
//! overhead`. The same frames through a session, and through the element to a fakesink; the two
//! take turns, and the median of their ratios is printed.

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use propainter::{Config, DeviceChoice, Frame, Mask, Model, Session, scenes::Scene};
use propainter_tests::golden::weights_folder;

const TURNS: usize = 5;

fn main() {
    gst::init().expect("GStreamer starts");
    propainter_elements::plugin_register_static().expect("the element registers");
    println!("| engine | size | frames | engine, ms a frame | element, ms a frame | added |");
    println!("|---|---|---|---|---|---|");
    measure(Model::Propagation, (432, 240), 200);
    measure(Model::Propagation, (848, 480), 100);
    if weights_folder().is_some() {
        measure(Model::Propainter, (192, 128), 24);
    }
}

fn config(model: Model, (width, height): (usize, usize)) -> Config {
    Config {
        model,
        weights: weights_folder().map(Into::into),
        device: DeviceChoice::Cpu,
        ..Config::new(width, height)
    }
}

fn measure(model: Model, size @ (width, height): (usize, usize), frames: usize) {
    let scene = Scene::new(width, height, 3);
    let pictures: Vec<Frame> = (0..frames).map(|i| scene.frame(i)).collect();
    let hole = [width / 3, height / 3, width / 4, height / 4];
    engine(model, size, &pictures[..8], hole);
    let mut pairs: Vec<(f64, f64)> = (0..TURNS)
        .map(|_| {
            let alone = engine(model, size, &pictures, hole);
            let within = element(model, size, &pictures, hole);
            let each = |time: Duration| time.as_secs_f64() * 1e3 / frames as f64;
            (each(alone), each(within))
        })
        .collect();
    pairs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let (alone, within) = pairs[TURNS / 2];
    println!(
        "| {model:?} | {width}×{height} | {frames} | {alone:.2} | {within:.2} | {:+.1} % |",
        100.0 * (within / alone - 1.0)
    );
}

/// Opening is in both.
fn engine(model: Model, size: (usize, usize), frames: &[Frame], hole: [usize; 4]) -> Duration {
    let mut mask = Mask::empty(size.0, size.1);
    let [x, y, width, height] = hole;
    mask.add_rectangle(x as i64, y as i64, width as u64, height as u64);
    let start = Instant::now();
    let mut session = Session::open(config(model, size)).expect("the engine opens");
    for frame in frames {
        session.push(frame.clone(), &mask).expect("push");
    }
    session.drain().expect("drain");
    start.elapsed()
}

fn element(model: Model, size: (usize, usize), frames: &[Frame], hole: [usize; 4]) -> Duration {
    let info = VideoInfo::builder(VideoFormat::Rgb, size.0 as u32, size.1 as u32)
        .fps(gst::Fraction::new(25, 1))
        .build()
        .expect("a valid size");
    let stride = info.stride()[0] as usize;
    assert_eq!(stride, 3 * size.0, "no padding");
    let buffers = frames.iter().enumerate().map(|(i, frame)| {
        let mut buffer = gst::Buffer::from_mut_slice(frame.rgb().to_vec());
        let timed = buffer.get_mut().expect("a new buffer");
        timed.set_pts(gst::ClockTime::from_mseconds(40) * i as u64);
        buffer
    });
    let buffers: Vec<_> = buffers.collect();
    let [x, y, w, h] = hole;
    let name = match model {
        Model::Propainter => "propainter",
        _ => "propagation",
    };
    let pipeline = gst::parse::launch(&format!(
        "propainter name=inpaint model={name} device=cpu mode=reference late-policy=wait \
         mask-regions=<<{x},{y},{w},{h}>> ! fakesink sync=false"
    ));
    let pipeline: gst::Pipeline = pipeline
        .expect("a valid line")
        .downcast()
        .expect("a pipeline");
    let element = pipeline.by_name("inpaint").expect("it was named");
    if let Some(weights) = weights_folder() {
        element.set_property("weights", weights.to_str().expect("UTF-8"));
    }
    let source = gst::Pad::new(gst::PadDirection::Src);
    source.set_active(true).expect("active");
    let sink = element.static_pad("sink").expect("a sink pad");
    // It belongs to no bin.
    source
        .link_full(&sink, gst::PadLinkCheck::empty())
        .expect("linked");
    let caps = info.to_caps().expect("valid caps");
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let start = Instant::now();
    pipeline.set_state(gst::State::Playing).expect("playing");
    source.push_event(gst::event::StreamStart::new("bench"));
    source.push_event(gst::event::Caps::new(&caps));
    source.push_event(gst::event::Segment::new(&segment));
    for buffer in buffers {
        source.push(buffer).expect("taken");
    }
    source.push_event(gst::event::Eos::new());
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().expect("a pipeline has one");
    let end = bus.timed_pop_filtered(None, &kinds).expect("an end");
    let time = start.elapsed();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).expect("stopped");
    time
}
