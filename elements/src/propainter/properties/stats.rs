//! The property `stats`.

use propainter::Model;

use crate::propainter::imp::Propainter;

impl Propainter {
    pub(crate) fn stats(&self) -> gst::Structure {
        let state = self.shared.lock();
        let (session, counts) = (&state.session, &state.counts);
        let sending = u32::from(state.sending);
        let busy = session.busy.as_secs_f64();
        let nanoseconds =
            |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let model = match state.facts.map(|facts| facts.model) {
            None => "none",
            Some(Model::Auto) => "auto",
            Some(Model::Propainter) => "propainter",
            Some(Model::Propagation) => "propagation",
        };
        let (processing, memory) = state
            .facts
            .map(|facts| (facts.processing, facts.memory))
            .unwrap_or_default();
        gst::Structure::builder("propainter-stats")
            .field("frames-in", counts.taken)
            .field("frames-out", counts.sent())
            .field("inpainted", counts.inpainted)
            .field("untouched", counts.untouched)
            .field("filled", counts.filled)
            .field("passed-through", counts.passed_through)
            .field("dropped", counts.dropped)
            .field("discarded", counts.discarded)
            .field("held", state.line.frames() as u32 + sending)
            .field("waiting", state.line.waiting() as u32)
            .field("computing", state.line.computing() as u32)
            .field("ready", state.line.ready() as u32 + sending)
            .field("working", state.working)
            .field("model", model)
            .field("processing-width", processing.0 as u32)
            .field("processing-height", processing.1 as u32)
            .field("views", session.views as u32)
            .field("late", counts.late)
            .field("late-arrivals", counts.late_arrivals)
            .field("source-delay", state.lateness.delay)
            .field("overload-episodes", counts.episodes)
            .field("standing-in", state.duty.stands_in())
            .field("device-failures", counts.device_failures)
            .field("scene-cuts", session.scene_cuts)
            .field("busy-time", nanoseconds(session.busy))
            .field("computing-time", nanoseconds(session.computing))
            .field("operations", memory.operations.iter().sum::<u64>())
            .field(
                "fps",
                if busy > 0.0 {
                    session.frames_out as f64 / busy
                } else {
                    0.0
                },
            )
            .field("plan", state.plan.as_deref().unwrap_or_default())
            .field("vram-budget", memory.budget)
            .field("vram-planned", memory.planned)
            .field("vram-used", memory.device)
            .field("vram-peak", memory.device_peak)
            .field("host-budget", memory.host_budget)
            .field("host-planned", memory.host_planned)
            .field("host-used", memory.host)
            .field("host-peak", memory.host_peak)
            .field("out-of-memory", memory.out_of_memory)
            .field("plans-regrown", memory.grown)
            .field("degraded", memory.degraded.to_string())
            .build()
    }
}
