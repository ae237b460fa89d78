//! The latency of the element: what the settings imply, and what is published.

use gst::{ClockTime, prelude::*};

use crate::propainter::{
    bus::progress,
    stream::{context::Context, run::ExpectedDelay},
};

/// Notes the delay that the settings imply; no session is opened for that. Call without the lock.
pub fn update_expected(cx: &Context) {
    let (settings, live, converter) = {
        let run = &cx.state.lock().run;
        (run.settings.clone(), run.live, run.input.converter.clone())
    };
    let read_there = converter.filter(|converter| converter.device_samples().is_some());
    let read_there = read_there.filter(|converter| converter.is_on_device());
    // The size has no influence on the delay, and a wrong setting is an error at the first frame.
    let size = read_there
        .as_ref()
        .map_or((8, 8), |converter| converter.size());
    if let Ok(config) = settings.config(size, live) {
        let session = &mut cx.state.lock().run.session;
        session.expected = ExpectedDelay {
            latency_frames: config.latency_frames(),
            hop: config.hop(),
        };
        session.may_read_there = read_there.is_some() && config.frames_may_stay_on_device();
    }
}

/// Notes what upstream reports of itself. Call without the lock.
pub fn set_upstream(cx: &Context, live: bool, latency: ClockTime) {
    let changed = {
        let run = &mut cx.state.lock().run;
        let changed = run.live != live;
        (run.live, run.upstream_latency) = (live, if live { latency } else { ClockTime::ZERO });
        changed
    };
    if changed {
        update_expected(cx);
        cx.state.notify();
    }
}

/// Publishes the latency if it differs from the one last published. Call without the lock.
pub fn publish(cx: &Context) {
    {
        let run = &mut cx.state.lock().run;
        let latency = run.own_latency();
        if latency == run.latency {
            return;
        }
        run.latency = latency;
    }
    cx.element.notify("latency");
    progress::post_latency(&cx.element);
}
