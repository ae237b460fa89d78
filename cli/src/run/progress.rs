//! Observers of a clip: a bar, lines of JSON, and none.

use std::{io::Write, time::Duration};

use indicatif::ProgressBar;
use serde_json::json;

use crate::{progress, units};

use super::play::{Observer, Progress};

/// Shows remarks and, on a terminal, a bar.
pub struct Bar<'a> {
    name: &'static str,
    errors: &'a mut dyn Write,
    bar: ProgressBar,
}

impl<'a> Bar<'a> {
    /// Returns a bar of the subcommand `name`, whose remarks go to `errors`.
    pub fn new(name: &'static str, errors: &'a mut dyn Write) -> Self {
        let bar = progress::clip();
        Self { name, errors, bar }
    }
}

impl Observer for Bar<'_> {
    fn progress(&mut self, progress: &Progress) {
        if let Some(total) = progress.total {
            self.bar.set_length(total);
        }
        self.bar.set_position(progress.frames);
        self.bar.set_message(summary(progress));
    }

    fn notice(&mut self, text: &str) {
        let Self { name, errors, bar } = self;
        // A remark that cannot be shown is no reason to stop.
        let _ = bar.suspend(|| writeln!(errors, "propainter {name}: {text}"));
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Returns speed, time left, memory and plan in one line.
fn summary(progress: &Progress) -> String {
    let sample = &progress.sample;
    let mut parts = vec![format!("{:.1} fps", progress.fps)];
    if let Some(left) = progress.left() {
        parts.push(format!("{} left", duration(left)));
    }
    for (name, used, budget) in [
        ("device", sample.used, sample.budget),
        ("host", sample.host, 0),
    ] {
        match (used, budget) {
            (0, _) => {}
            (used, 0 | u64::MAX) => parts.push(format!("{name} {}", units::bytes(used))),
            (used, budget) => parts.push(format!(
                "{name} {} of {}",
                units::bytes(used),
                units::bytes(budget)
            )),
        }
    }
    if !sample.plan.is_empty() {
        parts.push(sample.plan.clone());
    }
    parts.join(", ")
}

/// Returns a duration as hours, minutes and seconds.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Writes a line of JSON for each report.
pub struct JsonLines<'a>(pub &'a mut dyn Write);

impl JsonLines<'_> {
    /// Writes one object as a line.
    pub fn line(&mut self, object: &serde_json::Value) {
        // A reader that is gone is no reason to stop.
        let _ = writeln!(self.0, "{object}").and_then(|()| self.0.flush());
    }
}

impl Observer for JsonLines<'_> {
    fn progress(&mut self, progress: &Progress) {
        let sample = &progress.sample;
        self.line(&json!({
            "type": "progress",
            "frames": progress.frames,
            "total": progress.total,
            "seconds": progress.elapsed.as_secs_f64(),
            "fps": progress.fps,
            "seconds_left": progress.left().map(|left| left.as_secs_f64()),
            "model": sample.model,
            "plan": sample.plan,
            "device_bytes": sample.used,
            "device_budget": sample.budget,
            "host_bytes": sample.host,
        }));
    }

    fn notice(&mut self, text: &str) {
        self.line(&json!({ "type": "notice", "text": text }));
    }
}

/// Shows nothing.
#[derive(Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn progress(&mut self, _: &Progress) {}

    fn notice(&mut self, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Sample;

    fn progress() -> Progress {
        Progress {
            frames: 40,
            total: Some(1000),
            elapsed: Duration::from_secs(4),
            fps: 0.25,
            sample: Sample {
                used: 3 << 30,
                budget: 8 << 30,
                host: 512 << 20,
                plan: "pairs 4".to_owned(),
                ..Sample::default()
            },
        }
    }

    #[test]
    fn the_bar_tells_speed_rest_memory_and_plan() {
        assert_eq!(
            summary(&progress()),
            "0.2 fps, 1:04:00 left, device 3.00 GiB of 8.00 GiB, host 512.0 MiB, pairs 4"
        );
        assert_eq!(summary(&Progress::default()), "0.0 fps");
    }

    #[test]
    fn a_line_of_json_is_one_object() {
        let mut text = Vec::new();
        let mut lines = JsonLines(&mut text);
        lines.progress(&progress());
        lines.notice("a \"remark\"\nof two lines");
        let text = String::from_utf8(text).unwrap();
        let objects: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["seconds_left"], 3840.0);
        assert_eq!(objects[1]["text"], "a \"remark\"\nof two lines");
    }
}
