//! The engine without networks live, on contents that cost it differently: `cargo run --release -p
//! propainter-tests --no-default-features --example live -- --seconds 600`. Frames come by the
//! clock, through the element into a sink that shows them by the clock. Prints for each content
//! which frames were late, what they cost, and how near the fill is to the truth.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use clap::Parser;
use gst::{ClockTime, prelude::*};
use gst_video::{VideoConverter, VideoFormat, VideoFrame, VideoInfo};
use propainter::{
    Config, CropMode, Frame, Mode, Model, Session, Tier, TimeLimit,
    internals::synthetic::square_error_in_hole, memory::Faults,
};
use propainter_tests::contents::{Clip, Content};

/// Streams a still logo over generated contents and prints a table.
#[derive(Parser)]
#[command(name = "live")]
struct Arguments {
    /// Seconds of each content
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Frames per second
    #[arg(long, default_value_t = 25)]
    rate: u64,
    #[arg(long, default_value_t = 1920)]
    width: usize,
    #[arg(long, default_value_t = 1080)]
    height: usize,
    /// Different frames, which are shown to and fro
    #[arg(long, default_value_t = 96)]
    frames: usize,
    /// Only this content; may be repeated
    #[arg(long)]
    content: Vec<String>,
    /// Whole frames at full effort, whatever the time
    #[arg(long)]
    before: bool,
    /// What each tier costs and is worth, without a clock: the frames once, through a session
    #[arg(long, conflicts_with = "before")]
    tiers: bool,
    /// Frames that a fill waits for, with --tiers
    #[arg(long, default_value_t = 10)]
    lookahead: usize,
    /// More settings of the element: property=value
    settings: Vec<String>,
}

fn main() {
    let arguments = Arguments::parse();
    gst::init().expect("GStreamer starts");
    propainter_elements::plugin_register_static().expect("the element registers");
    if arguments.tiers {
        return tiers(&arguments);
    }
    println!(
        "| content | late | worst ms | p99 ms | median ms | CPU ms a frame | PSNR dB | worst step | \
         tiers | changes | ended early |\n|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for content in arguments.contents() {
        let images = Images::render(&arguments, content);
        println!("| {} | {} |", content.name(), images.stream(&arguments));
    }
}

impl Arguments {
    fn contents(&self) -> impl Iterator<Item = Content> {
        let wanted = |content: &Content| {
            self.content.is_empty() || self.content.iter().any(|name| name == content.name())
        };
        Content::ALL.into_iter().filter(wanted)
    }
}

/// Prints for each content and tier what a frame costs, and the PSNR of the fill.
fn tiers(arguments: &Arguments) {
    println!("| content | tier | CPU ms a frame | PSNR dB |\n|---|---|---|---|");
    for content in arguments.contents() {
        let clip = Clip::new(content, arguments.width, arguments.height);
        let frames: Vec<Frame> = (0..arguments.frames).map(|i| clip.frame(i)).collect();
        for tier in Tier::ALL {
            let faults = Faults::default();
            faults.set_tier(Some(tier));
            let mut config = Config {
                model: Model::Propagation,
                mode: Mode::Sliding,
                lookahead: arguments.lookahead,
                crop_mode: CropMode::Crops,
                whole: false,
                ..Config::new(arguments.width, arguments.height)
            };
            config.limits.faults = faults;
            let mut session = Session::open(config).expect("the engine opens");
            session.set_time_limit(Some(TimeLimit {
                interval: Duration::from_secs(10),
                left: Duration::from_secs(1000),
            }));
            let input = frames.clone();
            let start = computed(false);
            let mut done = Vec::new();
            for frame in input {
                done.extend(session.push(frame, &clip.hole()).expect("push"));
            }
            done.extend(session.drain().expect("drain"));
            let computed = (computed(false) - start).as_secs_f64() * 1e3 / frames.len() as f64;
            let (mut sum, mut count) = (0, 0);
            for (i, done) in done.iter().enumerate() {
                let (s, n) = square_error_in_hole(&clip.truth(i), &done.frame, &done.hole);
                (sum, count) = (sum + s, count + n);
            }
            let psnr = 10.0 * (255.0 * 255.0 * count as f64 / sum as f64).log10();
            println!(
                "| {} | {} | {computed:.1} | {psnr:.2} |",
                content.name(),
                tier.name()
            );
        }
    }
}

