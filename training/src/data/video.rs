//! Decodes a video file. Nothing else in this crate knows GStreamer.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gst::prelude::*;
use gst_app::AppSink;
use gst_video::{VideoFormat, VideoFrameExt, VideoFrameRef, VideoInfo};
use propainter::Frame;

use super::{DataError, Size, images::resized};

/// Longest wait for the next frame of a file.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Time between two looks at the bus.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(50);

/// Extensions of the files that count as videos, in lower case.
pub(super) const VIDEO: [&str; 24] = [
    "3gp", "asf", "avi", "dv", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts",
    "mxf", "nut", "ogm", "ogv", "qt", "ts", "vob", "webm", "wmv", "y4m", "yuv4mpeg",
];

/// A decoder of one file.
struct Decoder {
    pipeline: gst::Pipeline,
    sink: AppSink,
    /// Set when the file turns out to have no video.
    without_video: Arc<AtomicBool>,
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // A failure to stop has no remedy.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Decodes a video and passes each frame at the training size with its time in nanoseconds to `each`,
/// until that breaks off. With `from`, decoding begins at or before the frame of that time.
///
/// # Errors
/// The file cannot be read or decoded, or has no video.
pub fn decode(
    file: &Path,
    size: Size,
    from: Option<u64>,
    mut each: impl FnMut(u64, Frame) -> ControlFlow<()>,
) -> Result<(), DataError> {
    // The system's own message is the clearest one for a file that cannot be opened.
    std::fs::File::open(file).map_err(DataError::read(file))?;
    let failed = |problem: String| DataError::file(file, problem);
    let decoder = Decoder::open(file).map_err(failed)?;
    if let Some(from) = from {
        decoder.seek(from).map_err(failed)?;
    }
    let play = decoder.pipeline.set_state(gst::State::Playing);
    let mut waited = Instant::now();
    loop {
        if let Some(sample) = decoder.sink.try_pull_sample(LOOK) {
            waited = Instant::now();
            let (time, frame) = frame_of(&sample).map_err(failed)?;
            if each(time, resized(&frame, size)).is_break() {
                return Ok(());
            }
            continue;
        }
        if let Some(problem) = decoder.problem() {
            return Err(failed(problem));
        }
        if decoder.without_video.load(Ordering::Acquire) {
            return Err(failed("the file has no video".to_owned()));
        }
        if decoder.sink.is_eos() {
            return Ok(());
        }
        if play.is_err() || waited.elapsed() > TIMEOUT {
            return Err(failed("no frame could be decoded".to_owned()));
        }
    }
}

impl Decoder {
    fn open(file: &Path) -> Result<Self, String> {
        let missing = |error: &dyn std::fmt::Display| {
            format!("GStreamer: {error} (scripts/setup.sh installs the packages that are needed)")
        };
        gst::init().map_err(|error| missing(&error))?;
        let make = |name: &str| {
            let made = gst::ElementFactory::make(name).build();
            made.map_err(|error| missing(&error))
        };
        let source = make("filesrc")?;
        source.set_property("location", file);
        let decode = make("decodebin")?;
        let convert = make("videoconvert")?;
        let turn = make("videoflip")?;
        turn.set_property_from_str("video-direction", "auto");
        let caps = gst_video::VideoCapsBuilder::new()
            .format(VideoFormat::Rgb)
            .build();
        let sink = AppSink::builder()
            .caps(&caps)
            .sync(false)
            .max_buffers(2)
            .build();
        let pipeline = gst::Pipeline::new();
        let linked = pipeline
            .add_many([&source, &decode, &turn, &convert, sink.upcast_ref()])
            .and_then(|()| source.link(&decode))
            .and_then(|()| gst::Element::link_many([&turn, &convert, sink.upcast_ref()]));
        linked.map_err(|error| error.to_string())?;
        let first = turn.static_pad("sink").ok_or("videoflip has no sink pad")?;
        let target = first.downgrade();
        decode.connect_pad_added(move |_, pad| {
            if let Some(target) = target.upgrade() {
                // A pad that cannot be linked is that of another stream, such as sound.
                let _ = pad.link(&target);
            }
        });
        let without_video = Arc::new(AtomicBool::new(false));
        let (target, flag) = (first.downgrade(), without_video.clone());
        decode.connect_no_more_pads(move |_| {
            let linked = target.upgrade().is_some_and(|target| target.is_linked());
            flag.fetch_or(!linked, Ordering::AcqRel);
        });
        Ok(Self {
            pipeline,
            sink,
            without_video,
        })
    }

    /// Goes to the last key frame that is not later than a time.
    fn seek(&self, time: u64) -> Result<(), String> {
        let paused = self.pipeline.set_state(gst::State::Paused);
        paused.map_err(|error| self.problem().unwrap_or_else(|| error.to_string()))?;
        let wait =
            gst::ClockTime::try_from(TIMEOUT).unwrap_or(gst::ClockTime::NONE.unwrap_or(LOOK));
        let (prerolled, ..) = self.pipeline.state(wait);
        prerolled.map_err(|error| self.problem().unwrap_or_else(|| error.to_string()))?;
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE;
        let sought = self
            .pipeline
            .seek_simple(flags, gst::ClockTime::from_nseconds(time));
        sought.map_err(|error| error.to_string())
    }

    /// Returns what an element has complained about.
    fn problem(&self) -> Option<String> {
        let bus = self.pipeline.bus()?;
        let message = bus.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            // Where only the video is missing, what the other streams lack is no news.
            gst::MessageView::Error(_) if self.without_video.load(Ordering::Acquire) => None,
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }
}

/// Returns the frame of a sample and its time.
fn frame_of(sample: &gst::Sample) -> Result<(u64, Frame), String> {
    let unusable = || "a frame could not be read".to_owned();
    let buffer = sample.buffer().ok_or_else(unusable)?;
    let info = sample
        .caps()
        .and_then(|caps| VideoInfo::from_caps(caps).ok());
    let info = info.ok_or_else(unusable)?;
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info);
    let frame = frame.map_err(|_| unusable())?;
    let (width, height) = (info.width() as usize, info.height() as usize);
    let stride = usize::try_from(frame.plane_stride()[0]).map_err(|_| unusable())?;
    let data = frame.plane_data(0).map_err(|_| unusable())?;
    let rows = data.chunks(stride).take(height);
    let rgb = rows.flat_map(|row| &row[..3 * width]).copied().collect();
    let time = buffer.pts().map_or(0, gst::ClockTime::nseconds);
    Ok((time, Frame::new(width, height, rgb)))
}
