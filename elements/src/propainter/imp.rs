//! The element's class: pads, properties and state changes.

use std::{sync::LazyLock, thread::JoinHandle};

use gst::{glib, prelude::*, subclass::prelude::*};
use gst_video::{VideoCapsBuilder, VideoFormat};
use parking_lot::Mutex;

use crate::propainter::{
    log::CAT,
    masks::{combine::Masks, per_frame::OwnMasks, regions},
    properties::{settings::Settings, specs::specifications},
    stream::{
        state::{Shared, State},
        warm_up::WarmUp,
        worker,
    },
    video::{device, formats::FORMATS, trim},
};
use propainter::memory::Faults;

const MASK_PAD: &str = "mask_sink";

pub struct Propainter {
    pub(super) sink: gst::Pad,
    pub(super) src: gst::Pad,
    pub(super) settings: Mutex<Settings>,
    pub(super) own: OwnMasks,
    /// Of frames that have to go before the worker has come to them.
    pub(super) late_masks: Mutex<Masks>,
    pub(super) shared: Shared,
    pub(super) warm_up: Mutex<Option<WarmUp>>,
    faults: Mutex<Faults>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Propainter {
    fn start(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings.lock().clone();
        {
            let mut state = self.shared.lock();
            *state = State {
                settings,
                mask_pad: state.mask_pad.take(),
                warming: state.warming,
                warm: state.warm.take(),
                flushing: true,
                ..State::default()
            };
        }
        self.promise();
        let worker = worker::spawn(self.obj().clone()).map_err(|error| {
            gst::element_imp_error!(
                self,
                gst::ResourceError::Failed,
                ("cannot start the worker thread: {}", error)
            );
            gst::StateChangeError
        })?;
        *self.worker.lock() = Some(worker);
        Ok(())
    }

    /// Lets everyone who waits go, and the session's running call end.
    fn begin_stop(&self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        state.flushing = true;
        state.abandon();
        drop(state);
        self.shared.notify();
    }

    fn finish_stop(&self) {
        let worker = self.worker.lock().take();
        if worker.is_some_and(|worker| worker.join().is_err()) {
            gst::error!(CAT, imp = self, "the worker thread panicked");
        }
        // `stats` stays readable; what holds memory goes.
        let mut state = self.shared.lock();
        state.clear_line();
        state.masks.flush();
        state.converter = None;
        state.cancel = None;
        state.last_mask = None;
        drop(state);
        *self.late_masks.lock() = Masks::default();
        self.own.forget();
    }

    pub(super) fn faults(&self) -> Faults {
        self.faults.lock().clone()
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        *self.faults.lock() = faults;
    }

    /// What may change while playing takes effect at once.
    fn follow(&self, name: &str, value: &glib::Value) {
        if !matches!(name, "late-policy" | "processing-latency" | "qos") {
            return;
        }
        // It was good for the settings already.
        let _ = self.shared.lock().settings.set(name, value);
        self.shared.notify();
        self.publish_latency();
    }

    fn new_mask_pad(&self, template: &gst::PadTemplate) -> gst::Pad {
        gst::Pad::builder_from_template(template)
            .name(MASK_PAD)
            .chain_function(|pad, parent, buffer| {
                Propainter::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |this| this.mask_chain(pad, &buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Propainter::catch_panic_pad_function(
                    parent,
                    || false,
                    |this| this.mask_event(pad, &event),
                )
            })
            .activatemode_function(|_, parent, mode, active| {
                Propainter::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "panic")),
                    |this| this.mask_activate(mode, active),
                )
            })
            .unlink_function(|_, parent| {
                Propainter::catch_panic_pad_function(parent, || (), Self::mask_unlinked);
            })
            // Masks are turned into holes here; nothing of them goes on.
            .iterate_internal_links_function(|_, _| gst::Iterator::from_vec(vec![]))
            .build()
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Propainter {
    const NAME: &'static str = "GstPropainter";
    type Type = super::Propainter;
    type ParentType = gst::Element;
    type Interfaces = (gst::ChildProxy, gst::Preset);

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| {
            class
                .pad_template(name)
                .expect("templates are in the class")
        };
        let sink = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_, parent, buffer| {
                Propainter::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |this| this.sink_chain(buffer),
                )
            })
            .event_full_function(|_, parent, event| {
                Propainter::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |this| this.sink_event(event),
                )
            })
            .query_function(|_, parent, query| {
                Propainter::catch_panic_pad_function(
                    parent,
                    || false,
                    |this| this.sink_query(query),
                )
            })
            .iterate_internal_links_function(|_, parent| {
                Propainter::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(vec![]),
                    |this| gst::Iterator::from_vec(vec![this.src.clone()]),
                )
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        let src = gst::Pad::builder_from_template(&template("src"))
            .event_function(|_, parent, event| {
                Propainter::catch_panic_pad_function(parent, || false, |this| this.src_event(event))
            })
            .query_function(|_, parent, query| {
                Propainter::catch_panic_pad_function(parent, || false, |this| this.src_query(query))
            })
            .activatemode_function(|_, parent, _, active| {
                Propainter::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "panic")),
                    |this| this.src_activate(active),
                )
            })
            .iterate_internal_links_function(|_, parent| {
                Propainter::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(vec![]),
                    |this| gst::Iterator::from_vec(vec![this.sink.clone()]),
                )
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        Self {
            sink,
            src,
            settings: Mutex::default(),
            own: OwnMasks::default(),
            late_masks: Mutex::default(),
            shared: Shared::default(),
            warm_up: Mutex::default(),
            faults: Mutex::default(),
            worker: Mutex::default(),
        }
    }
}

