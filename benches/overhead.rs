//! What the element adds to the engine: `cargo run --release -p propainter-tests --example
//! overhead`. The same frames through a session, and through the element to a fakesink; the two
//! take turns, and medians are printed: how much more time passes, how much more all threads
//! compute, and what of that the threads of the element's pads compute, which do nothing else.

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_video::{VideoConverter, VideoFormat, VideoFrame, VideoInfo};
use propainter::{Config, DeviceChoice, Frame, Mask, Model, Session, internals::synthetic::Scene};
use propainter_tests::golden::weights_folder;

const TURNS: usize = 9;

fn main() {
    gst::init().expect("GStreamer starts");
    propainter_elements::plugin_register_static().expect("the element registers");
    println!(
        "| engine | frames | engine, ms a frame | time added | computing added | by the pads |"
    );
    println!("|---|---|---|---|---|---|");
    measure(Model::Propagation, VideoFormat::Rgb, (432, 240), 200);
    measure(Model::Propagation, VideoFormat::Rgb, (848, 480), 100);
    measure(Model::Propagation, VideoFormat::I420, (848, 480), 100);
    measure(Model::Propagation, VideoFormat::I420, (1920, 1080), 30);
    if weights_folder().is_some() {
        measure(Model::Propainter, VideoFormat::I420, (192, 128), 12);
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

fn measure(
    model: Model,
    format: VideoFormat,
    size @ (width, height): (usize, usize),
    frames: usize,
) {
    let scene = Scene::new(width, height, 3);
    let images = (0..frames).map(|i| scene.frame(i));
    let images: Vec<_> = images
        .map(|frame| SourceImage::new(&frame, format))
        .collect();
    let hole = [width / 3, height / 3, width / 4, height / 4];
    engine(model, size, &images[..8], hole);
    let turns: Vec<[Took; 2]> = (0..TURNS)
        .map(|_| {
            let alone = engine(model, size, &images, hole);
            [alone, element(model, format, size, &images, hole)]
        })
        .collect();
    let median = |number: &dyn Fn(&[Took; 2]) -> f64| {
        let mut numbers: Vec<f64> = turns.iter().map(number).collect();
        numbers.sort_by(f64::total_cmp);
        numbers[TURNS / 2]
    };
    let alone = median(&|[alone, _]| alone.passed.as_secs_f64() * 1e3 / frames as f64);
    let added = |time: fn(&Took) -> Duration| {
        let ratio = median(&|turn| {
            let [alone, within] = turn.each_ref().map(|took| time(took).as_secs_f64());
            within / alone
        });
        100.0 * (ratio - 1.0)
    };
    let pads = median(&|[alone, within]| within.pads.div_duration_f64(alone.computed));
    println!(
        "| {model:?} | {frames} of {width}×{height}, {format} | {alone:.2} | {:+.1} % | {:+.1} % | {:.1} % |",
        added(|took| took.passed),
        added(|took| took.computed),
        100.0 * pads
    );
}

/// An image in a stream's format, and as the engine gets it.
struct SourceImage {
    stored: Vec<u8>,
    rgb: Frame,
}

impl SourceImage {
    fn new(frame: &Frame, format: VideoFormat) -> Self {
        let size = (frame.width(), frame.height());
        let convert = |bytes: Vec<u8>, from, to| {
            let (from, to) = (info(from, size), info(to, size));
            let converter = VideoConverter::new(&from, &to, None).expect("both are known");
            let buffer = gst::Buffer::from_mut_slice(bytes);
            let image = VideoFrame::from_buffer_readable(buffer, &from).expect("an image");
            let buffer = gst::Buffer::from_mut_slice(vec![0; to.size()]);
            let mut out = VideoFrame::from_buffer_writable(buffer, &to).expect("an image");
            converter.frame(&image, &mut out);
            let buffer = out.into_buffer();
            buffer.map_readable().expect("memory").to_vec()
        };
        let rgb = VideoFormat::Rgb;
        assert_eq!(
            info(rgb, size).stride()[0] as usize,
            3 * size.0,
            "no padding"
        );
        let stored = convert(frame.rgb().to_vec(), rgb, format);
        let back = convert(stored.clone(), format, rgb);
        Self {
            stored,
            rgb: Frame::new(size.0, size.1, back),
        }
    }
}

fn info(format: VideoFormat, size: (usize, usize)) -> VideoInfo {
    let info = VideoInfo::builder(format, size.0 as u32, size.1 as u32);
    let info = info.fps(gst::Fraction::new(25, 1)).build();
    info.expect("a valid size")
}

/// What a run took.
struct Took {
    passed: Duration,
    /// By all threads together.
    computed: Duration,
    /// By the threads of the element's pads.
    pads: Duration,
}

impl Took {
    fn by(run: impl FnOnce()) -> Self {
        let (start, before, pads) = (Instant::now(), computed(), by_pads());
        run();
        Self {
            passed: start.elapsed(),
            computed: computed() - before,
            pads: by_pads() - pads,
        }
    }
}

/// What this process has computed, by Linux in hundredths of a second, its own and the kernel's
/// for it.
fn computed() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let times = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: u64 = times
        .map(|ticks| ticks.parse::<u64>().expect("ticks"))
        .sum();
    Duration::from_millis(10 * ticks)
}

/// Opening is in both.
fn engine(model: Model, size: (usize, usize), images: &[SourceImage], hole: [usize; 4]) -> Took {
    let mut mask = Mask::empty(size.0, size.1);
    let [x, y, width, height] = hole;
    mask.add_rectangle(x as i64, y as i64, width as u64, height as u64);
    Took::by(|| {
        let mut session = Session::open(config(model, size)).expect("the engine opens");
        for image in images {
            session.push(image.rgb.clone(), &mask).expect("push");
        }
        session.drain().expect("drain");
    })
}

/// What this thread, which pushes, and the source pad's have computed.
fn by_pads() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let times = tasks.filter_map(|task| {
        let task = task.ok()?.path();
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        let pushes = task.file_name()?.to_str()? == std::process::id().to_string();
        let times = std::fs::read_to_string(task.join("schedstat")).ok()?;
        let time: u64 = times.split_ascii_whitespace().next()?.parse().ok()?;
        (pushes || name.trim_end() == "inpaint:src").then_some(time)
    });
    Duration::from_nanos(times.sum())
}

fn element(
    model: Model,
    format: VideoFormat,
    size: (usize, usize),
    images: &[SourceImage],
    hole: [usize; 4],
) -> Took {
    let buffers = images.iter().enumerate().map(|(i, image)| {
        let mut buffer = gst::Buffer::from_mut_slice(image.stored.clone());
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
    let caps = info(format, size).to_caps().expect("valid caps");
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let took = Took::by(|| {
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
        assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    });
    pipeline.set_state(gst::State::Null).expect("stopped");
    took
}
