//! Observers of a clip: a bar, and none.

use indicatif::ProgressBar;

use crate::progress;

use super::clip::{Observer, Progress};

/// Shows remarks and, on a terminal, a bar.
pub struct Bar {
    bar: ProgressBar,
}

impl Default for Bar {
    fn default() -> Self {
        Self {
            bar: progress::frames(0),
        }
    }
}

impl Observer for Bar {
    fn progress(&mut self, progress: &Progress) {
        if let Some(total) = progress.total {
            self.bar.set_length(total.max(progress.frames));
        }
        self.bar.set_position(progress.frames);
    }

    fn notice(&mut self, text: &str) {
        self.bar.suspend(|| eprintln!("propainter run: {text}"));
    }
}

impl Drop for Bar {
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
