//! Sessions over parts of a clip whose frames equal those of a session over the whole clip.
//!
//! With the windows of the official procedure a segment may begin at any frame: it reads the
//! frames around it that its own depend on ([`Segment::new`]). Elsewhere an engine carries results
//! from frame to frame without a limit, so a segment begins where the engine starts afresh: at a
//! scene cut in [`Mode::Sliding`]; for the engine without weights where the mask is empty in two
//! consecutive frames, because no flow leads across them.

use std::{mem, ops::Range};

use super::config::{Config, CropMode, Mode, Model};
use crate::{
    Error, Frame, Mask,
    memory::{Degradation, Notice},
    scene_cuts::Detector,
    schedule::{Segment, WindowParams},
};

/// Finds the frames at which a clip can be divided, and divides it.
#[derive(Clone, Debug)]
pub struct Segments {
    rule: Rule,
    /// The frames so far.
    frames: usize,
}

/// Where a segment may begin.
#[derive(Clone, Debug)]
enum Rule {
    /// At any frame, with context.
    Anywhere(WindowParams),
    SceneCuts(Detector),
    /// After a frame without a mask, at another one.
    NoMask {
        /// Whether the frame before has no mask.
        before: bool,
    },
    Nowhere,
}

impl Segments {
    /// Creates the division of a clip that has no frame yet.
    ///
    /// # Errors
    /// [`Error::Setting`] if frames are processed in crops, which follow the masks from frame to
    /// frame.
    pub fn new(config: &Config) -> Result<Self, Error> {
        no_crops(config)?;
        let rule = match (config.networks(), config.mode) {
            (true, Mode::Reference) => Rule::Anywhere(config.window_params()),
            (_, Mode::Sliding) if config.scene_cuts => Rule::SceneCuts(config.detector()),
            // A border is a hole of every frame.
            (false, _) if config.border.is_empty() => Rule::NoMask { before: false },
            (_, Mode::Sliding) | (false, _) => Rule::Nowhere,
        };
        Ok(Self { rule, frames: 0 })
    }

    /// Returns where a segment may begin, as a phrase.
    pub fn rule(&self) -> &'static str {
        match self.rule {
            Rule::Anywhere(_) => "at any frame",
            Rule::SceneCuts(_) => "at scene cuts",
            Rule::NoMask { .. } => "where two consecutive frames have no mask",
            Rule::Nowhere => {
                "nowhere, because frames of the whole clip follow from those before them"
            }
        }
    }

    /// Returns whether it depends on frames and masks where segments may begin.
    pub fn depends_on_frames(&self) -> bool {
        matches!(self.rule, Rule::SceneCuts(_) | Rule::NoMask { .. })
    }

    /// Takes the next frame with its mask, as [`Session::push`](super::Session::push) does. Returns
    /// whether a segment may begin there because of what they show.
    pub fn push(&mut self, frame: &Frame, mask: &Mask) -> bool {
        let starts = match &mut self.rule {
            Rule::SceneCuts(detector) => detector.begins(frame, mask),
            Rule::NoMask { before } => {
                let empty = mask.is_empty();
                mem::replace(before, empty) && empty
            }
            Rule::Anywhere(_) | Rule::Nowhere => false,
        };
        self.frames += 1;
        starts
    }

    /// Takes the next frame as [`push`](Self::push) does, and names it if a segment may begin there.
    pub(super) fn notice(&mut self, frame: &Frame, mask: &Mask) -> Option<Notice> {
        let index = self.frames as u64;
        self.push(frame, mask)
            .then_some(Notice::SegmentStart { frame: index })
    }

    /// Divides a clip of `total` frames into segments that keep about `frames` of them each, at
    /// least one. `starts` are the frames for which [`push`](Self::push) returned true.
    pub fn divide(&self, total: usize, frames: usize, starts: &[usize]) -> Vec<Segment> {
        let (mut segments, mut first) = (Vec::new(), 0);
        while first < total {
            let end = self.end(first, total, frames.max(1), starts);
            segments.push(match self.rule {
                Rule::Anywhere(params) => Segment::new(params, total, first..end),
                _ => Segment::without_context(total, first..end),
            });
            first = end;
        }
        segments
    }

    /// Returns the end of the frames that the segment from `first` on keeps.
    fn end(&self, first: usize, total: usize, frames: usize, starts: &[usize]) -> usize {
        if let Rule::Anywhere(params) = self.rule {
            // Most context is shared at the boundary of a chunk.
            let chunk = params.propagation_length();
            let frames = match frames >= chunk {
                true => frames / chunk * chunk,
                false => frames,
            };
            // A short rest costs more context than it saves.
            return match total - first < frames + frames.div_ceil(4) {
                true => total,
                false => first + frames,
            };
        }
        let later = starts.iter().copied().filter(|&start| start > first);
        let within = later.clone().take_while(|&start| start <= first + frames);
        match total - first <= frames {
            true => total,
            false => within.last().or(later.min()).unwrap_or(total),
        }
    }
}

