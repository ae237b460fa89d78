//! What the session decided about its memory, as log lines and element messages.

use gst::{prelude::*, subclass::prelude::*};
use propainter::memory::Notice;

use super::imp::{CAT, Propainter};

impl Propainter {
    pub(super) fn post_notice(&self, notice: Notice) {
        let structure = match notice {
            Notice::Planned {
                plan,
                bytes,
                budget,
            } => {
                gst::info!(CAT, imp = self, "plan: {plan}; {bytes} of {budget} bytes");
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
                    imp = self,
                    "given up to fit the budget: {step}, from {from} to {to}"
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
                    imp = self,
                    "{stage} is short of memory ({problem}); it goes on with: {plan}"
                );
                gst::Structure::builder("propainter-out-of-memory")
                    .field("stage", stage.to_string())
                    .field("problem", problem)
                    .field("plan", plan)
                    .build()
            }
            Notice::NotBuilt => {
                gst::element_imp_warning!(
                    self,
                    gst::LibraryError::Settings,
                    ("model=auto runs without the networks, which this build lacks; build with \
                         `make` (cargo feature `networks`) to have them")
                );
                return;
            }
            Notice::FellBack { problem } => {
                gst::element_imp_warning!(
                    self,
                    gst::ResourceError::NotFound,
                    (
                        "device=auto: the networks run on the CPU though a CUDA driver is here: {}",
                        problem
                    )
                );
                return;
            }
            Notice::Grown { plan } => {
                gst::info!(CAT, imp = self, "trying again: {plan}");
                gst::Structure::builder("propainter-regrown")
                    .field("plan", plan)
                    .build()
            }
        };
        self.post_element(structure);
    }

    pub(super) fn post_element(&self, structure: gst::Structure) {
        let element = self.obj();
        let message = gst::message::Element::builder(structure)
            .src(&*element)
            .build();
        // Without a bus nobody listens.
        let _ = element.post_message(message);
    }
}
