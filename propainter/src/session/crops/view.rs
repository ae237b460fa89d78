//! One crop and its engine.

use std::{collections::VecDeque, sync::Arc};

use super::{
    super::{config::Config, engine_builder::Networks, supervisor::EngineSupervisor},
    layout::Crop,
};
use crate::{Cancel, Error, Frame, InpaintedFrame, Mask, effort::Deadline};

/// A crop, its engine, and the finished frames that wait for those of other views.
pub struct View {
    pub crop: Crop,
    pub supervisor: EngineSupervisor,
    pub finals: VecDeque<InpaintedFrame>,
    /// Number of finished frames to come that are dropped: those of the history.
    skip: usize,
}

impl View {
    /// Opens an engine for frames of the crop's size.
    ///
    /// # Errors
    /// As [`EngineSupervisor::open`].
    pub fn open(
        config: &Config,
        crop: Crop,
        cancel: &Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<Self, Error> {
        let mut config = config.clone();
        if crop != Crop::whole(&config) {
            (config.width, config.height) = (crop.rect.columns.len(), crop.rect.rows.len());
            config.processing_width = Some(crop.processing.0);
            config.processing_height = Some(crop.processing.1);
        }
        Ok(Self {
            crop,
            supervisor: EngineSupervisor::open(config, cancel.clone(), networks)?,
            skip: 0,
            finals: VecDeque::new(),
        })
    }

    /// Gives the view, number `index` of `count`, its share of the time up to the deadline.
    pub fn set_deadline(&mut self, deadline: Option<&Deadline>, index: usize, count: usize) {
        let share = deadline.map(|deadline| deadline.share(index, count));
        self.supervisor.set_deadline(share);
    }

    /// Pushes the crop of a frame.
    ///
    /// # Errors
    /// As [`EngineSupervisor::push`].
    pub fn push(&mut self, frame: Frame, mask: Mask) -> Result<(), Error> {
        self.run(|supervisor, finals| supervisor.push(frame, mask, finals))
    }

    /// Pushes a frame of the history, which does not come out again.
    ///
    /// # Errors
    /// As [`EngineSupervisor::push`].
    pub fn push_history(&mut self, frame: Frame) -> Result<(), Error> {
        self.skip += 1;
        let mask = Mask::empty(frame.width(), frame.height());
        self.push(frame, mask)
    }

    /// Runs a call of the supervisor and takes the frames that it finishes, even if it fails.
    ///
    /// # Errors
    /// The error of the call.
    pub fn run(
        &mut self,
        call: impl FnOnce(&mut EngineSupervisor, &mut Vec<InpaintedFrame>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut finals = Vec::new();
        let result = call(&mut self.supervisor, &mut finals);
        let skipped = self.skip.min(finals.len());
        self.skip -= skipped;
        self.finals.extend(finals.into_iter().skip(skipped));
        result
    }

    /// Drops all frames held.
    pub fn flush(&mut self) {
        self.supervisor.flush();
        self.finals.clear();
        self.skip = 0;
    }
}
