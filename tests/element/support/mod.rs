//! Streams to push, and what came out of the element in which order.

pub mod live;
pub mod player;

use std::{
    ops::Range,
    sync::{
        Arc, Condvar, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gst::{ClockTime, prelude::*};
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};

/// The time a frame lasts: 25 a second.
pub const FRAME: ClockTime = ClockTime::from_mseconds(40);

/// Long enough to never matter unless something hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn init() {
    static ONCE: LazyLock<()> = LazyLock::new(|| {
        gst::init().expect("GStreamer starts");
        propainter_elements::plugin_register_static().expect("the element registers");
    });
    LazyLock::force(&ONCE);
}

/// An element that needs no checkpoints and works on the CPU; no dilation, so that the hole
/// is the mask, and no scene cuts, which frames of noise would all be.
pub fn element() -> gst::Element {
    init();
    gst::ElementFactory::make("propainter")
        .property_from_str("model", "propagation")
        .property("device", "cpu")
        .property("mask-dilation", 0u32)
        .property("scene-cuts", false)
        .build()
        .expect("the element exists")
}

pub fn regions(regions: &[[i32; 4]]) -> gst::Array {
    init();
    gst::Array::from_iter(
        regions
            .iter()
            .map(|region| gst::Array::new(region).to_send_value()),
    )
}

pub fn info(format: VideoFormat, width: u32, height: u32) -> VideoInfo {
    init();
    VideoInfo::builder(format, width, height)
        .fps(gst::Fraction::new(25, 1))
        .build()
        .expect("a valid size")
}

/// The formats in the template of the element's sink pad.
pub fn formats() -> Vec<VideoFormat> {
    let template = element().pad_template("sink").expect("the pad");
    let caps = template.caps().structure(0).expect("caps").to_owned();
    let formats: gst::List = caps.get("format").expect("a list");
    let format = |name: &gst::glib::SendValue| VideoFormat::from_string(name.get().expect("text"));
    formats.iter().map(format).collect()
}

/// Between two test pads, playing, with caps and a segment.
pub fn harness(element: &gst::Element, info: &VideoInfo) -> Harness {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.set_src_caps(info.to_caps().expect("valid caps"));
    harness.play();
    harness
}

/// The element's messages.
pub fn bus(element: &gst::Element) -> gst::Bus {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    bus
}

/// The next error on the bus: its text and its domain and code.
pub fn error(bus: &gst::Bus) -> (String, gst::glib::Error) {
    let patience = ClockTime::try_from(PATIENCE).expect("a minute");
    let message = bus
        .timed_pop_filtered(patience, &[gst::MessageType::Error])
        .expect("an error message");
    match message.view() {
        gst::MessageView::Error(error) => (error.error().message().to_owned(), error.error()),
        _ => unreachable!("only errors were asked for"),
    }
}

/// The texts of the warnings on the bus so far.
pub fn warnings(bus: &gst::Bus) -> Vec<String> {
    let next = || bus.pop_filtered(&[gst::MessageType::Warning]);
    std::iter::from_fn(next)
        .filter_map(|message| match message.view() {
            gst::MessageView::Warning(warning) => Some(warning.error().message().to_owned()),
            _ => None,
        })
        .collect()
}

/// Bytes that repeat nowhere.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

/// Frame `i`: noise of its own, its time and duration.
pub fn frame(info: &VideoInfo, i: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(noise(info.size(), i + 1));
    let frame = buffer.get_mut().expect("a new buffer");
    frame.set_pts(FRAME * i);
    frame.set_duration(FRAME);
    buffer
}

pub fn bytes(buffer: &gst::BufferRef) -> Vec<u8> {
    buffer.map_readable().expect("readable").to_vec()
}

/// The columns in which an RGB image without padding differs from frame `i`; all of them
/// between the first and the last are taken as changed.
pub fn changed(
    out: &gst::BufferRef,
    (width, height): (usize, usize),
    i: u64,
) -> Option<Range<usize>> {
    let (before, after) = (noise(out.size(), i + 1), bytes(out));
    let differs = |x: &usize| {
        (0..height).any(|y| {
            let at = 3 * (y * width + x);
            before[at..at + 3] != after[at..at + 3]
        })
    };
    let columns: Vec<_> = (0..width).filter(differs).collect();
    Some(*columns.first()?..columns.last()? + 1)
}

/// The frame number that a buffer's time says.
pub fn number(buffer: &gst::BufferRef) -> u64 {
    buffer.pts().expect("a time") / FRAME
}

/// Something that went through a pad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Frame(u64),
    Event(gst::EventType),
}

/// What goes through a pad, in order.
#[derive(Clone, Default)]
pub struct Recorder(Arc<(Mutex<Vec<Seen>>, Condvar)>);

