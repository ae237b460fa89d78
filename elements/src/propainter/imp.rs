//! The element's class: pads, properties and state changes.

use std::{
    sync::{Arc, LazyLock},
    thread::JoinHandle,
};

use gst::{glib, prelude::*, subclass::prelude::*};
use parking_lot::Mutex;

use crate::propainter::{
    log::CAT,
    masks::{combine::MaskCombiner, regions},
    pads::{
        mask_sink, sink, sink_query, src, task,
        templates::{MASK_PAD, templates},
    },
    properties::specs::specifications,
    stream::{
        context::{Context, Shared},
        latency,
        run::{Phase, Run},
        warm_up::{self, WarmUp},
        worker,
    },
    trim,
};

/// The instance of the element.
pub struct Propainter {
    shared: Arc<Shared>,
    warm_up: Mutex<Option<WarmUp>>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Propainter {
    fn context(&self) -> Context {
        let element = self.obj().upcast_ref::<gst::Element>().clone();
        Context::new(element, self.shared.clone())
    }

    /// Returns what the threads of the element share.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn start(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.shared.settings.lock().clone();
        self.shared.state.lock().run = Run::new(settings);
        let context = self.context();
        latency::update_expected(&context);
        let worker = worker::spawn(context).map_err(|error| {
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

    /// Wakes everyone who waits, and ends the running call of the session.
    fn begin_stop(&self) {
        {
            let run = &mut self.shared.state.lock().run;
            run.stopping = true;
            run.phase = Phase::Inactive;
            run.invalidate();
        }
        self.shared.state.notify();
    }

    fn finish_stop(&self) {
        let worker = self.worker.lock().take();
        if worker.is_some_and(|worker| worker.join().is_err()) {
            gst::error!(CAT, imp = self, "the worker thread panicked");
        }
        {
            // `stats` stays readable; everything that holds memory is dropped.
            let run = &mut self.shared.state.lock().run;
            run.clear_queue();
            run.masks.stream.flush();
            (run.input.converter, run.input.canvas) = (None, None);
            run.cancel = None;
            run.last_mask = None;
        }
        *self.shared.overdue_masks.lock() = MaskCombiner::default();
        self.shared.mask_sources.reset();
    }

    /// Applies a property that may change while playing.
    fn apply_at_once(&self, name: &str, value: &glib::Value) {
        if !matches!(name, "late-policy" | "processing-latency" | "qos") {
            return;
        }
        // The value was accepted for the settings already.
        let _ = self.shared.state.lock().run.settings.set(name, value);
        self.shared.state.notify();
        latency::publish(&self.context());
    }

    /// Sets the children to `value` and announces the changes.
    fn set_regions(&self, value: &glib::Value) -> Result<(), String> {
        let wanted = regions::parse(value)?;
        let element = self.obj();
        let children = &self.shared.mask_sources.regions;
        let changes = children.set(element.upcast_ref(), &wanted);
        for child in &changes.changed {
            child.notify_all();
        }
        for child in changes.removed.iter().rev() {
            element.child_removed(child, &child.name());
        }
        for child in &changes.added {
            element.child_added(child, &child.name());
        }
        Ok(())
    }

    fn new_mask_pad(template: &gst::PadTemplate) -> gst::Pad {
        gst::Pad::builder_from_template(template)
            .name(MASK_PAD)
            .chain_function(|pad, parent, buffer| {
                call(parent, flow_error, |cx| mask_sink::chain(cx, pad, &buffer))
            })
            .event_function(|pad, parent, event| {
                call(parent, || false, |cx| mask_sink::event(cx, pad, &event))
            })
            .activatemode_function(|_, parent, mode, active| {
                call(parent, panicked, |cx| mask_sink::activate(cx, mode, active))
            })
            .unlink_function(|_, parent| call(parent, || (), mask_sink::unlinked))
            // Masks do not go downstream.
            .iterate_internal_links_function(|_, _| gst::Iterator::from_vec(vec![]))
            .build()
    }
}

/// Calls a pad function with the context of the element. A panic in it is posted as an error, and
/// `fallback` gives the result.
fn call<R>(
    parent: Option<&gst::Object>,
    fallback: impl FnOnce() -> R,
    function: impl FnOnce(&Context) -> R,
) -> R {
    Propainter::catch_panic_pad_function(parent, fallback, |this| function(&this.context()))
}

fn flow_error() -> Result<gst::FlowSuccess, gst::FlowError> {
    Err(gst::FlowError::Error)
}

fn panicked() -> Result<(), gst::LoggableError> {
    Err(gst::loggable_error!(CAT, "panic"))
}

fn no_pads() -> gst::Iterator<gst::Pad> {
    gst::Iterator::from_vec(vec![])
}

fn pad_iterator(pad: &gst::Pad) -> gst::Iterator<gst::Pad> {
    gst::Iterator::from_vec(vec![pad.clone()])
}

/// Runs a step of the source pad's task. A panic in it is posted as an error; the task is paused, as
/// it would only panic again.
fn guarded(element: &gst::Element, step: &mut dyn FnMut()) {
    if let Some(element) = element.downcast_ref::<super::Propainter>() {
        let this = element.imp();
        this.catch_panic(|| drop(this.shared.src.pause_task()), |_| step());
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
                call(parent, flow_error, |cx| sink::chain(cx, buffer))
            })
            .event_full_function(|_, parent, event| {
                call(parent, flow_error, |cx| sink::event(cx, event))
            })
            .query_function(|_, parent, query| {
                call(parent, || false, |cx| sink_query::query(cx, query))
            })
            .iterate_internal_links_function(|_, parent| {
                call(parent, no_pads, |cx| pad_iterator(&cx.src))
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        let src = gst::Pad::builder_from_template(&template("src"))
            .event_function(|_, parent, event| call(parent, || false, |cx| src::event(cx, event)))
            .query_function(|_, parent, query| call(parent, || false, |cx| src::query(cx, query)))
            .activatemode_function(|_, parent, _, active| {
                call(parent, panicked, |cx| task::activate(cx, active))
            })
            .iterate_internal_links_function(|_, parent| {
                call(parent, no_pads, |cx| pad_iterator(&cx.sink))
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        Self {
            shared: Arc::new(Shared::new(sink, src, guarded)),
            warm_up: Mutex::default(),
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
            name => self.shared.settings.lock().set(name, value),
        };
        match set {
            Ok(()) => self.apply_at_once(pspec.name(), value),
            Err(problem) => {
                gst::warning!(CAT, imp = self, "{} is not set: {problem}", pspec.name());
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "mask-regions" => regions::to_value(&self.shared.mask_sources.regions.regions()),
            "stats" => self.shared.state.lock().run.statistics().to_value(),
            "plan" => self.shared.state.lock().run.session.plan.to_value(),
            "latency" => {
                let latency = self.shared.state.lock().run.latency;
                latency.nseconds().to_value()
            }
            name => {
                let value = self.shared.settings.lock().get(name);
                value.unwrap_or_else(|| pspec.default_value().clone())
            }
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        for pad in [&self.shared.sink, &self.shared.src] {
            element.add_pad(pad).expect("a new element has no pads");
        }
    }

    fn dispose(&self) {
        self.shared.mask_sources.regions.clear();
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
                "Fills a hole in video (a logo, a wire, a person) with the background that \
                 other frames show",
                "The propainter developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(templates);
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => {
                *self.warm_up.lock() = warm_up::begin(&self.context());
            }
            gst::StateChange::ReadyToPaused => self.start()?,
            gst::StateChange::PausedToReady => self.begin_stop(),
            // Frames are due by the clock only while playing.
            gst::StateChange::PausedToPlaying | gst::StateChange::PlayingToPaused => {
                {
                    let run = &mut self.shared.state.lock().run;
                    run.playing = transition == gst::StateChange::PausedToPlaying;
                    run.input.arrivals.interrupt();
                    run.masks.arrivals.interrupt();
                    run.note_progress();
                }
                self.shared.state.notify();
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
            let warm_up = self.warm_up.lock().take();
            warm_up::end(&self.context(), warm_up);
            // The buffers of the source are freed by now, too.
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
            let mut state = self.shared.state.lock();
            if state.mask_pad.is_some() {
                gst::error!(CAT, imp = self, "there is only one {MASK_PAD}");
                return None;
            }
            let pad = Self::new_mask_pad(template);
            state.run.masks.stream.flush();
            state.mask_pad = Some(pad.clone());
            pad
        };
        self.obj().add_pad(&pad).ok()?;
        Some(pad)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        // Deactivated first, so that its chain function returns.
        let _ = pad.set_active(false);
        {
            let mut state = self.shared.state.lock();
            state.mask_pad = None;
            state.run.masks.stream.flush();
        }
        self.shared.state.notify();
        let _ = self.obj().remove_pad(pad);
    }
}

impl ChildProxyImpl for Propainter {
    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        let children = self.shared.mask_sources.regions.children();
        Some(children.get(index as usize)?.clone().upcast())
    }

    fn children_count(&self) -> u32 {
        let children = self.shared.mask_sources.regions.children();
        u32::try_from(children.len()).unwrap_or(u32::MAX)
    }
}
