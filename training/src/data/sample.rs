//! Sample k of a run: a pure function of the seed, k and the data set.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use propainter::{Frame, Mask};
use rand::{RngExt, seq::SliceRandom};

use super::{
    Clip, DataError, Flows, Size,
    draws::{Subject, random_of},
};
use crate::random::Random;

/// Number of draws of holes after which a sample is given up.
const DRAWS: usize = 100;

/// Number of frames of a clip for all of which holes are drawn. Of longer ones those of the frames
/// that a sample does not have are drawn only up to `FAR` frames in a row.
const ALL_HOLES: usize = 512;
const FAR: usize = 32;

/// Draws the holes of a clip.
pub trait Holes: fmt::Debug + Send + Sync {
    /// Returns the holes of the frames of a clip, for each frame 1 in the hole and 0 elsewhere, row by
    /// row.
    fn draw(&self, random: &mut Random, size: Size, frames: usize) -> Vec<Vec<u8>>;
}

/// How samples are made.
#[derive(Clone, Debug)]
pub struct SamplerSettings {
    /// The seed of the run.
    pub seed: u64,
    /// The size that frames are trained at.
    pub size: Size,
    /// Number of consecutive frames of a sample, at least 2.
    pub local: usize,
    /// Number of frames that are spread over the rest of the clip.
    pub references: usize,
    /// Number of samples that a step needs.
    pub batch: usize,
    /// Folder of precomputed flows, with a folder for each clip.
    pub flows: Option<PathBuf>,
}

/// What a step is trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the clip.
    pub clip: String,
    /// Local frames, then reference frames.
    pub frames: Vec<Frame>,
    /// The hole of each frame.
    pub holes: Vec<Mask>,
    /// Number of local frames.
    pub local: usize,
    /// Flows of the local frames, if they were computed before.
    pub flows: Option<Flows>,
}

/// Makes the samples of a run.
#[derive(Debug)]
pub struct Sampler {
    settings: SamplerSettings,
    clips: Vec<Clip>,
    holes: Arc<dyn Holes>,
    /// The order of the clips in the epoch that was asked for last.
    order: Mutex<(u64, Arc<Vec<usize>>)>,
    problems: Mutex<Problems>,
}

/// Clips that could not be read, each named once.
#[derive(Debug, Default)]
struct Problems {
    known: BTreeSet<String>,
    new: Vec<String>,
}

impl Sampler {
    /// Returns a sampler of these clips, each of more frames than a sample.
    ///
    /// # Panics
    /// If there is no clip, or one is too short.
    pub fn new(settings: SamplerSettings, clips: Vec<Clip>, holes: Arc<dyn Holes>) -> Self {
        let frames = settings.local + settings.references;
        assert!(!clips.is_empty() && clips.iter().all(|clip| clip.len() > frames));
        Self {
            settings,
            clips,
            holes,
            order: Mutex::new((u64::MAX, Arc::new(Vec::new()))),
            problems: Mutex::new(Problems::default()),
        }
    }

    /// Returns how samples are made.
    pub fn settings(&self) -> &SamplerSettings {
        &self.settings
    }

    /// Returns the number of clips.
    pub fn clips(&self) -> usize {
        self.clips.len()
    }