impl Recorder {
    pub fn on(pad: &gst::Pad) -> Self {
        let recorder = Self::default();
        let inner = recorder.clone();
        let kinds = gst::PadProbeType::BUFFER
            | gst::PadProbeType::EVENT_DOWNSTREAM
            | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(kinds, move |_, info| {
            let seen = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    Seen::Frame(buffer.pts().map_or(u64::MAX, |time| time / FRAME))
                }
                Some(gst::PadProbeData::Event(event)) => Seen::Event(event.type_()),
                _ => return gst::PadProbeReturn::Ok,
            };
            inner.0.0.lock().expect("no panic").push(seen);
            inner.0.1.notify_all();
            gst::PadProbeReturn::Ok
        });
        recorder
    }

    /// All that was seen, once `last` was.
    pub fn until(&self, last: &Seen) -> Vec<Seen> {
        let seen = self.0.0.lock().expect("no panic");
        let (seen, timeout) = self
            .0
            .1
            .wait_timeout_while(seen, PATIENCE, |seen| !seen.contains(last))
            .expect("no panic");
        assert!(!timeout.timed_out(), "{last:?} never came: {seen:?}");
        seen.clone()
    }

    pub fn so_far(&self) -> Vec<Seen> {
        self.0.0.lock().expect("no panic").clone()
    }

    pub fn forget(&self) {
        self.0.0.lock().expect("no panic").clear();
    }
}

/// The numbers of the frames among what was seen.
pub fn frames(seen: &[Seen]) -> Vec<u64> {
    seen.iter()
        .filter_map(|seen| match seen {
            Seen::Frame(number) => Some(*number),
            Seen::Event(_) => None,
        })
        .collect()
}

pub fn src_pad(element: &gst::Element) -> gst::Pad {
    element.static_pad("src").expect("a source pad")
}

/// A source of masks, linked to a requested `mask_sink`.
pub struct MaskSource {
    pub pad: gst::Pad,
    latency: Arc<AtomicU64>,
    sink: gst::Pad,
    element: gst::Element,
}

impl MaskSource {
    pub fn new(element: &gst::Element, width: u32, height: u32) -> Self {
        let sink = element
            .request_pad_simple("mask_sink")
            .expect("the pad can be requested");
        let latency = Arc::new(AtomicU64::new(0));
        let own = latency.clone();
        let pad = gst::Pad::builder(gst::PadDirection::Src)
            .query_function(move |pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::Latency(answer) => {
                    let latency = ClockTime::from_nseconds(own.load(Ordering::SeqCst));
                    answer.set(true, latency, None);
                    true
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        pad.set_active(true).expect("active");
        pad.link(&sink).expect("linked");
        let source = Self {
            pad,
            latency,
            sink,
            element: element.clone(),
        };
        source.start(width, height);
        source
    }

    pub fn start(&self, width: u32, height: u32) {
        let caps = info(VideoFormat::Gray8, width, height).to_caps();
        let segment = gst::FormattedSegment::<ClockTime>::new();
        self.pad.push_event(gst::event::StreamStart::new("masks"));
        self.pad
            .push_event(gst::event::Caps::new(&caps.expect("valid caps")));
        self.pad.push_event(gst::event::Segment::new(&segment));
    }

    /// Pushes a mask with columns `columns` as its hole.
    pub fn push(
        &self,
        size: (usize, usize),
        columns: Range<usize>,
        time: Option<ClockTime>,
        duration: Option<ClockTime>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let luma = |x| if columns.contains(&x) { 255 } else { 0 };
        self.push_luma(size, luma, time, duration)
    }

    /// Pushes a mask with a luma for each column.
    pub fn push_luma(
        &self,
        (width, height): (usize, usize),
        luma_of: impl Fn(usize) -> u8,
        time: Option<ClockTime>,
        duration: Option<ClockTime>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let info = info(VideoFormat::Gray8, width as u32, height as u32);
        let stride = info.stride()[0] as usize;
        let mut luma = vec![0u8; info.size()];
        for row in luma.chunks_mut(stride) {
            for (x, luma) in row.iter_mut().enumerate().take(width) {
                *luma = luma_of(x);
            }
        }
        let mut buffer = gst::Buffer::from_mut_slice(luma);
        let mask = buffer.get_mut().expect("a new buffer");
        mask.set_pts(time);
        mask.set_duration(duration);
        self.pad.push(buffer)
    }

    /// The source is live, and so much later than the video.
    pub fn set_latency(&self, latency: ClockTime) {
        self.latency.store(latency.nseconds(), Ordering::SeqCst);
    }

    pub fn end(&self) {
        self.pad.push_event(gst::event::Eos::new());
    }
}

impl Drop for MaskSource {
    fn drop(&mut self) {
        let _ = self.pad.unlink(&self.sink);
        self.element.release_request_pad(&self.sink);
    }
}
