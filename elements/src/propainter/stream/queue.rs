//! What has come in and not yet gone out, in order: frames, events and queries.
//!
//! The sink pad appends, the worker walks along and computes, the source pad takes from the
//! front what is ready. So whatever is serialised keeps its place among the frames, and a
//! frame's fate can be decided as long as it stands here.

use std::{collections::VecDeque, sync::Arc};

use gst::ClockTime;
use propainter::{Done, Frame, Mask};

use crate::propainter::{
    masks::combine::FrameMasks,
    video::{converter::Converter, error::BadPicture},
};

/// A frame as it came, and as the session takes it.
#[derive(Clone)]
pub struct Incoming {
    pub buffer: gst::Buffer,
    /// Until the worker takes it; [`Incoming::picture`] makes it again.
    pub picture: Option<Frame>,
    pub drawn: FrameMasks,
    pub converter: Arc<Converter>,
    pub running_time: Option<ClockTime>,
    /// The running time from which on its stay counts: later where it came late by itself.
    pub counts_from: Option<ClockTime>,
    /// Does not continue what came before it.
    pub fresh: bool,
}

impl Incoming {
    /// Width and height.
    pub fn size(&self) -> (usize, usize) {
        let info = self.converter.info();
        (info.width() as usize, info.height() as usize)
    }

    /// The picture as the session takes it.
    ///
    /// # Errors
    /// A buffer that cannot be read any more.
    pub fn picture(&mut self) -> Result<Frame, BadPicture> {
        let made = self.picture.take();
        made.map_or_else(|| self.converter.read(&self.buffer), Ok)
    }
}

/// A frame for the worker.
pub struct Task {
    /// Counts frames since the line was made; never twice the same.
    pub id: u64,
    pub size: (usize, usize),
    /// `None` where it was taken before: [`Line::incoming`] has what it is made from.
    pub picture: Option<Frame>,
    pub drawn: FrameMasks,
    pub running_time: Option<ClockTime>,
    pub counts_from: Option<ClockTime>,
    /// Its mask, where it was known before.
    pub mask: Option<Arc<Mask>>,
}

/// What the worker has to do next.
pub enum Job {
    Frame(Task),
    /// Finish all frames before this place and start anew.
    Drain,
}

/// How a frame goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Filled by the engine.
    Engine(Done),
    /// Filled by a stand-in.
    StandIn(Done),
    /// As it came, hole and all.
    PassedThrough,
    Dropped,
}

/// A frame that goes before its fate is decided.
pub struct Unfinished {
    pub id: u64,
    pub frame: Incoming,
    /// Where it is known.
    pub mask: Option<Arc<Mask>>,
    /// The worker has taken it, and its mask with it.
    pub seen: bool,
}

/// What goes out next.
pub enum Out {
    Frame { frame: Incoming, fate: Fate },
    Event(gst::Event),
    Query(gst::Query),
}

enum Work {
    Waiting,
    Computing,
    Done(Fate),
}

struct Standing {
    id: u64,
    frame: Incoming,
    mask: Option<Arc<Mask>>,
    /// What came before a fresh frame was given to be finished.
    drained: bool,
    work: Work,
}

enum Item {
    Frame(Box<Standing>),
    Event {
        event: gst::Event,
        drains: bool,
    },
    /// Drains: whoever asks is blocked, and no further frame comes.
    Query(gst::Query),
}

#[derive(Default)]
pub struct Line {
    items: VecDeque<Item>,
    /// How many items at the front the worker has gone past.
    passed: usize,
    waiting: usize,
    ready: usize,
    frames: usize,
    /// Of the next frame.
    id: u64,
    /// A fresh frame went without the worker: the next one is fresh.
    fresh: bool,
}

impl Line {
    /// Frames that the worker has not taken yet.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Frames whose fate is decided and that have not gone out.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// All frames.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Frames with the worker.
    pub fn computing(&self) -> usize {
        self.frames - self.waiting - self.ready
    }

    /// Number of the next frame.
    pub fn next_id(&self) -> u64 {
        self.id
    }

    pub fn push_frame(&mut self, mut frame: Incoming) {
        frame.fresh |= std::mem::take(&mut self.fresh);
        self.items.push_back(Item::Frame(Box::new(Standing {
            id: self.id,
            frame,
            mask: None,
            drained: false,
            work: Work::Waiting,
        })));
        self.id += 1;
        self.waiting += 1;
        self.frames += 1;
    }

    /// `drains`: frames before the event are finished without frames after it.
    pub fn push_event(&mut self, event: gst::Event, drains: bool) {
        self.items.push_back(Item::Event { event, drains });
    }

    pub fn push_query(&mut self, query: gst::Query) {
        self.items.push_back(Item::Query(query));
    }

