//! # propainter
//!
//! Fills a hole in video with the background that other frames show.
//!
//! Every frame that comes in goes out once, in order, with its timestamps, duration, flags, metas
//! and caps. Pixels outside the (dilated) hole are bit-identical: the fill is written into a copy
//! of the incoming buffer, in the stream's own format.
//!
//! ## Masks
//!
//! The hole of a frame is the union of these sources; without any it is empty.
//!
//! * `mask_sink`, a request pad for GRAY8 video of any size and rate. A frame gets the latest mask
//!   whose running time is not after its own. After EOS the last mask stays, so a still image is
//!   enough.
//! * `mask-location`, one image, or numbered images `mask%05d.png`, one for each frame.
//! * `mask-regions`, rectangles in pixels of the frame. Each is also a child `region0`, `region1`,
//!   … with the properties `x`, `y`, `width` and `height`, so that a control source can move it:
//!   `propainter mask-regions="<<0,0,64,32>>" region0::x=40`.
//! * `mask-roi-type`, the types of `GstVideoRegionOfInterestMeta` whose rectangles are filled.
//! * `mask-from-alpha`: pixels that are not opaque are filled and become opaque.
//!
//! In the first two, luma above `mask-threshold` is hole; with `mask-invert` all other luma is. The
//! element detects how a mask was stored (`masks/luma_analysis.rs`, `masks/image_file.rs`), and
//! lays it on the frame by its aspect ratio and the orientation tags (`masks/fit.rs`). It reports
//! masks that look wrong once for each source (`masks/diagnostics.rs`). A property holds for the
//! frames that come after it was set; a controlled one has its value at the frame's stream time.
//!
//! ## Streaming
//!
//! Frames, events and queries wait in one queue (`stream/queue`). The sink pad appends to it
//! (`pads/sink.rs`), a worker thread owns the session and computes (`stream/worker`), and the task
//! of the source pad sends out what is ready at the front (`pads/src.rs`). The engine holds frames
//! back for its look-ahead; `latency` and the LATENCY query report for how long.
//!
//! ## Memory
//!
//! Before the first frame is computed the engine plans how to divide its work to fit `vram-budget`
//! and `host-budget`, and reports the plan (`plan`, `stats`, an INFO line). Its decisions are
//! posted as element messages (`bus/memory.rs`): `propainter-plan` at the start,
//! `propainter-degraded` when quality is reduced, `propainter-out-of-memory` when memory ran out
//! and it goes on with less, `propainter-regrown` when it tries more again.
//!
//! ```console
//! gst-launch-1.0 filesrc location=in.mp4 ! decodebin ! videoconvert \
//!     ! propainter mask-location=logo.png ! videoconvert ! autovideosink
//! ```

mod bus;
mod error;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod fuzz;
mod imp;
mod log;
mod masks;
mod pads;
mod properties;
mod qos;
mod stream;
mod trim;
mod video;

use ::propainter::{Config, Error};
use gst::{glib, prelude::*, subclass::prelude::*};

use self::{masks::regions::object::PropainterRegion, properties::enums};

glib::wrapper! {
    /// The element `propainter`.
    pub struct Propainter(ObjectSubclass<imp::Propainter>)
        @extends gst::Element, gst::Object,
        @implements gst::ChildProxy, gst::Preset;
}

impl Propainter {
    /// Returns the configuration that the properties give to a session of a file, for frames of this
    /// width and height in pixels.
    ///
    /// # Errors
    /// A property has a value that is none, or properties contradict each other.
    pub fn config(&self, size: (usize, usize)) -> Result<Config, Error> {
        self.imp().shared().settings.lock().config(size, false)
    }
}

#[cfg(feature = "internals")]
impl Propainter {
    /// Sets the faults of the sessions that are opened from now on, for tests of the recovery.
    #[doc(hidden)]
    pub fn set_faults(&self, faults: propainter::memory::Faults) {
        *self.imp().shared().faults.lock() = faults;
    }
}

/// Registers the element, with `plugin` or for this process only.
///
/// # Errors
/// The registry refuses.
pub fn register(plugin: Option<&gst::Plugin>) -> Result<(), glib::BoolError> {
    for api in [
        enums::Model::static_type(),
        enums::Mode::static_type(),
        enums::CropMode::static_type(),
        enums::LatePolicy::static_type(),
        enums::Precision::static_type(),
        enums::AllowedDegradation::static_type(),
        PropainterRegion::static_type(),
    ] {
        api.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(
        plugin,
        "propainter",
        gst::Rank::NONE,
        Propainter::static_type(),
    )
}