/// A rectangle of luma.
type Luma = Vec<u8>;

/// The frames of a content in the stream's format, and the truth under the logo.
struct Images {
    info: VideoInfo,
    frames: Vec<gst::Buffer>,
    truth: Vec<Luma>,
    logo: [usize; 4],
}

/// What came out at the sink.
#[derive(Default)]
struct Seen {
    /// Time that the session has been busy, as of the frame before.
    busy: u64,
    /// What each frame took.
    times: Vec<f64>,
    square_error: f64,
    pixels: usize,
    last: Option<(Luma, Luma)>,
    /// How much more the hole changed from one frame to the next than the truth, at most, in levels.
    step: f64,
}

impl Images {
    fn render(arguments: &Arguments, content: Content) -> Self {
        let size = (arguments.width, arguments.height);
        let clip = Clip::new(content, size.0, size.1);
        let rate = gst::Fraction::new(arguments.rate as i32, 1);
        let info = |format| {
            let info = VideoInfo::builder(format, size.0 as u32, size.1 as u32);
            info.fps(rate).build().expect("a valid size")
        };
        let (rgb, info) = (info(VideoFormat::Rgb), info(VideoFormat::I420));
        let converter = VideoConverter::new(&rgb, &info, None).expect("both are known");
        let convert = |frame: &Frame| {
            let buffer = gst::Buffer::from_mut_slice(frame.rgb().to_vec());
            let image = VideoFrame::from_buffer_readable(buffer, &rgb).expect("an image");
            let buffer = gst::Buffer::from_mut_slice(vec![0; info.size()]);
            let mut out = VideoFrame::from_buffer_writable(buffer, &info).expect("an image");
            converter.frame(&image, &mut out);
            out.into_buffer()
        };
        let mut images = Self {
            logo: clip.logo(),
            frames: Vec::new(),
            truth: Vec::new(),
            info: info.clone(),
        };
        for index in 0..arguments.frames {
            images.frames.push(convert(&clip.frame(index)));
            let truth = convert(&clip.truth(index));
            images.truth.push(images.under_logo(&truth));
        }
        images
    }

    /// Returns the luma under the logo.
    fn under_logo(&self, buffer: &gst::BufferRef) -> Luma {
        let map = buffer.map_readable().expect("memory");
        let [x, y, width, height] = self.logo;
        let stride = self.info.stride()[0] as usize;
        let rows = map.chunks_exact(stride).skip(y).take(height);
        rows.flat_map(|row| row[x..x + width].to_vec()).collect()
    }

    /// Returns which image frame `index` shows.
    fn image(&self, index: usize) -> usize {
        let last = self.frames.len() - 1;
        let at = index % (2 * last).max(1);
        at.min(2 * last - at)
    }

    /// Notes a frame that came out.
    fn note(&self, seen: &mut Seen, buffer: &gst::BufferRef, busy: u64) {
        let index = buffer.offset() as usize;
        seen.times.push((busy - seen.busy) as f64 / 1e6);
        seen.busy = busy;
        let (fill, truth) = (self.under_logo(buffer), &self.truth[self.image(index)]);
        let squares = fill.iter().zip(truth).map(|(a, b)| {
            let difference = f64::from(a.abs_diff(*b));
            difference * difference
        });
        seen.square_error += squares.sum::<f64>();
        seen.pixels += fill.len();
        let change = |a: &Luma, b: &Luma| {
            let sum: u64 = a
                .iter()
                .zip(b)
                .map(|(a, b)| u64::from(a.abs_diff(*b)))
                .sum();
            sum as f64 / a.len() as f64
        };
        if let Some((last, last_truth)) = &seen.last {
            seen.step = seen
                .step
                .max(change(&fill, last) - change(truth, last_truth));
        }
        seen.last = Some((fill, truth.clone()));
    }