impl ObjectImpl for Propainter {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(specifications);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let set = match pspec.name() {
            "mask-regions" => self.set_regions(value),
            name => self.settings.lock().set(name, value),
        };
        match set {
            Ok(()) => self.follow(pspec.name(), value),
            Err(problem) => {
                gst::warning!(CAT, imp = self, "{} stays: {problem}", pspec.name());
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "mask-regions" => regions::to_value(&self.own.regions.regions()),
            "stats" => self.stats().to_value(),
            "plan" => self.shared.lock().plan.to_value(),
            "latency" => self.shared.lock().latency.nseconds().to_value(),
            name => {
                let value = self.settings.lock().get(name);
                value.unwrap_or_else(|| pspec.default_value().clone())
            }
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        for pad in [&self.sink, &self.src] {
            element.add_pad(pad).expect("a new element has no pads");
        }
    }

    fn dispose(&self) {
        self.own.regions.clear();
    }
}

impl GstObjectImpl for Propainter {}

impl PresetImpl for Propainter {}

impl ElementImpl for Propainter {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "ProPainter video inpainting",
                "Filter/Effect/Video",
                "Fills a hole in moving pictures (a logo, a wire, a person) with what was \
                 behind it, seen in other frames",
                "The propainter developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            use gst::{PadDirection, PadPresence};
            let mut video = VideoCapsBuilder::new().format_list(FORMATS).build();
            video
                .make_mut()
                .append(device::caps().unwrap_or_else(gst::Caps::new_empty));
            let gray = VideoCapsBuilder::new().format(VideoFormat::Gray8).build();
            [
                ("sink", PadDirection::Sink, PadPresence::Always, &video),
                ("src", PadDirection::Src, PadPresence::Always, &video),
                (MASK_PAD, PadDirection::Sink, PadPresence::Request, &gray),
            ]
            .map(|(name, direction, presence, caps)| {
                gst::PadTemplate::new(name, direction, presence, caps)
                    .expect("the caps are fixed in the code")
            })
            .to_vec()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.begin_warm_up(),
            gst::StateChange::ReadyToPaused => self.start()?,
            gst::StateChange::PausedToReady => self.begin_stop(),
            // Only while playing does the clock say when a frame has to go.
            gst::StateChange::PausedToPlaying | gst::StateChange::PlayingToPaused => {
                let mut state = self.shared.lock();
                state.playing = transition == gst::StateChange::PausedToPlaying;
                state.arrivals.interrupt();
                state.mask_arrivals.interrupt();
                state.note_movement();
                drop(state);
                self.shared.notify();
            }
            _ => {}
        }
        let result = self.parent_change_state(transition);
        let failed_start = transition == gst::StateChange::ReadyToPaused && result.is_err();
        if failed_start {
            self.begin_stop();
        }
        if failed_start || transition == gst::StateChange::PausedToReady {
            self.finish_stop();
        }
        if transition == gst::StateChange::ReadyToNull {
            self.end_warm_up();
            // The source's buffers are gone by now, too.
            trim::trim();
        }
        result
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let pad = {
            let mut state = self.shared.lock();
            if state.mask_pad.is_some() {
                gst::error!(CAT, imp = self, "there is one {MASK_PAD} only");
                return None;
            }
            let pad = self.new_mask_pad(template);
            state.masks.flush();
            state.mask_pad = Some(pad.clone());
            pad
        };
        self.obj().add_pad(&pad).ok()?;
        Some(pad)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        // Deactivated first, which lets its chain function go.
        let _ = pad.set_active(false);
        {
            let mut state = self.shared.lock();
            state.mask_pad = None;
            state.masks.flush();
        }
        self.shared.notify();
        let _ = self.obj().remove_pad(pad);
    }
}
