//! Probes on the element's pads: they count frames, compare them with the truth, and keep a few
//! for the strip.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gst::prelude::*;
use gst_video::VideoInfo;
use propainter::{
    Frame,
    internals::synthetic::{Scene, square_error_in_hole},
};

use crate::report::rgb::ToRgb;

use super::DemoError;

/// Columns of the strip.
const COLUMNS: usize = 4;

/// The observations of a whole stream.
pub struct Observed {
    pub frames: usize,
    /// Width and height in pixels.
    pub size: (usize, usize),
    /// PSNR inside the hole in dB; `None` where the truth is not known.
    pub psnr: Option<f64>,
    /// Frames before and after, evenly spread over the clip.
    pub pairs: Vec<(Frame, Frame)>,
}

/// Probes on both pads of the element, whose video may have any format.
pub struct PadProbes {
    before: Arc<Mutex<PadRecord>>,
    after: Arc<Mutex<PadRecord>>,
}

/// The observations at one pad.
#[derive(Default)]
struct PadRecord {
    frames: usize,
    sample: EvenSample,
    /// Sum of squared differences and number of values inside the hole.
    squared: u64,
    samples: u64,
    to_rgb: ToRgb,
}

impl PadProbes {
    /// Adds the probes. `scene` is the truth where it is known.
    ///
    /// # Errors
    /// The element lacks a pad.
    pub fn new(element: &gst::Element, scene: Option<Scene>) -> Result<Self, DemoError> {
        let probes = Self {
            before: Arc::default(),
            after: Arc::default(),
        };
        add_probe(element, "sink", probes.before.clone(), None)?;
        add_probe(element, "src", probes.after.clone(), scene)?;
        Ok(probes)
    }

    /// Returns the observations once the stream has ended.
    pub fn finish(self) -> Observed {
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
        Observed {
            frames: after.frames,
            size: size.unwrap_or_default(),
            psnr: (after.samples > 0).then(|| 10.0 * (255.0 * 255.0 / mean).log10()),
            pairs: chosen.collect(),
        }
    }
}

fn add_probe(
    element: &gst::Element,
    pad: &str,
    record: Arc<Mutex<PadRecord>>,
    scene: Option<Scene>,
) -> Result<(), DemoError> {
    let found = element.static_pad(pad);
    let pad = found.ok_or_else(|| gst::glib::bool_error!("propainter has no pad {}", pad))?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(buffer) = info.buffer() {
            let record = &mut *lock(&record);
            // Every frame of the scene is compared; few frames of a file are needed.
            if scene.is_some() || record.sample.wants(record.frames) {
                let caps = pad.current_caps();
                let info = caps.and_then(|caps| VideoInfo::from_caps(&caps).ok());
                match info.and_then(|info| record.to_rgb.convert(buffer, &info)) {
                    Some(frame) => record.add(&frame, scene.as_ref()),
                    None => record.frames += 1,
                }
            } else {
                record.frames += 1;
            }
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn lock(record: &Mutex<PadRecord>) -> MutexGuard<'_, PadRecord> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PadRecord {
    fn add(&mut self, frame: &Frame, scene: Option<&Scene>) {
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

/// A bounded and even sample of a stream of unknown length: each time it is full, every other
/// frame is dropped and the distance doubles.
struct EvenSample {
    distance: usize,
    kept: BTreeMap<usize, Frame>,
}

impl Default for EvenSample {
    fn default() -> Self {
        Self {
            distance: 1,
            kept: BTreeMap::new(),
        }
    }
}

impl EvenSample {
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
