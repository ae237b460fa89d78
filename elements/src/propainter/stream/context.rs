//! The context that pad functions, the worker and timers work with in place of the element's
//! class.

use std::{
    ops::Deref,
    sync::{Arc, Weak},
};

use gst::{glib, prelude::*};
use parking_lot::Mutex;
#[cfg(feature = "internals")]
use propainter::memory::Faults;

use crate::propainter::{
    masks::{combine::MaskCombiner, per_frame::MaskSources},
    properties::settings::Settings,
    stream::state::SharedState,
};

/// Runs a step of the source pad's task. A panic in it is posted as an error and pauses the task.
pub type TaskGuard = fn(&gst::Element, &mut dyn FnMut());

/// What the threads of one element share.
pub struct Shared {
    pub sink: gst::Pad,
    pub src: gst::Pad,
    /// The values of the properties.
    pub settings: Mutex<Settings>,
    pub mask_sources: MaskSources,
    /// Combines the masks of frames that have to go out before the worker has come to them.
    pub overdue_masks: Mutex<MaskCombiner>,
    pub state: Arc<SharedState>,
    pub guard: TaskGuard,
    /// Faults of the sessions to be opened, for tests.
    #[cfg(feature = "internals")]
    pub faults: Mutex<Faults>,
}

impl Shared {
    /// Returns what an element with these pads shares.
    pub fn new(sink: gst::Pad, src: gst::Pad, guard: TaskGuard) -> Self {
        Self {
            sink,
            src,
            settings: Mutex::default(),
            mask_sources: MaskSources::default(),
            overdue_masks: Mutex::default(),
            state: Arc::default(),
            guard,
            #[cfg(feature = "internals")]
            faults: Mutex::default(),
        }
    }
}

/// An element and what its threads share. Cloning it is cheap.
#[derive(Clone)]
pub struct Context {
    // Dropped before the element, so that it never outlives it: its regions have the element as
    // their parent.
    shared: Arc<Shared>,
    pub element: gst::Element,
}

impl Context {
    /// Returns the context of `element`, to which `shared` belongs.
    pub fn new(element: gst::Element, shared: Arc<Shared>) -> Self {
        Self { shared, element }
    }

    /// Returns a context that does not keep the element alive.
    pub fn downgrade(&self) -> WeakContext {
        WeakContext {
            element: self.element.downgrade(),
            shared: Arc::downgrade(&self.shared),
        }
    }
}

impl Deref for Context {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// A [`Context`] that does not keep the element alive.
#[derive(Clone)]
pub struct WeakContext {
    element: glib::WeakRef<gst::Element>,
    shared: Weak<Shared>,
}

impl WeakContext {
    /// Returns the context if the element is still there.
    pub fn upgrade(&self) -> Option<Context> {
        let element = self.element.upgrade()?;
        let shared = self.shared.upgrade()?;
        Some(Context { shared, element })
    }
}