    /// The worker's next job; it goes past what needs none.
    pub fn take(&mut self) -> Option<Job> {
        while let Some(item) = self.items.get_mut(self.passed) {
            match item {
                Item::Frame(standing) if matches!(standing.work, Work::Waiting) => {
                    if standing.frame.fresh && !standing.drained {
                        standing.drained = true;
                        return Some(Job::Drain);
                    }
                    self.passed += 1;
                    self.waiting -= 1;
                    standing.work = Work::Computing;
                    return Some(Job::Frame(Task {
                        id: standing.id,
                        size: standing.frame.size(),
                        picture: standing.frame.picture.take(),
                        drawn: standing.frame.drawn.clone(),
                        running_time: standing.frame.running_time,
                        counts_from: standing.frame.counts_from,
                        mask: standing.mask.clone(),
                    }));
                }
                Item::Frame(_) | Item::Event { drains: false, .. } => self.passed += 1,
                Item::Event { drains: true, .. } | Item::Query(_) => {
                    self.passed += 1;
                    return Some(Job::Drain);
                }
            }
        }
        None
    }

    /// A frame as it came, while it stands here.
    pub fn incoming(&mut self, id: u64) -> Option<Incoming> {
        self.standing_mut(id).map(|standing| standing.frame.clone())
    }

    /// Notes a frame's mask, should it be needed again.
    pub fn set_mask(&mut self, id: u64, mask: &Arc<Mask>) {
        if let Some(standing) = self.standing_mut(id) {
            standing.mask = Some(mask.clone());
            // What it is made of is not needed any more.
            standing.frame.drawn = FrameMasks::default();
        }
    }

    /// Decides the fate of a frame that is with the worker. One that has gone meanwhile is none
    /// of its business any more.
    pub fn finish(&mut self, id: u64, fate: Fate) {
        if let Some(standing) = self.standing_mut(id)
            && matches!(standing.work, Work::Computing)
        {
            standing.work = Work::Done(fate);
            self.ready += 1;
        }
    }

    /// Frames with the worker wait for it again.
    pub fn recall(&mut self) {
        let mut first = None;
        for (place, item) in self.items.iter_mut().enumerate() {
            let Item::Frame(standing) = item else {
                continue;
            };
            // What was being finished may not have been.
            standing.drained = false;
            if matches!(standing.work, Work::Computing) {
                standing.work = Work::Waiting;
                self.waiting += 1;
                first.get_or_insert(place);
            }
        }
        self.passed = first.unwrap_or(self.passed);
    }

    /// The frame at the front, if its fate is open.
    pub fn undecided(&self) -> Option<&Incoming> {
        match self.items.front()? {
            Item::Frame(standing) if !matches!(standing.work, Work::Done(_)) => {
                Some(&standing.frame)
            }
            _ => None,
        }
    }

    /// Takes the frame at the front, if its fate is open.
    pub fn take_overdue(&mut self) -> Option<Unfinished> {
        let Item::Frame(standing) = self.items.front()? else {
            return None;
        };
        let seen = match standing.work {
            Work::Waiting => false,
            Work::Computing => true,
            Work::Done(_) => return None,
        };
        let fresh = !seen && standing.frame.fresh && !standing.drained;
        self.waiting -= usize::from(!seen);
        self.frames -= 1;
        self.passed = self.passed.saturating_sub(1);
        let Some(Item::Frame(standing)) = self.items.pop_front() else {
            return None;
        };
        if fresh {
            self.make_next_fresh();
        }
        let Standing {
            id, frame, mask, ..
        } = *standing;
        Some(Unfinished {
            id,
            frame,
            mask,
            seen,
        })
    }

    /// What is to be finished before the front, which goes unseen, is left to the next frame.
    fn make_next_fresh(&mut self) {
        let next = self.items.iter_mut().find_map(|item| match item {
            Item::Frame(next) => Some(&mut next.frame.fresh),
            _ => None,
        });
        *next.unwrap_or(&mut self.fresh) = true;
    }

    /// Takes the front, if it may go out. An event or query may always: no frame is before it.
    pub fn pop(&mut self) -> Option<Out> {
        let unseen = self.passed == 0;
        let drains = match self.items.front()? {
            Item::Frame(standing) if !matches!(standing.work, Work::Done(_)) => return None,
            Item::Frame(_) => false,
            Item::Event { drains, .. } => *drains,
            Item::Query(_) => true,
        };
        self.passed = self.passed.saturating_sub(1);
        let front = self.items.pop_front()?;
        if unseen && drains {
            self.make_next_fresh();
        }
        match front {
            Item::Frame(standing) => {
                let Standing { frame, work, .. } = *standing;
                let Work::Done(fate) = work else {
                    return None;
                };
                self.ready -= 1;
                self.frames -= 1;
                Some(Out::Frame { frame, fate })
            }
            Item::Event { event, .. } => Some(Out::Event(event)),
            Item::Query(query) => Some(Out::Query(query)),
        }
    }

