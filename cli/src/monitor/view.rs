//! Where samples and messages are shown: as lines, or on a screen that is redrawn.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Write},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::units;

use super::{
    charts::{bar, sparkline},
    sample::Sample,
};

/// Number of samples in a curve.
const HISTORY: usize = 48;

/// Shows samples and messages.
pub trait View {
    /// Shows a sample of an element.
    ///
    /// # Errors
    /// The output cannot be written.
    fn sample(&mut self, element: &str, sample: &Sample) -> io::Result<()>;
    /// Shows a message.
    ///
    /// # Errors
    /// The output cannot be written.
    fn message(&mut self, text: &str) -> io::Result<()>;
}

/// Writes one line after another, for files and pipes.
pub struct Lines<W>(pub W);

impl<W: Write> View for Lines<W> {
    fn sample(&mut self, element: &str, sample: &Sample) -> io::Result<()> {
        writeln!(self.0, "{element}: {}", sample.line())?;
        self.0.flush()
    }

    fn message(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.0, "{text}")?;
        self.0.flush()
    }
}

/// Redraws a few lines for each element in place; messages scroll above them.
pub struct Screen {
    bars: MultiProgress,
    elements: BTreeMap<String, Panel>,
}

/// The lines of one element.
struct Panel {
    frames: ProgressBar,
    device: ProgressBar,
    plan: ProgressBar,
    /// The latest samples of the used device memory, in bytes.
    used: VecDeque<u64>,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
            elements: BTreeMap::new(),
        }
    }
}

impl View for Screen {
    fn sample(&mut self, element: &str, sample: &Sample) -> io::Result<()> {
        let panel = self
            .elements
            .entry(element.to_owned())
            .or_insert_with(|| Panel::new(&self.bars));
        panel.show(element, sample);
        Ok(())
    }

    fn message(&mut self, text: &str) -> io::Result<()> {
        self.bars.println(text)
    }
}

/// Leaves the last figures on the screen.
impl Drop for Screen {
    fn drop(&mut self) {
        for panel in self.elements.values() {
            for bar in [&panel.frames, &panel.device, &panel.plan] {
                bar.abandon();
            }
        }
    }
}

impl Panel {
    fn new(bars: &MultiProgress) -> Self {
        let row = || {
            let style = ProgressStyle::with_template("{wide_msg}");
            let row = bars.add(ProgressBar::new_spinner());
            style.map_or_else(|_| row.clone(), |style| row.clone().with_style(style))
        };
        Self {
            frames: row(),
            device: row(),
            plan: row(),
            used: VecDeque::new(),
        }
    }

    fn show(&mut self, element: &str, sample: &Sample) {
        if self.used.len() == HISTORY {
            self.used.pop_front();
        }
        self.used.push_back(sample.used);
        self.frames
            .set_message(format!("{element}: {}", sample.frames()));
        let memory = if sample.memory().is_empty() {
            "no memory planned".to_owned()
        } else {
            // An unlimited budget cannot serve as the scale.
            let top = match sample.budget {
                0 | u64::MAX => sample.peak,
                budget => budget,
            };
            format!(
                "{} {} of {}, peak {}, host {} {}",
                bar(sample.used, sample.peak, top, 24),
                units::bytes(sample.used),
                units::bytes(sample.budget),
                units::bytes(sample.peak),
                units::bytes(sample.host),
                sparkline(self.used.iter().copied(), top)
            )
        };
        self.device.set_message(format!("  {memory}"));
        let mut parts = vec![sample.trouble(), sample.plan.clone()];
        parts.retain(|part| !part.is_empty());
        self.plan.set_message(format!("  {}", parts.join(" | ")));
    }
}
