//! What passes the element's pads: frames counted, compared with the truth, and a few kept
//! for the strip.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gst::prelude::*;
use gst_video::prelude::*;
use propainter::{
    Frame,
    scenes::{Scene, square_error_in_hole},
};

use super::DemoError;

/// Columns of the strip.
const COLUMNS: usize = 4;

/// What was seen in the end.
pub struct Seen {
    pub frames: usize,
    pub size: (usize, usize),
    /// Inside the hole, against the truth, where it is known.
    pub psnr: Option<f64>,
    /// Pairs before and after, evenly spread over the clip.
    pub pictures: Vec<(Frame, Frame)>,
}

/// Probes on both pads of the element, which may have any format.
pub struct Watch {
    before: Arc<Mutex<Side>>,
    after: Arc<Mutex<Side>>,
}

#[derive(Default)]
struct Side {
    frames: usize,
    sample: Sample,
    /// Sum of squared differences and number of samples inside the hole.
    squared: u64,
    samples: u64,
    to_rgb: Option<Converter>,
}

impl Watch {
    pub fn new(element: &gst::Element, scene: Option<Scene>) -> Result<Self, DemoError> {
        let watch = Self {
            before: Arc::default(),
            after: Arc::default(),
        };
        probe(element, "sink", watch.before.clone(), None)?;
        probe(element, "src", watch.after.clone(), scene)?;
        Ok(watch)
    }

    pub fn finish(self) -> Seen {
        let (before, after) = (lock(&self.before), lock(&self.after));
        let pairs = before.sample.kept.iter().filter_map(|(index, before)| {
            let after = after.sample.kept.get(index)?;
            Some((before.clone(), after.clone()))
        });
        let pairs: Vec<_> = pairs.collect();
        let size = pairs
            .first()
            .map(|(frame, _)| (frame.width(), frame.height()));
        let columns = COLUMNS.min(pairs.len());
        let chosen = (0..columns).map(|i| pairs[(2 * i + 1) * pairs.len() / (2 * columns)].clone());
        let mean = after.squared as f64 / after.samples as f64;
        Seen {
            frames: after.frames,
            size: size.unwrap_or_default(),
            psnr: (after.samples > 0).then(|| 10.0 * (255.0 * 255.0 / mean).log10()),
            pictures: chosen.collect(),
        }
    }
}

fn probe(
    element: &gst::Element,
    pad: &str,
    side: Arc<Mutex<Side>>,
    scene: Option<Scene>,
) -> Result<(), DemoError> {
    let found = element.static_pad(pad);
    let pad = found.ok_or_else(|| gst::glib::bool_error!("propainter has no pad {}", pad))?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(buffer) = info.buffer() {
            let side = &mut *lock(&side);
            // Of a file a few frames are looked at; of the scene all.
            if scene.is_some() || side.sample.wants(side.frames) {
                match rgb(pad, buffer, &mut side.to_rgb) {
                    Some(frame) => side.see(&frame, scene.as_ref()),
                    None => side.frames += 1,
                }
            } else {
                side.frames += 1;
            }
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn lock(side: &Mutex<Side>) -> MutexGuard<'_, Side> {
    side.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Converts frames of one format and size to RGB.
type Converter = (gst_video::VideoInfo, gst_video::VideoConverter);

fn rgb(pad: &gst::Pad, buffer: &gst::BufferRef, kept: &mut Option<Converter>) -> Option<Frame> {
    let info = gst_video::VideoInfo::from_caps(pad.current_caps()?.as_ref()).ok()?;
    let (width, height) = (info.width(), info.height());
    let format = gst_video::VideoFormat::Rgb;
    let wanted = gst_video::VideoInfo::builder(format, width, height);
    // The converter changes no rate.
    let wanted = wanted.fps(info.fps()).build().ok()?;
    if !kept.as_ref().is_some_and(|(of, _)| *of == info) {
        let converter = gst_video::VideoConverter::new(&info, &wanted, None).ok()?;
        *kept = Some((info.clone(), converter));
    }
    let (_, converter) = kept.as_ref()?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).ok()?;
    let memory = gst::Buffer::with_size(wanted.size()).ok()?;
    let mut converted = gst_video::VideoFrame::from_buffer_writable(memory, &wanted).ok()?;
    converter.frame_ref(&frame, &mut converted.as_mut_video_frame_ref());
    let (width, height) = (width as usize, height as usize);
    let stride = usize::try_from(converted.plane_stride()[0]).ok()?;
    let rows = converted.plane_data(0).ok()?.chunks(stride).take(height);
    let data = rows.flat_map(|row| &row[..3 * width]).copied().collect();
    Some(Frame::new(width, height, data))
}

impl Side {
    fn see(&mut self, frame: &Frame, scene: Option<&Scene>) {
        let index = self.frames;
        self.frames += 1;
        self.sample.offer(index, frame);
        if let Some(scene) = scene {
            let (truth, mask) = (scene.truth(index), scene.mask(index));
            let (squared, samples) = square_error_in_hole(&truth, frame, &mask);
            self.squared += squared;
            self.samples += samples;
        }
    }
}

/// A bounded, even choice of a stream of unknown length: each time it is full, every other
/// picture goes and the distance doubles.
struct Sample {
    distance: usize,
    kept: BTreeMap<usize, Frame>,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            distance: 1,
            kept: BTreeMap::new(),
        }
    }
}

impl Sample {
    fn wants(&self, index: usize) -> bool {
        index.is_multiple_of(self.distance)
    }

    fn offer(&mut self, index: usize, frame: &Frame) {
        if !self.wants(index) {
            return;
        }
        if self.kept.len() == 4 * COLUMNS {
            self.distance *= 2;
            let distance = self.distance;
            self.kept.retain(|index, _| index % distance == 0);
            return self.offer(index, frame);
        }
        self.kept.insert(index, frame.clone());
    }
}
