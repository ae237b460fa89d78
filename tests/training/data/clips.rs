//! Clips for the tests of training: generated scenes, in folders of images and as videos.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use gst::prelude::*;
use propainter::{Frame, internals::synthetic::Scene};
use propainter_training::{
    data::{Cache, Holes, Scan, Size},
    random::Random,
};
use rand::RngExt;

/// Writes a frame as PNG.
pub fn write_png(file: &Path, frame: &Frame) {
    let (width, height) = (frame.width() as u32, frame.height() as u32);
    image::save_buffer(file, frame.rgb(), width, height, image::ColorType::Rgb8).unwrap();
}

/// Writes the frames of a scene as numbered images into a folder of its own.
pub fn write_images(folder: &Path, size: Size, seed: u64, frames: usize) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let scene = Scene::new(size.width, size.height, seed);
    for number in 0..frames {
        write_png(
            &folder.join(format!("{number:05}.png")),
            &scene.truth(number),
        );
    }
    folder.to_owned()
}

/// Writes a video of 25 frames a second without loss from frames, with a key frame each 30.
pub fn write_video(file: &Path, frames: &[Frame]) {
    let images = tempfile::tempdir().unwrap();
    for (number, frame) in frames.iter().enumerate() {
        write_png(&images.path().join(format!("{number:05}.png")), frame);
    }
    run_pipeline(&format!(
        "multifilesrc location=\"{}/%05d.png\" caps=image/png,framerate=25/1 ! pngdec ! videoconvert \
         ! video/x-raw,format=I420 ! x264enc pass=quant quantizer=0 key-int-max=30 ! matroskamux ! filesink \
         location=\"{}\"",
        images.path().display(),
        file.display()
    ));
}

/// Plays a pipeline to its end.
pub fn run_pipeline(line: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted);
    pipeline.set_state(gst::State::Null).unwrap();
    let message = message.expect("the pipeline ends within a minute");
    assert_eq!(
        message.type_(),
        gst::MessageType::Eos,
        "{line}: {message:?}"
    );
}

/// Returns a scan with a cache in a folder.
pub fn scan(cache: &Path, size: Size, frames: usize) -> Scan<'static> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    Scan {
        size,
        frames,
        cache: Arc::new(Cache::open(cache, 1 << 30).unwrap()),
        threads: 2,
        stop: &NEVER,
    }
}

/// Holes that are a rectangle at a random place.
#[derive(Debug)]
pub struct Rectangle;

impl Holes for Rectangle {
    fn draw(&self, random: &mut Random, size: Size, frames: usize) -> Vec<Vec<u8>> {
        let x = random.random_range(0..size.width / 2);
        let y = random.random_range(0..size.height / 2);
        let inside = |i: usize| {
            (x..x + size.width / 4).contains(&(i % size.width))
                && (y..y + size.height / 4).contains(&(i / size.width))
        };
        let hole: Vec<u8> = (0..size.pixels()).map(|i| u8::from(inside(i))).collect();
        vec![hole; frames]
    }
}