    /// Streams for the seconds wanted, and returns the columns of the table.
    fn stream(self, arguments: &Arguments) -> String {
        let [x, y, width, height] = self.logo;
        let before = match arguments.before {
            true => "crop-mode=off allow-degradation=precision+references+window+resolution",
            false => "",
        };
        let pipeline = gst::parse::launch(&format!(
            "appsrc name=source is-live=true format=time ! propainter name=inpaint \
             model=propagation mask-regions=<<{x},{y},{width},{height}>> {before} {} \
             ! fakesink name=sink sync=true",
            arguments.settings.join(" ")
        ));
        let pipeline: gst::Pipeline = pipeline
            .expect("valid settings")
            .downcast()
            .expect("a pipeline");
        let named = |name: &str| pipeline.by_name(name).expect("it was named");
        let (element, sink) = (named("inpaint"), named("sink"));
        let source: gst_app::AppSrc = named("source").downcast().expect("an appsrc");
        source.set_caps(Some(&self.info.to_caps().expect("valid caps")));
        let bus = pipeline.bus().expect("a pipeline has one");
        let late = Arc::new(Mutex::new(Vec::new()));
        let noted = late.clone();
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Qos(qos) = message.view() {
                noted.lock().expect("no panic").extend(qos.get().1);
            }
            gst::BusSyncReply::Pass
        });
        let seen = Arc::new(Mutex::new(Seen::default()));
        let images = Arc::new(self);
        let (to, from, weak) = (seen.clone(), images.clone(), element.downgrade());
        let pad = sink.static_pad("sink").expect("a sink pad");
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let (Some(buffer), Some(element)) = (info.buffer(), weak.upgrade()) {
                let stats: gst::Structure = element.property("stats");
                let busy = stats.get("busy-time").expect("a number");
                from.note(&mut to.lock().expect("no panic"), buffer, busy);
            }
            gst::PadProbeReturn::Ok
        });
        pipeline.set_state(gst::State::Playing).expect("playing");
        let clock = gst::SystemClock::obtain();
        pipeline.use_clock(Some(&clock));
        let start = computed(true);
        let count = arguments.seconds * arguments.rate;
        for index in 0..count as usize {
            let pts = ClockTime::SECOND * index as u64 / arguments.rate;
            while element.base_time().is_none() || element.current_running_time() < Some(pts) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let mut buffer = images.frames[images.image(index)].copy();
            let timed = buffer.make_mut();
            timed.set_pts(pts);
            timed.set_duration(ClockTime::SECOND / arguments.rate);
            timed.set_offset(index as u64);
            source.push_buffer(buffer).expect("taken");
        }
        let computed = (computed(true) - start).as_secs_f64() * 1e3 / count as f64;
        source.end_of_stream().expect("taken");
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = bus.timed_pop_filtered(None, &kinds).expect("an end");
        assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
        let stats: gst::Structure = element.property("stats");
        pipeline.set_state(gst::State::Null).expect("stopped");
        let number = |name: &str| stats.get::<u64>(name).expect("a number");
        assert_eq!(number("frames-out"), count, "a frame is missing: {stats}");
        let tiers = stats.get::<gst::Array>("effort-frames").expect("an array");
        let tiers = Tier::ALL
            .iter()
            .zip(tiers.iter())
            .filter_map(|(tier, frames)| {
                let frames: u64 = frames.get().expect("a number");
                (frames > 0).then(|| format!("{} {frames}", tier.name()))
            });
        let seen = seen.lock().expect("no panic");
        let mut times = seen.times.clone();
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        let late = late.lock().expect("no panic");
        let first = late
            .iter()
            .take(3)
            .map(|time| format!(" {:.2}", time.mseconds() as f64 / 1e3));
        format!(
            "{} of {count}{} | {:.1} | {:.1} | {:.1} | {computed:.1} | {:.2} | {:.1} | {} | {} | {}",
            number("late"),
            match late.is_empty() {
                true => String::new(),
                false => format!(" (at{} s)", first.collect::<String>()),
            },
            at(100),
            at(99),
            at(50),
            10.0 * (255.0 * 255.0 * seen.pixels as f64 / seen.square_error).log10(),
            seen.step,
            tiers.collect::<Vec<_>>().join(", "),
            number("effort-changes"),
            number("ended-early"),
        )
    }
}

/// Returns what the threads of this process have computed, perhaps but for the first, which plays the
/// source.
fn computed(but_first: bool) -> Duration {
    let own = std::process::id().to_string();
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let times = tasks.filter_map(|task| {
        let task = task.ok()?.path();
        let times = fs::read_to_string(task.join("schedstat")).ok()?;
        let time: u64 = times.split_ascii_whitespace().next()?.parse().ok()?;
        (!but_first || task.file_name()?.to_str()? != own).then_some(time)
    });
    Duration::from_nanos(times.sum())
}
