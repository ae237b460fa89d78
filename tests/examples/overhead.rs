//! What the element adds to the engine: `cargo run --release -p propainter-tests --example
//! overhead`. The same frames through a session, and through the element to a fakesink; the two
//! take turns, and the median of their ratios is printed.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use gst::prelude::*;
use gst_check::Harness;
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
    let hole = hole.map(|side| side as i32);
    let element = gst::ElementFactory::make("propainter")
        .property_from_str(
            "model",
            match model {
                Model::Propainter => "propainter",
                _ => "propagation",
            },
        )
        .property("device", "cpu")
        .property_from_str("mode", "reference")
        .property_from_str("late-policy", "wait")
        .property(
            "mask-regions",
            gst::Array::from_iter([gst::Array::new(hole).to_send_value()]),
        )
        .build()
        .expect("the element exists");
    if let Some(weights) = weights_folder() {
        element.set_property("weights", weights.to_str().expect("UTF-8"));
    }
    let mut harness = Harness::with_element(&element, Some("sink"), None);
    harness.add_sink_parse("fakesink sync=false");
    harness.set_src_caps(info.to_caps().expect("valid caps"));
    let (end, ended) = mpsc::channel();
    let pad = element.static_pad("src").expect("a source pad");
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::PadProbeData::Event(event)) = &info.data
            && event.type_() == gst::EventType::Eos
        {
            let _ = end.send(());
        }
        gst::PadProbeReturn::Ok
    });
    let start = Instant::now();
    harness.play();
    for buffer in buffers {
        harness.push(buffer).expect("taken");
    }
    harness.push_event(gst::event::Eos::new());
    ended.recv().expect("the end of the stream");
    start.elapsed()
}