    /// Returns the number of steps in an epoch: each clip once, without the incomplete last batch. If
    /// there are fewer clips than a batch holds, an epoch is one batch, in which clips occur again.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.clips.len() / self.settings.batch).max(1) as u64
    }

    /// Returns sample `number` of the run. If its clip cannot be read, the next one of the epoch takes
    /// its place.
    ///
    /// # Errors
    /// No clip can be read, or no draw gives usable holes.
    pub fn sample(&self, number: u64) -> Result<Sample, DataError> {
        let per_epoch = self.steps_per_epoch() * self.settings.batch as u64;
        let order = self.order(number / per_epoch);
        let place = (number % per_epoch) as usize;
        let mut failed = None;
        for clip in (0..order.len()).map(|more| order[(place + more) % order.len()]) {
            let random = random_of(self.settings.seed, Subject::Trained, number);
            match self.make(&self.clips[clip], random, true) {
                Err(error @ DataError::Holes) => return Err(error),
                Err(error) => failed = Some(self.note(error)),
                made => return made,
            }
        }
        Err(failed.unwrap_or(DataError::Holes))
    }

    /// Returns a sample of clip `number` for validation: always the same, neither reversed nor
    /// mirrored.
    ///
    /// # Errors
    /// The clip cannot be read, or no draw gives usable holes.
    pub fn validation(&self, number: usize) -> Result<Sample, DataError> {
        let random = random_of(self.settings.seed, Subject::Validated, number as u64);
        self.make(&self.clips[number], random, false)
    }

    /// Returns what could not be read since the last call; each problem is told once.
    pub fn new_problems(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.problems).new)
    }

    fn note(&self, error: DataError) -> DataError {
        let mut problems = lock(&self.problems);
        if problems.known.insert(error.to_string()) {
            problems.new.push(error.to_string());
        }
        error
    }

    /// Returns the order of the clips in an epoch.
    fn order(&self, epoch: u64) -> Arc<Vec<usize>> {
        let mut last = lock(&self.order);
        if last.0 != epoch {
            let mut random = random_of(self.settings.seed, Subject::Order, epoch);
            let mut order = Vec::new();
            while order.is_empty() || order.len() < self.settings.batch {
                let mut all: Vec<usize> = (0..self.clips.len()).collect();
                all.shuffle(&mut random);
                order.extend(all);
            }
            *last = (epoch, Arc::new(order));
        }
        last.1.clone()
    }

    /// Makes a sample of a clip (spec: training, section 1).
    fn make(&self, clip: &Clip, mut random: Random, vary: bool) -> Result<Sample, DataError> {
        let SamplerSettings {
            size,
            local,
            references,
            ..
        } = self.settings;
        let (mut numbers, others) = choose(&mut random, clip.len(), local, references);
        numbers.extend(others);
        let mut holes = self.draw(&mut random, clip.len(), &numbers)?;
        let mut frames = clip.frames(&numbers, size)?;
        let mut flows = self.flows(clip, &numbers[..local])?;
        if vary && random.random::<bool>() {
            frames[..local].reverse();
            holes[..local].reverse();
            if let Some(flows) = &mut flows {
                flows.reverse();
            }
        }
        if vary && random.random::<bool>() {
            // The holes are not mirrored.
            frames = frames.iter().map(mirrored).collect();
            if let Some(flows) = &mut flows {
                flows.mirror();
            }
        }
        Ok(Sample {
            clip: clip.name.clone(),
            frames,
            holes,
            local,
            flows,
        })
    }

    /// Draws holes until they can be trained with.
    fn draw(
        &self,
        random: &mut Random,
        frames: usize,
        wanted: &[usize],
    ) -> Result<Vec<Mask>, DataError> {
        let SamplerSettings { size, local, .. } = self.settings;
        let (frames, wanted) = shortened(frames, wanted);
        let draw = |_| {
            let mut all = self.holes.draw(random, size, frames);
            let take = |&number: &usize| std::mem::take(&mut all[number]);
            let holes = wanted.iter().map(take);
            let mask = |hole| Mask::from_luma(size.width, size.height, hole);
            holes.map(mask).collect::<Vec<_>>()
        };
        let mut draws = (0..DRAWS).map(draw);
        draws
            .find(|holes| usable(&holes[..local]))
            .ok_or(DataError::Holes)
    }

    fn flows(&self, clip: &Clip, numbers: &[usize]) -> Result<Option<Flows>, DataError> {
        let Some(folder) = &self.settings.flows else {
            return Ok(None);
        };
        let names: Vec<String> = numbers
            .iter()
            .map(|&number| clip.frame_name(number))
            .collect();
        Flows::read(&folder.join(&clip.name), &names, self.settings.size).map(Some)
    }
}

