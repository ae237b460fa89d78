//! Observers of a clip: a bar, and none.

use std::io::Write;

use indicatif::ProgressBar;

use crate::progress;

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
        let bar = progress::frames(0);
        Self { name, errors, bar }
    }
}

impl Observer for Bar<'_> {
    fn progress(&mut self, progress: &Progress) {
        if let Some(total) = progress.total {
            self.bar.set_length(total.max(progress.frames));
        }
        self.bar.set_position(progress.frames);
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

/// Shows nothing.
#[derive(Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn progress(&mut self, _: &Progress) {}

    fn notice(&mut self, _: &str) {}
}