    /// Forgets everything and gives back the events that outlive a flush.
    pub fn clear(&mut self) -> Vec<gst::Event> {
        let id = self.id;
        let forgotten = std::mem::take(self);
        self.id = id;
        let events = forgotten.items.into_iter();
        events
            .filter_map(|item| match item {
                Item::Event { event, .. } => Some(event),
                _ => None,
            })
            .filter(|event| {
                let passing = [gst::EventType::Segment, gst::EventType::Eos];
                event.is_sticky() && !passing.contains(&event.type_())
            })
            .collect()
    }

    /// Whether the end of the stream is in here.
    pub fn has_eos(&self) -> bool {
        self.items.iter().any(Item::is_eos)
    }

    /// No more frames will be finished: what is final still goes out, then `eos`.
    pub fn end(&mut self, eos: gst::Event) {
        let unfinished = |item: &Item| match item {
            Item::Frame(standing) => !matches!(standing.work, Work::Done(_)),
            Item::Query(_) => true,
            Item::Event { .. } => false,
        };
        if let Some(end) = self.items.iter().position(unfinished) {
            self.items.truncate(end);
        }
        self.items.retain(|item| !item.is_eos());
        let frames = self.items.iter();
        self.ready = frames.filter(|item| matches!(item, Item::Frame(_))).count();
        self.frames = self.ready;
        self.waiting = 0;
        self.push_event(eos, false);
        self.passed = self.items.len();
    }

    fn standing_mut(&mut self, id: u64) -> Option<&mut Standing> {
        self.items.iter_mut().find_map(|item| match item {
            Item::Frame(standing) if standing.id == id => Some(&mut **standing),
            _ => None,
        })
    }
}

impl Item {
    fn is_eos(&self) -> bool {
        matches!(self, Self::Event { event, .. } if event.type_() == gst::EventType::Eos)
    }
}

#[cfg(test)]
mod tests {
    use gst_video::{VideoFormat, VideoInfo};

    use super::*;

    fn frame(fresh: bool) -> Incoming {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::Rgb, 1, 1).build().unwrap();
        Incoming {
            buffer: gst::Buffer::new(),
            picture: Some(Frame::new(1, 1, vec![0; 3])),
            drawn: FrameMasks::default(),
            converter: Arc::new(Converter::new(&info).unwrap()),
            running_time: None,
            counts_from: None,
            fresh,
        }
    }

    /// The worker's next job: a frame's number, or `None` to finish those before.
    fn take(line: &mut Line) -> Option<u64> {
        match line.take().expect("there is something to do") {
            Job::Frame(task) => Some(task.id),
            Job::Drain => None,
        }
    }

    #[test]
    fn frames_that_are_recalled_are_finished_before_a_fresh_one_again() {
        let mut line = Line::default();
        [false, false, true]
            .into_iter()
            .for_each(|fresh| line.push_frame(frame(fresh)));
        for _ in 0..3 {
            assert_eq!([(); 3].map(|()| take(&mut line)), [Some(0), Some(1), None]);
            line.recall();
            assert_eq!((line.waiting(), line.computing()), (3, 0));
        }
        let jobs = [(); 4].map(|()| take(&mut line));
        assert_eq!(jobs, [Some(0), Some(1), None, Some(2)]);
        assert!(line.take().is_none());
    }

    #[test]
    fn a_fresh_frame_that_goes_unseen_leaves_that_to_the_next() {
        let mut line = Line::default();
        [true, false]
            .into_iter()
            .for_each(|fresh| line.push_frame(frame(fresh)));
        assert!(line.take_overdue().is_some());
        assert_eq!([take(&mut line), take(&mut line)], [None, Some(1)]);
        // Where there is no next one yet, it is the one to come.
        let mut line = Line::default();
        line.push_frame(frame(true));
        assert!(line.take_overdue().is_some());
        line.push_frame(frame(false));
        assert_eq!([take(&mut line), take(&mut line)], [None, Some(1)]);
    }

    #[test]
    fn what_drains_goes_at_the_front_unseen_and_leaves_that_to_the_next() {
        for eos in [false, true] {
            let mut line = Line::default();
            line.push_event(gst::event::Gap::builder(ClockTime::ZERO).build(), true);
            assert!(line.pop().is_some(), "nothing is before it");
            line.push_frame(frame(false));
            if eos {
                line.push_event(gst::event::Eos::new(), true);
                assert!(line.pop().is_none(), "a frame is before it");
            }
            assert_eq!([take(&mut line), take(&mut line)], [None, Some(0)]);
        }
    }

    #[test]
    fn a_fate_decided_too_late_changes_nothing() {
        let mut line = Line::default();
        [false, false]
            .into_iter()
            .for_each(|fresh| line.push_frame(frame(fresh)));
        assert_eq!(take(&mut line), Some(0));
        assert!(line.take_overdue().is_some());
        line.finish(0, Fate::PassedThrough);
        assert_eq!((line.frames(), line.waiting(), line.ready()), (1, 1, 0));
        assert!(line.pop().is_none());
    }
}