/// Chooses the numbers of consecutive local frames and of reference frames, which are sorted.
fn choose(
    random: &mut Random,
    frames: usize,
    local: usize,
    references: usize,
) -> (Vec<usize>, Vec<usize>) {
    let first = random.random_range(0..=frames - local);
    let local: Vec<usize> = (first..first + local).collect();
    // Numbers of the frames that are not local, without the gap. The draws are few, so that a long
    // clip costs no more than a short one.
    let mut others = BTreeSet::new();
    while others.len() < references {
        others.insert(random.random_range(0..frames - local.len()));
    }
    let past_gap = |n: usize| if n < first { n } else { n + local.len() };
    let others = others.into_iter().map(past_gap).collect();
    (local, others)
}

/// Returns the number of frames that holes are drawn for, and of which of them a sample has the holes.
/// In a long clip a hole need not be followed through hours.
fn shortened(frames: usize, wanted: &[usize]) -> (usize, Vec<usize>) {
    if frames <= ALL_HOLES {
        return (frames, wanted.to_vec());
    }
    let sorted: BTreeSet<usize> = wanted.iter().copied().collect();
    let (mut before, mut place) = (0, 0);
    let mut places = BTreeMap::new();
    for number in sorted {
        place += (number - before).min(FAR);
        before = number;
        places.insert(number, place);
    }
    (
        place + 1,
        wanted.iter().map(|number| places[number]).collect(),
    )
}

/// Returns whether the losses of both directions are defined: the forward flows have the holes of all
/// frames but the last, the backward flows those of all but the first.
fn usable(holes: &[Mask]) -> bool {
    let both = |holes: &[Mask]| {
        let has = |value: u8| holes.iter().any(|mask| mask.hole().contains(&value));
        has(0) && has(1)
    };
    both(&holes[1..]) && both(&holes[..holes.len() - 1])
}

/// Returns a frame mirrored left to right.
fn mirrored(frame: &Frame) -> Frame {
    let rows = frame.rgb().chunks_exact(3 * frame.width());
    let rgb = rows.flat_map(|row| row.chunks_exact(3).rev().flatten().copied());
    Frame::new(frame.width(), frame.height(), rgb.collect())
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::random;

    #[test]
    fn references_are_spread_over_all_frames_that_are_not_local() {
        let mut seen = BTreeSet::new();
        let mut firsts = BTreeSet::new();
        for key in 0..2000 {
            let (local, references) = choose(&mut random(&[1, key]), 9, 4, 3);
            assert!(local.windows(2).all(|pair| pair[1] == pair[0] + 1) && local.len() == 4);
            assert!(references.is_sorted_by(|a, b| a < b) && references.len() == 3);
            assert!(references.iter().all(|n| *n < 9 && !local.contains(n)));
            firsts.insert(local[0]);
            seen.extend(references);
        }
        assert_eq!(firsts.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(seen.len(), 9);
    }

    #[test]
    fn a_long_clip_costs_no_more_holes_than_a_short_one() {
        assert_eq!(shortened(512, &[500, 501, 3]), (512, vec![500, 501, 3]));
        // 3 frames, then 32 of the gap, then the local ones.
        assert_eq!(
            shortened(100_000, &[50_000, 50_001, 3]),
            (37, vec![35, 36, 3])
        );
    }

    #[test]
    fn holes_need_both_values_in_both_directions() {
        let mask = |hole: [u8; 2]| Mask::from_luma(2, 1, hole.to_vec());
        let (part, none, all) = (mask([0, 1]), mask([0, 0]), mask([1, 1]));
        assert!(usable(&[none.clone(), part.clone(), none.clone()]));
        assert!(!usable(&[part.clone(), none.clone(), none.clone()]));
        assert!(!usable(&[all.clone(), all.clone(), all.clone()]));
        assert!(!usable(&[none.clone(), none.clone()]));
        assert!(usable(&[part.clone(), part]));
    }
}
