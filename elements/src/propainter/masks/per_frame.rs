//! What of a frame's hole is known when it comes: the properties at its time, its metas and
//! its alpha. And the children `region0`, `region1`, …, which are the value of `mask-regions`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gst::{ClockTime, glib, prelude::*, subclass::prelude::*};
use gst_video::VideoRegionOfInterestMeta;
use parking_lot::Mutex;

use crate::propainter::{
    imp::Propainter,
    log::CAT,
    masks::{
        combine::FrameMasks,
        diagnostics::{Origin, Remark, Remarks, Seen},
        image_sequence::Images,
        orientation::Turn,
        regions::{self, Region, children::Family},
        threshold::Cut,
    },
    pads::mask_sink::MaskReader,
    video::{converter::Converter, error::BadPicture},
};

/// What an element has to draw masks from, and what it knows of them.
#[derive(Default)]
pub struct OwnMasks {
    pub regions: Family,
    pub reader: Mutex<MaskReader>,
    images: Mutex<Images>,
    remarks: Mutex<Remarks>,
    /// What a player does with the frames that come.
    shown: Mutex<Turn>,
    /// It was said that the format has no alpha.
    warned: AtomicBool,
}

impl OwnMasks {
    /// Takes down what the stream's tags say of its frames, if they do.
    pub fn turn(&self, shown: Option<Turn>) {
        if let Some(shown) = shown {
            *self.shown.lock() = shown;
        }
    }

    /// A source has begun anew: what is odd about it is told again.
    pub fn begin(&self, origin: Origin) {
        self.remarks.lock().forget(origin);
    }

    /// Forgets all but the regions.
    pub fn forget(&self) {
        *self.reader.lock() = MaskReader::default();
        *self.images.lock() = Images::default();
        *self.remarks.lock() = Remarks::default();
        *self.shown.lock() = Turn::NONE;
    }
}

impl Propainter {
    /// Brings what is controlled to the frame's time and takes down what its hole is made
    /// of; `index` is its number since the start or the last seek. An image is decoded here,
    /// once, and goes with the frame. The converter given back is the one to write the frame
    /// with. Call without a lock.
    ///
    /// # Errors
    /// A buffer whose alpha cannot be read.
    pub(crate) fn own_masks(
        &self,
        buffer: &gst::BufferRef,
        converter: &Arc<Converter>,
        stream_time: Option<ClockTime>,
        index: u64,
    ) -> Result<(Arc<Converter>, FrameMasks), BadPicture> {
        if let Some(time) = stream_time {
            self.sync(time);
        }
        let (location, cut, from_alpha, roi_types) = {
            let settings = self.settings.lock();
            let cut = Cut {
                threshold: u8::try_from(settings.mask_threshold).unwrap_or(u8::MAX),
                invert: settings.mask_invert,
            };
            (
                settings.mask_location.clone(),
                cut,
                settings.mask_from_alpha,
                settings.mask_roi_type.clone(),
            )
        };
        let alpha = from_alpha.then_some(cut.threshold);
        if from_alpha && !converter.has_alpha() && !self.own.warned.swap(true, Ordering::Relaxed) {
            let format = converter.info().format();
            gst::warning!(CAT, imp = self, "mask-from-alpha: {format} has no alpha");
        }
        let converter = converter.see_through(alpha);
        let alpha = converter.transparent(buffer)?.map(Arc::new);
        let mut rectangles = self.own.regions.regions();
        if let Some(types) = roi_types {
            rectangles.extend(regions_of_interest(buffer, &types));
        }
        let mut remarks = vec![];
        let image = {
            let mut images = self.own.images.lock();
            let image = images.image(location.as_ref(), index, &mut remarks);
            if images.has_opened() {
                self.own.begin(Origin::Location);
            }
            image
        };
        self.post_remarks(remarks);
        let pixel = converter.info().par();
        let own = FrameMasks {
            image,
            cut,
            rectangles: rectangles.into(),
            alpha,
            shown: *self.own.shown.lock(),
            pixel: positive(pixel),
        };
        Ok((converter, own))
    }

    /// Tells what is odd about the masks that a frame's hole is made of.
    pub(crate) fn note_masks(&self, seen: &[Seen]) {
        let remarks: Vec<Remark> = {
            let mut remarks = self.own.remarks.lock();
            seen.iter().flat_map(|seen| remarks.see(seen)).collect()
        };
        self.post_remarks(remarks);
    }

    /// The stream ends: tells where no mask had a hole.
    pub(crate) fn end_masks(&self) {
        let remarks = self.own.remarks.lock().end();
        self.post_remarks(remarks);
    }

    /// Sets controlled properties to their values at `time`.
    fn sync(&self, time: ClockTime) {
        // Where a control source has no value for the time, the property stays.
        let sync = |object: &gst::Object| {
            if object.sync_values(time).is_err() {
                gst::log!(CAT, imp = self, "{object:?} has no value at {time}");
            }
        };
        sync(self.obj().upcast_ref());
        for child in self.own.regions.children() {
            sync(child.upcast_ref());
        }
    }

    /// Sets the children to `value` and tells whoever listens.
    ///
    /// # Errors
    /// As [`regions::parse`]; nothing changes then.
    pub(crate) fn set_regions(&self, value: &glib::Value) -> Result<(), String> {
        let wanted = regions::parse(value)?;
        let element = self.obj();
        let changes = self.own.regions.set(&element, &wanted);
        for child in &changes.changed {
            child.tell();
        }
        for child in changes.removed.iter().rev() {
            element.child_removed(child, &child.name());
        }
        for child in &changes.added {
            element.child_added(child, &child.name());
        }
        Ok(())
    }
}

impl ChildProxyImpl for Propainter {
    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        let children = self.own.regions.children();
        Some(children.get(index as usize)?.clone().upcast())
    }

    fn children_count(&self) -> u32 {
        u32::try_from(self.own.regions.children().len()).unwrap_or(u32::MAX)
    }
}

/// The ratio as numbers above 0; 0 where it is none.
pub fn positive(ratio: gst::Fraction) -> (u32, u32) {
    let positive = |number| u32::try_from(number).unwrap_or(0);
    (positive(ratio.numer()), positive(ratio.denom()))
}

/// The regions of interest whose type is among `types`, separated by commas; `*` is any.
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
