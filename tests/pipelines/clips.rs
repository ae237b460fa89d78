//! Short clips made for a test, and what is in a file.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use gst::{ClockTime, prelude::*};

/// Runs a pipeline to its end.
pub fn run(pipeline: &gst::Pipeline) {
    pipeline.set_state(gst::State::Playing).expect("playing");
    let bus = pipeline.bus().expect("a pipeline has a bus");
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus
        .timed_pop_filtered(ClockTime::from_seconds(120), &kinds)
        .expect("an end");
    if let gst::MessageView::Error(error) = end.view() {
        panic!("{} {:?}", error.error(), error.debug());
    }
    pipeline.set_state(gst::State::Null).expect("stopped");
}

pub fn launch(line: &str) -> gst::Pipeline {
    gst::init().expect("GStreamer starts");
    let pipeline = gst::parse::launch(line).expect("a valid line");
    pipeline.downcast().expect("a pipeline")
}

/// A moving test image of 160x96 at 25 a second; `sound` encodes a tone beside it.
pub fn generate(file: &Path, frames: u32, mux: &str, sound: Option<&str>) {
    let sound = sound.map_or(String::new(), |encoder| {
        // As long as the image: 48 kHz in buffers of a frame.
        format!(
            "audiotestsrc num-buffers={frames} samplesperbuffer=1920 \
             ! audio/x-raw,rate=48000,channels=2 ! audioconvert ! {encoder} ! queue ! mux."
        )
    });
    run(&launch(&format!(
        "videotestsrc num-buffers={frames} pattern=ball \
         ! video/x-raw,format=I420,width=160,height=96,framerate=25/1 \
         ! x264enc ! h264parse ! queue ! {mux} name=mux \
         ! filesink location=\"{}\" {sound}",
        file.display()
    )));
}

/// The first frames of an mp4 with H.264 and AAC, and its sound of about as long.
pub fn cut(from: &Path, to: &Path, frames: usize) {
    let pipeline = launch(&format!(
        "filesrc location=\"{}\" ! qtdemux name=d mp4mux name=mux ! filesink location=\"{}\" \
         d.video_0 ! queue ! h264parse name=video ! queue ! mux. \
         d.audio_0 ! queue ! aacparse name=audio ! queue ! mux.",
        from.display(),
        to.display(),
    ));
    for (parser, buffers) in [("video", frames), ("audio", frames * 2)] {
        let parser = pipeline.by_name(parser).expect("it was named");
        end_after(&parser.static_pad("src").expect("a source pad"), buffers);
    }
    run(&pipeline);
}

/// Ends the stream of a pad after a number of buffers.
fn end_after(pad: &gst::Pad, buffers: usize) {
    let seen = AtomicUsize::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
        let before = seen.fetch_add(1, Ordering::Relaxed);
        if before == buffers {
            pad.push_event(gst::event::Eos::new());
        }
        if before < buffers {
            gst::PadProbeReturn::Ok
        } else {
            gst::PadProbeReturn::Drop
        }
    });
}

/// A mask image with one white rectangle.
pub fn mask(file: &Path, (width, height): (u32, u32), hole: [u32; 4]) {
    let [x, y, w, h] = hole;
    let image = image::GrayImage::from_fn(width, height, |column, row| {
        let inside = (x..x + w).contains(&column) && (y..y + h).contains(&row);
        image::Luma([if inside { 255 } else { 0 }])
    });
    image.save(file).expect("a mask file");
}

/// Buffers and bytes of one kind of stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pub buffers: usize,
    pub bytes: usize,
}

/// Reads a file to its end; by media type (`video/x-h264`, `audio/mpeg`), what is in it.
pub fn packets(file: &Path) -> BTreeMap<String, Content> {
    read(file, "parsebin")
}

/// Decodes a file to its end; by media type (`video/x-raw`, `audio/x-raw`).
pub fn decoded(file: &Path) -> BTreeMap<String, Content> {
    read(file, "decodebin")
}

fn read(file: &Path, bin: &str) -> BTreeMap<String, Content> {
    let pipeline = launch(&format!(
        "filesrc location=\"{}\" ! {bin} name=bin",
        file.display()
    ));
    let contents = Arc::new(Mutex::new(BTreeMap::<String, Content>::new()));
    let weak = pipeline.downgrade();
    let counted = contents.clone();
    let bin = pipeline.by_name("bin").expect("it was named");
    bin.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else {
            return;
        };
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", false)
            .property("async", false)
            .build()
            .expect("a sink");
        pipeline.add(&sink).expect("added");
        sink.sync_state_with_parent().expect("playing");
        let counted = counted.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let caps = pad.current_caps().expect("buffers have caps");
            let kind = caps.structure(0).expect("fixed caps").name().to_string();
            let mut counted = counted.lock().expect("no panic");
            let content = counted.entry(kind).or_default();
            content.buffers += 1;
            content.bytes += info.buffer().map_or(0, |buffer| buffer.size());
            gst::PadProbeReturn::Ok
        });
        let sink_pad = sink.static_pad("sink").expect("a sink pad");
        pad.link(&sink_pad).expect("linked");
    });
    run(&pipeline);
    let contents = contents.lock().expect("no panic");
    contents.clone()
}
