//! Builds the classical engine within its budget of host memory.

use super::super::{canvas::Canvas, config::Config};
use crate::{
    DeviceChoice, Error, Limits,
    classical::{ClassicalEngine, Frames, WindowBudget, WindowLengths},
    memory::{Degradation, Notice, Step, meter::Meter},
    resize,
};

/// Everything that a classical engine is built from.
pub struct ClassicalBuilder {
    canvas: Canvas,
    frames: Frames,
    /// The window that the settings ask for.
    wanted: WindowLengths,
    budget: u64,
    allowed: Degradation,
    /// Whether the processing size is smaller than the settings ask for.
    degraded: Degradation,
    notices: Vec<Notice>,
}

impl ClassicalBuilder {
    /// Builds the engine at this processing size, or at a smaller one if only that fits.
    ///
    /// # Errors
    /// [`Error::Budget`] if none fits.
    pub fn open(
        config: &Config,
        (width, height): (usize, usize),
    ) -> Result<(Self, ClassicalEngine), Error> {
        let Limits {
            host_budget,
            outside,
            allow_degradation: allowed,
            ..
        } = config.limits;
        let canvas = Canvas::of(config);
        let (all_columns, all_rows) = canvas.size();
        let source = (all_columns * all_rows) as u64;
        let scaled = (width, height) != canvas.size();
        let free = || Meter::open(DeviceChoice::Cpu).free().unwrap_or(u64::MAX);
        let budget = match host_budget {
            // The window may not shrink: frames are refused only if a budget is set.
            0 if !allowed.contains(Step::Window) => u64::MAX,
            0 => free(),
            bytes => bytes,
        };
        // The source frame is kept to compose the result with it, or to fade into it. A frame that
        // is not scaled is in the window anyway.
        let kept = scaled && (config.whole || config.mask_feather > 0);
        let mut builder = Self {
            canvas,
            frames: Frames {
                width: width as u64,
                height: height as u64,
                source,
                scaled,
                kept: if kept { 3 * source } else { 0 },
                fades: config.mask_feather > 0,
                border: !config.border.is_empty(),
                outside,
            },
            wanted: config.classical_window(),
            budget,
            allowed,
            degraded: Degradation::NONE,
            notices: Vec::new(),
        };
        let engine = match builder.room() {
            Ok(room) => builder.engine(room),
            Err(needed) => match builder.smaller() {
                Some(engine) => engine,
                None => return Err(builder.error(needed)),
            },
        };
        Ok((builder, engine))
    }

    pub fn processing(&self) -> (usize, usize) {
        (self.frames.width as usize, self.frames.height as usize)
    }

    pub fn degraded(&self) -> Degradation {
        self.degraded
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Takes over the windows of `config` for the engines to come.
    pub fn take_windows(&mut self, config: &Config) {
        self.wanted = config.classical_window();
    }

    /// Builds the engine at the next smaller size that fits; `None` if there is none, or if the
    /// size may not be reduced.
    pub fn smaller(&mut self) -> Option<ClassicalEngine> {
        let before = (self.frames, self.degraded, self.notices.len());
        while self.allowed.contains(Step::Resolution) {
            let from = self.processing();
            let Some((width, height)) = resize::smaller(from) else {
                break;
            };
            self.frames = Frames {
                width: width as u64,
                height: height as u64,
                scaled: true,
                ..self.frames
            };
            self.degraded = self.degraded.with(Step::Resolution);
            self.notices.push(Notice::Degraded {
                step: Step::Resolution,
                from: format!("{}x{}", from.0, from.1),
                to: format!("{width}x{height}"),
            });
            if let Ok(room) = self.room() {
                return Some(self.engine(room));
            }
        }
        (self.frames, self.degraded) = (before.0, before.1);
        self.notices.truncate(before.2);
        None
    }

    fn engine(&self, room: WindowBudget) -> ClassicalEngine {
        ClassicalEngine::new(room, self.canvas.picture(self.processing()))
    }

    fn room(&self) -> Result<WindowBudget, u64> {
        let may_shrink = self.allowed.contains(Step::Window);
        WindowBudget::new(self.frames, self.budget, self.wanted, may_shrink)
    }

    fn error(&self, needed: u64) -> Error {
        let (width, height) = self.processing();
        Error::Budget {
            property: "host-budget",
            budget: self.budget,
            needed,
            width,
            height,
        }
    }
}