/// Checks the segment of a configuration, and keeps its quality from being reduced. If segments are
/// to be found, returns what finds them, with the configuration of an engine that fills nothing.
///
/// # Errors
/// [`Error::Setting`] if it lacks frames that its result depends on, or if frames are processed in
/// crops.
pub(super) fn exact(mut config: Config) -> Result<(Config, Option<Segments>), Error> {
    if config.find_segments {
        let finder = Segments::new(&config)?;
        let config = Config {
            model: Model::Propagation,
            mode: Mode::Reference,
            segment: None,
            ..config
        };
        return Ok((config, Some(finder)));
    }
    let Some(segment) = &config.segment else {
        return Ok((config, None));
    };
    no_crops(&config)?;
    let Segment { total, read, keep } = segment;
    let within = |inner: &Range<usize>, outer: Range<usize>| {
        !inner.is_empty() && inner.start >= outer.start && inner.end <= outer.end
    };
    if !within(keep, read.clone()) || !within(read, 0..*total) {
        return Err(wrong(format!(
            "{segment} is no part of a clip: name frames that are read, among them frames that are \
             kept, and the number of all frames"
        )));
    }
    let windows = config.networks() && config.mode == Mode::Reference;
    let right = match windows {
        true => Segment::new(config.window_params(), *total, keep.clone()),
        false => Segment::without_context(*total, keep.clone()),
    };
    if right != *segment {
        return Err(wrong(format!(
            "{segment} reads other frames than these settings need; use {right}"
        )));
    }
    config.limits.allow_degradation = Degradation::NONE;
    Ok((config, None))
}

/// Checks that a segment takes one more frame than `pushed`.
///
/// # Errors
/// [`Error::Setting`] if it has all its frames.
pub(super) fn check_push(config: &Config, pushed: usize) -> Result<(), Error> {
    match &config.segment {
        Some(segment) if pushed >= segment.read.len() => {
            Err(wrong(format!("{segment}: more frames came than are read")))
        }
        _ => Ok(()),
    }
}

/// Checks that a segment that ends after `pushed` frames has all of them, or none.
///
/// # Errors
/// [`Error::Setting`] if some are missing.
pub(super) fn check_end(config: &Config, pushed: usize) -> Result<(), Error> {
    match &config.segment {
        Some(segment) if pushed > 0 && pushed != segment.read.len() => Err(wrong(format!(
            "{segment}: the stream ended or was interrupted after {pushed} frames"
        ))),
        _ => Ok(()),
    }
}

/// Checks that the windows may change.
///
/// # Errors
/// [`Error::Setting`] in a segment, whose context is that of its windows.
pub(super) fn check_latency(config: &Config) -> Result<(), Error> {
    match &config.segment {
        Some(segment) => Err(wrong(format!(
            "{segment}: the pipeline cannot hold the frames that its windows need; let its queues \
             hold more"
        ))),
        None => Ok(()),
    }
}

fn no_crops(config: &Config) -> Result<(), Error> {
    match config.crop_mode {
        CropMode::Whole => Ok(()),
        CropMode::Crops => Err(Error::Setting {
            name: "crop-mode",
            problem: "crops follow the masks from frame to frame, so a clip in crops cannot be \
                      divided into segments; set crop-mode=off"
                .to_owned(),
        }),
    }
}

fn wrong(problem: String) -> Error {
    Error::Setting {
        name: "clip-part",
        problem,
    }
}
