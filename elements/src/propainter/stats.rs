//! The property `stats`.

use propainter::Model;

use super::imp::Propainter;

impl Propainter {
    pub(super) fn stats(&self) -> gst::Structure {
        let state = self.shared.lock();
        let busy = state.busy.as_secs_f64();
        let done = state.frames_out as f64;
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
            .field("frames-in", state.frames_in)
            .field("frames-out", state.frames_out)
            .field("held", state.line.frames() as u32)
            .field("waiting", state.line.waiting() as u32)
            .field("computing", state.line.computing() as u32)
            .field("ready", state.line.ready() as u32)
            .field("model", model)
            .field("processing-width", processing.0 as u32)
            .field("processing-height", processing.1 as u32)
            .field(
                "busy-time",
                u64::try_from(state.busy.as_nanos()).unwrap_or(u64::MAX),
            )
            .field("fps", if busy > 0.0 { done / busy } else { 0.0 })
            .field("plan", state.plan.as_deref().unwrap_or_default())
            .field("vram-budget", memory.budget)
            .field("vram-planned", memory.planned)
            .field("vram-used", memory.device)
            .field("vram-peak", memory.device_peak)
            .field("host-used", memory.host)
            .field("host-peak", memory.host_peak)
            .field("out-of-memory", memory.out_of_memory)
            .field("plans-regrown", memory.grown)
            .field("degraded", memory.degraded.to_string())
            .build()
    }
}
