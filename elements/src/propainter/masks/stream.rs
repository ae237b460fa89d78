//! The masks that come through `mask_sink`, matched to frames by running time.
//!
//! A frame gets the latest mask whose running time is not after its own. It waits until that is
//! certain: until the end of the mask or a later mask is known, or the masks have ended. The
//! threshold is applied after that, with the value that holds for the frame. If frames or masks
//! have no time, the next frame gets the next mask.

use std::{collections::VecDeque, sync::Arc};

use gst::ClockTime;

use crate::propainter::masks::threshold::GrayMask;

/// Containers that store milliseconds shift timestamps by up to this much.
const ROUNDING: ClockTime = ClockTime::from_mseconds(1);

/// Number of masks that may wait for their frames; more block upstream.
const CAPACITY: usize = 8;

struct TimedMask {
    mask: Arc<GrayMask>,
    /// Running time of the mask, and its end if it has a duration.
    start: Option<ClockTime>,
    end: Option<ClockTime>,
}

/// The mask of a frame, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskMatch {
    Mask(Arc<GrayMask>),
    /// The frame has no mask.
    None,
    /// It is not known before more masks, or their end, arrive.
    Wait,
}

/// The masks in the order in which they came.
#[derive(Default)]
pub struct MaskStream {
    /// The first one is in use once `used` is set.
    masks: VecDeque<TimedMask>,
    used: bool,
    /// Number of masks to come whose frames went out without them, if masks have no time.
    missed: usize,
    /// No mask starts before this running time any more.
    known_until: Option<ClockTime>,
    ended: bool,
    /// No mask has come for so long that frames do not wait any more.
    quiet: bool,
}

impl MaskStream {
    /// Returns whether another mask may come.
    pub fn has_room(&self) -> bool {
        self.masks.len() < CAPACITY
    }

    /// Appends a mask of running time `start`.
    pub fn push(&mut self, mask: GrayMask, start: Option<ClockTime>, duration: Option<ClockTime>) {
        self.quiet = false;
        self.masks.push_back(TimedMask {
            mask: Arc::new(mask),
            start,
            end: start
                .zip(duration)
                .map(|(start, duration)| start.saturating_add(duration)),
        });
    }

    /// Notes that no mask starts before `time`, as a GAP event says.
    pub fn advance(&mut self, time: ClockTime) {
        self.known_until = self.known_until.max(Some(time));
    }

    /// Ends the masks: the last one stays until others come.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Lets frames go on with the last mask until another one comes. Returns false if there is
    /// none.
    pub fn go_quiet(&mut self) -> bool {
        self.quiet = !self.masks.is_empty();
        self.quiet
    }

    /// Begins a new stream: masks may come again.
    pub fn resume(&mut self) {
        self.ended = false;
        self.quiet = false;
        self.known_until = None;
    }

    /// Forgets all masks.
    pub fn flush(&mut self) {
        *self = Self::default();
    }

    /// Returns the mask for the frame at running time `time`. After [`MaskMatch::Wait`] it may be
    /// called again for the same frame.
    pub fn pick(&mut self, time: Option<ClockTime>) -> MaskMatch {
        let pick = match time {
            Some(time) if self.masks.iter().all(|mask| mask.start.is_some()) => self.at(time),
            _ => self.next(),
        };
        match pick {
            MaskMatch::Wait if self.quiet => {
                self.in_use(time).map_or(MaskMatch::None, MaskMatch::Mask)
            }
            pick => pick,
        }
    }

    /// Returns the mask that stays while none comes.
    fn in_use(&self, time: Option<ClockTime>) -> Option<Arc<GrayMask>> {
        match time {
            Some(time) => self.latest(time),
            None => Some(self.masks.back()?.mask.clone()),
        }
    }

    /// Returns the mask for a frame that cannot wait and is not asked about again: the mask in use
    /// if its own has not come. See [`pick`](Self::pick).
    pub fn pick_late(&mut self, time: Option<ClockTime>) -> Option<Arc<GrayMask>> {
        match self.pick(time) {
            MaskMatch::Mask(mask) => Some(mask),
            MaskMatch::None => None,
            MaskMatch::Wait => {
                self.missed += 1;
                self.latest(time.unwrap_or_default())
            }
        }
    }

    /// Returns the latest known mask that has started at `time`.
    pub fn latest(&self, time: ClockTime) -> Option<Arc<GrayMask>> {
        let due = |mask: &&TimedMask| {
            mask.start
                .is_none_or(|start| start <= time.saturating_add(ROUNDING))
        };
        self.masks
            .iter()
            .rev()
            .find(due)
            .map(|timed| timed.mask.clone())
    }

