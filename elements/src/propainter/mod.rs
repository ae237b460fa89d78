//! # propainter
//!
//! Fills a hole in moving pictures with what was behind it.
//!
//! Every frame that comes in goes out once, in order, with its timestamps, duration, flags,
//! metas and caps. Pixels outside the (dilated) hole are bit-identical: the fill is written
//! into a copy of the incoming buffer, in the stream's own format.
//!
//! ## Masks
//!
//! A frame's hole is the union of what these say of it; without any it is empty.
//!
//! * `mask_sink`, a request pad for GRAY8 video of any size and rate.
//!   A frame gets the latest mask whose running time is not after its own; after EOS the last
//!   mask stays, so a still image is enough.
//! * `mask-location`, one image, or numbered images `mask%05d.png`, one for each frame.
//! * `mask-regions`, rectangles in pixels of the frame. Each is also a child `region0`,
//!   `region1`, … with the properties `x`, `y`, `width` and `height`, so that a control source
//!   can move it: `propainter mask-regions="<<0,0,64,32>>" region0::x=40`.
//! * `mask-roi-type`, the types of `GstVideoRegionOfInterestMeta` whose rectangles are hole.
//! * `mask-from-alpha`: what is not opaque is hole, and is opaque once it is filled.
//!
//! Of the pictures of the first two, luma above `mask-threshold` is hole, with `mask-invert`
//! luma that is not. How a mask was stored is found by looking (`looks.rs`, `mask_image.rs`), how
//! it lies on the frame by aspect and orientation tag (`fit.rs`); what is odd is told once for each
//! source (`remarks.rs`). Properties hold for the frames that come after they were set, and
//! controlled ones have their value at the frame's stream time.
//!
//! ## Streaming
//!
//! Frames, events and queries stand in one line (`line.rs`). The sink pad appends to it
//! (`sink.rs`), a worker thread owns the session and computes (`worker.rs`), and the source
//! pad's task sends out what is ready at the front (`src.rs`). The engine holds frames back
//! for its look-ahead; `latency` and the LATENCY query say how long.
//!
//! ## Memory
//!
//! Before the first frame is computed the engine plans how to cut its work to fit
//! `vram-budget` and `host-budget`, and tells the plan (`plan`, `stats`, an INFO line). What
//! it decides is posted as element messages (`notices.rs`): `propainter-plan` to start with,
//! `propainter-degraded` where something had to be given up, `propainter-out-of-memory`
//! where memory was short and it goes on with less, `propainter-regrown` where more is tried again.
//!
//! ```console
//! gst-launch-1.0 filesrc location=in.mp4 ! decodebin ! videoconvert \
//!     ! propainter mask-location=logo.png ! videoconvert ! autovideosink
//! ```

mod bus;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod imp;
mod log;
mod masks;
mod pads;
mod properties;
mod qos;
mod stream;
mod video;

use gst::{glib, prelude::*, subclass::prelude::*};

use self::{masks::regions::object::PropainterRegion, properties::enums};

glib::wrapper! {
    /// The element `propainter`.
    pub struct Propainter(ObjectSubclass<imp::Propainter>)
        @extends gst::Element, gst::Object,
        @implements gst::ChildProxy, gst::Preset;
}

impl Propainter {
    /// Faults for sessions opened from now on: what tests use to see the element recover.
    #[doc(hidden)]
    pub fn set_faults(&self, faults: propainter::memory::Faults) {
        self.imp().set_faults(faults);
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
        enums::LatePolicy::static_type(),
        enums::Precision::static_type(),
        enums::BudgetPolicy::static_type(),
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
