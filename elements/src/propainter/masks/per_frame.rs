//! The sources of a frame's mask at the time when the frame comes: the properties, the metas of
//! the buffer and its alpha.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gst::{ClockTime, prelude::*};
use gst_video::VideoRegionOfInterestMeta;
use parking_lot::Mutex;

use crate::propainter::{
    log::CAT,
    masks::{
        combine::FrameMasks,
        diagnostics::{Diagnostic, MaskDiagnostics, MaskObservation, MaskOrigin},
        fit::pixel_aspect,
        image_sequence::MaskLocation,
        orientation::Orientation,
        regions::{Region, children::RegionChildren},
        stream_reader::MaskReader,
        threshold::Threshold,
    },
    properties::settings::Settings,
    video::{converter::Converter, layout::error::InvalidBuffer, reading::Reading},
};

/// The sources of masks of one element, and what is known of them.
#[derive(Default)]
pub struct MaskSources {
    pub regions: RegionChildren,
    pub reader: Mutex<MaskReader>,
    location: Mutex<MaskLocation>,
    diagnostics: Mutex<MaskDiagnostics>,
    /// How players show the frames that come.
    orientation: Mutex<Orientation>,
    /// The missing alpha of the format was logged.
    alpha_reported: AtomicBool,
}

/// A frame that came in, whose masks are collected.
pub struct IncomingFrame<'a> {
    pub buffer: &'a gst::BufferRef,
    /// The buffer being read.
    pub reading: &'a Reading,
    pub converter: &'a Arc<Converter>,
    pub stream_time: Option<ClockTime>,
    /// Number of the frame since the start or the last seek.
    pub index: u64,
}

/// The masks of a frame.
pub struct CollectedMasks {
    /// The converter to write the frame with.
    pub converter: Arc<Converter>,
    pub masks: FrameMasks,
    pub diagnostics: Vec<Diagnostic>,
}

impl MaskSources {
    /// Notes the orientation of the frames, if the tags of the stream say it.
    pub fn set_orientation(&self, orientation: Option<Orientation>) {
        if let Some(orientation) = orientation {
            *self.orientation.lock() = orientation;
        }
    }

    /// Notes that a source begins anew: its diagnostics are reported again.
    pub fn begin(&self, origin: MaskOrigin) {
        self.diagnostics.lock().forget(origin);
    }

    /// Forgets everything but the regions.
    pub fn reset(&self) {
        *self.reader.lock() = MaskReader::default();
        *self.location.lock() = MaskLocation::default();
        *self.diagnostics.lock() = MaskDiagnostics::default();
        *self.orientation.lock() = Orientation::IDENTITY;
    }

    /// Returns the diagnostics of the masks of a frame.
    pub fn examine(&self, observations: &[MaskObservation]) -> Vec<Diagnostic> {
        let mut diagnostics = self.diagnostics.lock();
        let found = observations.iter();
        found
            .flat_map(|observation| diagnostics.examine(observation))
            .collect()
    }

    /// Returns the diagnostics at the end of the stream.
    pub fn end(&self) -> Vec<Diagnostic> {
        self.diagnostics.lock().end()
    }

    /// Sets controlled properties to their values at the frame's time and collects the sources of
    /// its mask. An image is decoded here, once, and travels with the frame. Call without a lock.
    ///
    /// # Errors
    /// The alpha of the buffer cannot be read.
    pub fn collect(
        &self,
        element: &gst::Element,
        settings: &Mutex<Settings>,
        frame: &IncomingFrame<'_>,
    ) -> Result<CollectedMasks, InvalidBuffer> {
        if let Some(time) = frame.stream_time {
            self.sync(element, time);
        }
        let (location, threshold, from_alpha, roi_types) = {
            let settings = settings.lock();
            let threshold = Threshold {
                level: u8::try_from(settings.mask_threshold).unwrap_or(u8::MAX),
                invert: settings.mask_invert,
            };
            (
                settings.mask_location.clone(),
                threshold,
                settings.mask_from_alpha,
                settings.mask_roi_type.clone(),
            )
        };
        let converter = frame.converter;
        if from_alpha
            && !converter.has_alpha()
            && !self.alpha_reported.swap(true, Ordering::Relaxed)
        {
            let format = converter.info().format();
            gst::warning!(CAT, obj = element, "mask-from-alpha: {format} has no alpha");
        }
        let converter = converter.with_alpha_threshold(from_alpha.then_some(threshold.level));
        let alpha = frame.reading.alpha_mask(&converter, frame.buffer)?;
        let mut rectangles = self.regions.regions();
        if let Some(types) = roi_types {
            rectangles.extend(regions_of_interest(frame.buffer, &types));
        }
        let mut diagnostics = vec![];
        let image = {
            let mut current = self.location.lock();
            let image = current.image(location.as_ref(), frame.index, &mut diagnostics);
            if current.take_changed() {
                self.begin(MaskOrigin::Location);
            }
            image
        };
        let masks = FrameMasks {
            image,
            threshold,
            rectangles: rectangles.into(),
            alpha: alpha.map(Arc::new),
            orientation: *self.orientation.lock(),
            pixel_aspect: pixel_aspect(converter.info().par()),
        };
        Ok(CollectedMasks {
            converter,
            masks,
            diagnostics,
        })
    }

    /// Sets controlled properties of the element and its regions to their values at `time`.
    fn sync(&self, element: &gst::Element, time: ClockTime) {
        // If a control source has no value for the time, the property keeps its value.
        let sync = |object: &gst::Object| {
            if object.sync_values(time).is_err() {
                gst::log!(CAT, obj = element, "{object:?} has no value at {time}");
            }
        };
        sync(element.upcast_ref());
        for child in self.regions.children() {
            sync(child.upcast_ref());
        }
    }
}

/// Returns the regions of interest whose type is among `types`, which are separated by commas; `*`
/// stands for any type.
pub fn regions_of_interest(buffer: &gst::BufferRef, types: &str) -> impl Iterator<Item = Region> {
    let wanted = |name: &str| {
        let mut types = types.split(',').map(str::trim);
        types.any(|wanted| wanted == "*" || wanted == name)
    };
    let metas = buffer.iter_meta::<VideoRegionOfInterestMeta>();
    metas.filter(move |roi| wanted(roi.roi_type())).map(|roi| {
        let (x, y, width, height) = roi.rect();
        let place = |at| i32::try_from(at).unwrap_or(i32::MAX);
        Region {
            x: place(x),
            y: place(y),
            width,
            height,
        }
    })
}