    fn at(&mut self, time: ClockTime) -> MaskMatch {
        if !self.masks.is_empty() {
            self.missed = 0;
        }
        let due = |mask: &TimedMask| {
            mask.start
                .is_some_and(|start| start <= time.saturating_add(ROUNDING))
        };
        while self.masks.get(1).is_some_and(due) {
            self.masks.pop_front();
        }
        let certain = self.ended
            || self.masks.len() > 1
            || self.known_until.is_some_and(|known| known > time);
        match self.masks.front() {
            Some(first) if due(first) => {
                // Just before its end the next mask may be due already, by the rounding.
                let lasts = first
                    .end
                    .is_some_and(|end| end > time.saturating_add(ROUNDING));
                if certain || lasts {
                    self.used = true;
                    return MaskMatch::Mask(first.mask.clone());
                }
                MaskMatch::Wait
            }
            // The first mask is for later frames.
            Some(_) => MaskMatch::None,
            None if certain => MaskMatch::None,
            None => MaskMatch::Wait,
        }
    }

    /// Returns the next mask, one for each frame; the last one stays.
    fn next(&mut self) -> MaskMatch {
        while self.missed > 0 && self.step() {
            self.missed -= 1;
        }
        let own = self.missed == 0 && self.step();
        if !own && !self.ended {
            return MaskMatch::Wait;
        }
        let mask = self.masks.front().map(|timed| timed.mask.clone());
        mask.map_or(MaskMatch::None, MaskMatch::Mask)
    }

