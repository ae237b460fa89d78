//! Decisions of the session about its memory, as log lines and element messages.

use propainter::memory::Notice;

use super::post_element;
use crate::propainter::log::CAT;

/// Logs and posts a decision of the session.
pub fn post_notice(element: &gst::Element, notice: Notice) {
    let structure = match notice {
        Notice::Planned {
            plan,
            bytes,
            budget,
        } => {
            gst::info!(
                CAT,
                obj = element,
                "plan: {plan}; {bytes} of {budget} bytes"
            );
            gst::Structure::builder("propainter-plan")
                .field("plan", plan)
                .field("bytes", bytes)
                .field("budget", budget)
                .build()
        }
        Notice::Degraded { step, from, to } => {
            let step = step.name();
            gst::warning!(
                CAT,
                obj = element,
                "quality is reduced to fit the budget: {step}, from {from} to {to}"
            );
            gst::Structure::builder("propainter-degraded")
                .field("step", step)
                .field("from", from)
                .field("to", to)
                .build()
        }
        Notice::Shrunk {
            stage,
            problem,
            plan,
        } => {
            gst::warning!(
                CAT,
                obj = element,
                "{stage} ran out of memory ({problem}); it goes on with: {plan}"
            );
            gst::Structure::builder("propainter-out-of-memory")
                .field("stage", stage.to_string())
                .field("problem", problem)
                .field("plan", plan)
                .build()
        }
        Notice::NotBuilt => {
            gst::element_warning!(
                element,
                gst::LibraryError::Settings,
                ("model=auto runs without the networks, which this build lacks; `make` builds \
                     them (cargo feature `networks`)")
            );
            return;
        }
        Notice::BudgetCapped { asked, total } => {
            gst::element_warning!(
                element,
                gst::LibraryError::Settings,
                (
                    "vram-budget={} is more than the device has: it uses at most all {} bytes; set \
                     vram-budget lower to leave memory to other programs",
                    asked,
                    total
                )
            );
            return;
        }
        Notice::FellBack { problem } => {
            gst::element_warning!(
                element,
                gst::ResourceError::NotFound,
                (
                    "device=auto: the networks run on the CPU although a CUDA driver is installed: \
                     {}",
                    problem
                )
            );
            return;
        }
        Notice::SegmentStart { frame } => gst::Structure::builder("propainter-segment-start")
            .field("frame", frame)
            .build(),
        Notice::Grown { plan } => {
            gst::info!(CAT, obj = element, "trying again: {plan}");
            gst::Structure::builder("propainter-regrown")
                .field("plan", plan)
                .build()
        }
    };
    post_element(element, structure);
}
