//! Observers of a run: a bar, lines of JSON, and errors alone.

use std::io::Write;

use indicatif::ProgressBar;
use propainter_training::run::{Observer, Progress, Report};
use serde_json::{Map, Value, json};

use crate::{progress, units};

/// Shows remarks, validations and, on a terminal, a bar.
pub(super) struct Bar<'a> {
    errors: &'a mut dyn Write,
    bar: ProgressBar,
}

impl<'a> Bar<'a> {
    /// Returns a bar whose remarks go to `errors`.
    pub fn new(errors: &'a mut dyn Write) -> Self {
        let bar = progress::steps();
        Self { errors, bar }
    }

    fn note(&mut self, text: &str) {
        let Self { errors, bar } = self;
        // A remark that cannot be shown is no reason to stop.
        let _ = bar.suspend(|| writeln!(errors, "propainter train: {text}"));
    }
}

impl Observer for Bar<'_> {
    fn report(&mut self, report: &Report<'_>) {
        match report {
            Report::Reading { done, total } => {
                self.bar.set_length(*total as u64);
                self.bar.set_position(*done as u64);
                self.bar.set_message("videos are read");
            }
            Report::Step(progress) => {
                self.bar.set_length(progress.steps);
                self.bar.set_position(progress.step);
                self.bar.set_message(summary(progress));
            }
            // Where no bar is shown, the lines of the log are.
            Report::Logged(progress) if self.bar.is_hidden() => {
                self.note(&format!("step {}: {}", progress.step, summary(progress)));
            }
            Report::Validation { step, measures } => {
                let measure = |(name, value): &(String, f64)| format!("{name} {value:.4}");
                let measures: Vec<_> = measures.iter().map(measure).collect();
                self.note(&format!("step {step}, validation: {}", measures.join(", ")));
            }
            Report::Notice(text) => self.note(text),
            Report::Logged(_) | Report::Checkpoint { .. } => {}
        }
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Returns losses, speed, share of waiting, memory and time left in one line.
fn summary(progress: &Progress) -> String {
    let losses = progress.losses.iter().take(4);
    let mut parts: Vec<_> = losses
        .map(|(name, value)| format!("{name} {value:.4}"))
        .collect();
    parts.push(format!("{:.2} steps/s", progress.steps_per_second));
    parts.push(format!("waited {:.0} %", 100.0 * progress.waited));
    let memory = progress.host_memory;
    parts.extend(memory.map(|memory| format!("{} of memory", units::bytes(memory))));
    if let Some(left) = progress.left() {
        let minutes = left.as_secs() / 60;
        parts.push(format!("{}:{:02} h left", minutes / 60, minutes % 60));
    }
    parts.join(", ")
}

/// Writes a line of JSON for each line of the log, validation, checkpoint and remark.
pub(super) struct JsonLines<'a>(pub &'a mut dyn Write);

impl JsonLines<'_> {
    /// Writes one object as a line.
    pub fn line(&mut self, object: &Value) {
        // A reader that is gone is no reason to stop.
        let _ = writeln!(self.0, "{object}").and_then(|()| self.0.flush());
    }
}

impl Observer for JsonLines<'_> {
    fn report(&mut self, report: &Report<'_>) {
        let numbers = |values: &mut dyn Iterator<Item = (&str, f64)>| {
            let values = values.map(|(name, value)| (name.to_owned(), json!(value)));
            Value::Object(values.collect::<Map<_, _>>())
        };
        match report {
            Report::Reading { .. } | Report::Step(_) => {}
            Report::Logged(progress) => self.line(&json!({
                "type": "progress",
                "step": progress.step,
                "steps": progress.steps,
                "losses": numbers(&mut progress.losses.iter().copied()),
                "steps_per_second": progress.steps_per_second,
                "seconds_left": progress.left().map(|left| left.as_secs_f64()),
                "waited": progress.waited,
                "host_bytes": progress.host_memory,
                "skipped": progress.skipped,
            })),
            Report::Validation { step, measures } => {
                let mut measures = measures.iter().map(|(name, value)| (name.as_str(), *value));
                let measures = numbers(&mut measures);
                self.line(&json!({ "type": "validation", "step": step, "measures": measures }));
            }
            Report::Checkpoint { step } => {
                self.line(&json!({ "type": "checkpoint", "step": step }));
            }
            Report::Notice(text) => self.line(&json!({ "type": "notice", "text": text })),
        }
    }
}

/// Shows nothing.
pub(super) struct Quiet;

impl Observer for Quiet {
    fn report(&mut self, _: &Report<'_>) {}
}