    /// Goes on to the next mask. Returns false if it has not come.
    fn step(&mut self) -> bool {
        if self.masks.len() <= usize::from(self.used) {
            return false;
        }
        if self.used {
            self.masks.pop_front();
        }
        self.used = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::propainter::masks::threshold::GrayMaskInfo;

    /// Returns a mask that differs from the masks of other numbers.
    fn mask(number: usize) -> GrayMask {
        GrayMask::new(1, 1, vec![number as u8], GrayMaskInfo::default())
    }

    fn number(pick: MaskMatch) -> Option<usize> {
        match pick {
            MaskMatch::Mask(found) => (0..8).find(|&number| *found == mask(number)),
            MaskMatch::None => None,
            MaskMatch::Wait => panic!("must not wait"),
        }
    }

    fn ms(milliseconds: u64) -> Option<ClockTime> {
        Some(ClockTime::from_mseconds(milliseconds))
    }

    #[test]
    fn equal_times_match_one_to_one_without_waiting_for_the_next() {
        let mut masks = MaskStream::default();
        for i in 0..4 {
            masks.push(mask(i), ms(40 * i as u64), ms(40));
            assert_eq!(number(masks.pick(ms(40 * i as u64))), Some(i));
        }
    }

    #[test]
    fn timestamps_rounded_to_milliseconds_match_one_to_one() {
        let mut masks = MaskStream::default();
        let exact = |i: u64| ClockTime::from_nseconds(i * 1_001_000_000 / 30);
        for i in 0..8 {
            masks.push(mask(i), Some(exact(i as u64)), Some(exact(1)));
        }
        for i in 0..7 {
            let rounded = ms((exact(i as u64).nseconds() + 500_000) / 1_000_000);
            assert_eq!(number(masks.pick(rounded)), Some(i));
        }
    }

    #[test]
    fn a_mask_without_duration_waits_for_the_next_or_the_end() {
        let mut masks = MaskStream::default();
        assert_eq!(masks.pick(ms(0)), MaskMatch::Wait);
        masks.push(mask(0), ms(0), None);
        assert_eq!(masks.pick(ms(0)), MaskMatch::Wait);
        masks.push(mask(1), ms(100), None);
        assert_eq!(number(masks.pick(ms(40))), Some(0));
        assert_eq!(masks.pick(ms(100)), MaskMatch::Wait);
        masks.end();
        assert_eq!(number(masks.pick(ms(100))), Some(1));
        assert_eq!(number(masks.pick(ms(100_000))), Some(1), "the last stays");
    }

    #[test]
    fn masks_that_have_gone_quiet_leave_the_last_one_until_another_comes() {
        for (start, frames) in [(ms(0), [ms(0), ms(40), ms(80)]), (None, [None; 3])] {
            let mut masks = MaskStream::default();
            assert!(!masks.go_quiet(), "there is none yet");
            masks.push(mask(0), start, ms(40));
            assert_eq!(number(masks.pick(frames[0])), Some(0));
            assert_eq!(masks.pick(frames[1]), MaskMatch::Wait);
            assert!(masks.go_quiet());
            for _ in 0..3 {
                assert_eq!(number(masks.pick(frames[1])), Some(0));
            }
            masks.push(mask(1), start.and(ms(80)), ms(40));
            assert_eq!(number(masks.pick(frames[2])), Some(1));
            let later = start.and(ms(120));
            assert_eq!(masks.pick(later), MaskMatch::Wait, "it speaks again");
        }
    }

    #[test]
    fn a_gap_says_that_the_mask_still_holds() {
        let mut masks = MaskStream::default();
        masks.push(mask(0), ms(0), ms(40));
        assert_eq!(masks.pick(ms(60)), MaskMatch::Wait);
        masks.advance(ClockTime::from_mseconds(100));
        assert_eq!(number(masks.pick(ms(60))), Some(0));
        assert_eq!(masks.pick(ms(100)), MaskMatch::Wait);
    }

    #[test]
    fn frames_before_the_first_mask_have_none() {
        let mut masks = MaskStream::default();
        masks.push(mask(0), ms(500), ms(40));
        assert_eq!(masks.pick(ms(0)), MaskMatch::None);
        assert_eq!(number(masks.pick(ms(510))), Some(0));
        let mut empty = MaskStream::default();
        empty.end();
        assert_eq!(empty.pick(ms(0)), MaskMatch::None);
        assert_eq!(empty.pick(None), MaskMatch::None);
    }

    #[test]
    fn other_rates_take_the_latest_mask() {
        let mut masks = MaskStream::default();
        for i in 0..8 {
            masks.push(mask(i), ms(20 * i as u64), ms(20));
        }
        assert_eq!(number(masks.pick(ms(0))), Some(0));
        assert_eq!(number(masks.pick(ms(40))), Some(2));
        assert_eq!(number(masks.pick(ms(59))), Some(3), "within the rounding");
        assert_eq!(number(masks.pick(ms(119))), Some(6));
    }

    #[test]
    fn without_times_each_frame_takes_the_next_mask() {
        for (frame, start) in [(None, None), (None, ms(7)), (ms(7), None)] {
            let mut masks = MaskStream::default();
            masks.push(mask(0), start, None);
            assert_eq!(number(masks.pick(frame)), Some(0));
            assert_eq!(masks.pick(frame), MaskMatch::Wait);
            assert_eq!(
                masks.pick(frame),
                MaskMatch::Wait,
                "asking twice takes nothing"
            );
            masks.push(mask(1), start, None);
            masks.push(mask(2), start, None);
            assert_eq!(number(masks.pick(frame)), Some(1));
            assert_eq!(number(masks.pick(frame)), Some(2));
            masks.end();
            assert_eq!(number(masks.pick(frame)), Some(2), "the last stays");
        }
    }

    #[test]
    fn times_at_the_end_of_time_do_not_wrap() {
        let mut masks = MaskStream::default();
        let last = ClockTime::from_nseconds(ClockTime::MAX.nseconds() - 1);
        masks.push(mask(0), Some(last), ms(40));
        assert_eq!(masks.pick(ms(0)), MaskMatch::None);
        masks.push(mask(1), Some(last), Some(ClockTime::MAX));
        assert_eq!(masks.latest(last), Some(Arc::new(mask(1))));
        assert_eq!(masks.latest(ClockTime::ZERO), None);
        masks.end();
        assert_eq!(number(masks.pick(Some(last))), Some(1));
    }

    #[test]
    fn masks_ahead_of_the_video_are_bounded() {
        let mut masks = MaskStream::default();
        for i in 0..8 {
            assert!(masks.has_room());
            masks.push(mask(i), ms(40 * i as u64), ms(40));
        }
        assert!(!masks.has_room());
        assert_eq!(number(masks.pick(ms(40))), Some(1));
        assert!(masks.has_room());
    }

    #[test]
    fn a_frame_that_goes_without_its_untimed_mask_leaves_it_to_nobody() {
        let mut masks = MaskStream::default();
        let number =
            |mask: Option<Arc<GrayMask>>| number(mask.map_or(MaskMatch::None, MaskMatch::Mask));
        assert_eq!(number(masks.pick_late(ms(0))), None);
        assert_eq!(masks.pick(ms(40)), MaskMatch::Wait);
        masks.push(mask(0), None, None);
        assert_eq!(
            masks.pick(ms(40)),
            MaskMatch::Wait,
            "that was another frame's"
        );
        masks.push(mask(1), None, None);
        assert_eq!(number(masks.pick_late(ms(40))), Some(1));
        assert_eq!(number(masks.pick_late(ms(80))), Some(1), "the one in use");
        (2..4).for_each(|i| masks.push(mask(i), None, None));
        assert_eq!(number(masks.pick_late(ms(120))), Some(3));
    }

    #[test]
    fn timed_masks_are_found_by_their_time_though_frames_went_without() {
        let mut masks = MaskStream::default();
        assert_eq!(masks.pick_late(ms(0)), None);
        masks.push(mask(1), ms(40), ms(40));
        assert_eq!(number(masks.pick(ms(40))), Some(1));
    }
}
