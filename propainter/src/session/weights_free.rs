//! Builds the weights-free engine within its budget of the host's memory.

use super::{Config, Mode};
use crate::{
    DeviceChoice, Error, Limits,
    memory::{Degradation, Notice, Step, meter::Meter},
    propagation::{self, Frames, Propagation, Room, Window},
    resize,
};

/// All that the engine is built from.
pub struct WeightsFree {
    frames: Frames,
    wish: Window,
    budget: u64,
    allowed: Degradation,
    /// Given up: the processing size is smaller than was wished for.
    degraded: Degradation,
    notices: Vec<Notice>,
}

/// The window that is wished for.
pub fn window(config: &Config) -> Window {
    let lookahead = (config.mode == Mode::Sliding).then_some(config.lookahead);
    propagation::window(config.subvideo_length, lookahead)
}

impl WeightsFree {
    /// The engine at this processing size, or at a smaller one where only that fits.
    ///
    /// # Errors
    /// [`Error::Budget`] where none does.
    pub fn open(
        config: &Config,
        (width, height): (usize, usize),
    ) -> Result<(Self, Propagation), Error> {
        let Limits {
            host_budget,
            outside,
            allow_degradation: allowed,
            ..
        } = config.limits;
        let source = (config.width * config.height) as u64;
        let scaled = (width, height) != (config.width, config.height);
        let free = || Meter::open(DeviceChoice::Cpu).free().unwrap_or(u64::MAX);
        let budget = match host_budget {
            // What is not known to be too much is not refused.
            0 if !allowed.contains(Step::Window) => u64::MAX,
            0 => free(),
            bytes => bytes,
        };
        // A picture is put together from the one pushed, or fades into it; one that is not scaled
        // is in the window.
        let pictures = scaled && (config.whole || config.mask_feather > 0);
        let mut built = Self {
            frames: Frames {
                width: width as u64,
                height: height as u64,
                source,
                scaled,
                kept: if pictures { 3 * source } else { 0 },
                fades: config.mask_feather > 0,
                outside,
            },
            wish: window(config),
            budget,
            allowed,
            degraded: Degradation::NONE,
            notices: Vec::new(),
        };
        let engine = match built.room() {
            Ok(room) => Propagation::new(room),
            Err(needed) => match built.smaller() {
                Some(engine) => engine,
                None => return Err(built.error(needed)),
            },
        };
        Ok((built, engine))
    }

    /// Size at which is computed, (width, height).
    pub fn processing(&self) -> (usize, usize) {
        (self.frames.width as usize, self.frames.height as usize)
    }

    pub fn degraded(&self) -> Degradation {
        self.degraded
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Engines to come look no farther ahead than these settings say.
    pub fn look_less_far(&mut self, config: &Config) {
        self.wish = window(config);
    }

    /// The engine at the next smaller size that fits; `None` where there is none, or it may not
    /// be given up.
    pub fn smaller(&mut self) -> Option<Propagation> {
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
                return Some(Propagation::new(room));
            }
        }
        (self.frames, self.degraded) = (before.0, before.1);
        self.notices.truncate(before.2);
        None
    }

    fn room(&self) -> Result<Room, u64> {
        let may_shrink = self.allowed.contains(Step::Window);
        Room::new(self.frames, self.budget, self.wish, may_shrink)
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
