//! The generated clip, as a pipeline that ends in an MP4 file.

use std::{path::Path, thread};

use gst::prelude::*;
use propainter::internals::synthetic::Scene;

use super::{DemoError, Options};

const FPS: u64 = 25;

/// From RGB frames to the file: 4:2:0 with even sides, which every player shows.
const TO_FILE: &str = "propainter name=inpaint ! videoconvert ! videoscale \
    ! video/x-raw,format=I420,width=(int)[2,16384,2],height=(int)[2,16384,2] \
    ! x264enc pass=qual quantizer=16 ! h264parse ! mp4mux ! filesink name=file";

/// A pipeline around the element.
pub struct Generated {
    pub pipeline: gst::Pipeline,
    /// The element `propainter`.
    pub element: gst::Element,
    /// The scene, which knows the frames without object and logo.
    pub scene: Scene,
}

fn named(pipeline: &gst::Pipeline, name: &str) -> Result<gst::Element, DemoError> {
    let found = pipeline.by_name(name);
    Ok(found.ok_or_else(|| gst::glib::bool_error!("the pipeline lacks {}", name))?)
}

/// Returns the generated clip, which is written to `movie`; its masks come through `mask_sink`.
///
/// # Errors
/// An element is missing.
pub fn generated(options: &Options, movie: &Path) -> Result<Generated, DemoError> {
    let (width, height) = (options.width, options.height);
    let source = |name: &str, format: &str| {
        format!(
            "appsrc name={name} format=time block=true max-buffers=4 caps=video/x-raw,\
             format={format},width={width},height={height},framerate={FPS}/1"
        )
    };
    let description = format!(
        "{} ! {TO_FILE} {} ! inpaint.mask_sink",
        source("frames", "RGB"),
        source("masks", "GRAY8")
    );
    let pipeline = gst::parse::launch(&description)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| gst::glib::bool_error!("the description is not a pipeline"))?;
    named(&pipeline, "file")?.set_property("location", movie);
    let element = named(&pipeline, "inpaint")?;
    let scene = Scene::new(width as usize, height as usize, 7);

    // The frames are drawn beforehand, as the report states the element's speed.
    let stride = |bytes: usize| bytes.next_multiple_of(4);
    let count = options.frames as usize;
    let frames_and_masks: Vec<_> = (0..count)
        .map(|i| {
            let frame = scene.frame(i);
            let mask = scene.mask(i);
            let luma: Vec<u8> = mask.hole().iter().map(|&hole| hole * 255).collect();
            let (rgb_row, luma_row) = (3 * frame.width(), frame.width());
            (
                buffer(frame.rgb(), rgb_row, stride(rgb_row), i),
                buffer(&luma, luma_row, stride(luma_row), i),
            )
        })
        .collect();
    let app = |name| -> Result<gst_app::AppSrc, DemoError> {
        let element = named(&pipeline, name)?.downcast::<gst_app::AppSrc>();
        Ok(element.map_err(|_| gst::glib::bool_error!("{} is not an appsrc", name))?)
    };
    let (frames, masks) = (app("frames")?, app("masks")?);
    thread::spawn(move || {
        for (frame, mask) in frames_and_masks {
            // The mask comes first, as the frame waits for it. A push fails once the pipeline
            // stops; the reason is on the bus.
            if masks.push_buffer(mask).is_err() || frames.push_buffer(frame).is_err() {
                return;
            }
        }
        let _ = masks.end_of_stream();
        let _ = frames.end_of_stream();
    });
    Ok(Generated {
        pipeline,
        element,
        scene,
    })
}

/// Returns frame `index` as a buffer: rows of `row` bytes at a distance of `stride` bytes.
fn buffer(data: &[u8], row: usize, stride: usize, index: usize) -> gst::Buffer {
    let mut padded = vec![0; data.len() / row * stride];
    for (to, from) in padded.chunks_exact_mut(stride).zip(data.chunks_exact(row)) {
        to[..row].copy_from_slice(from);
    }
    let mut buffer = gst::Buffer::from_mut_slice(padded);
    let frame = gst::ClockTime::SECOND / FPS;
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(frame * index as u64);
        buffer.set_duration(frame);
    }
    buffer
}
