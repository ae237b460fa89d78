//! What has come in and not yet gone out, in order: frames, events and queries.
//!
//! The sink pad appends, the worker walks along and computes, the source pad takes from the
//! front what is ready. So whatever is serialised keeps its place among the frames, and a
//! frame's fate can be decided as long as it stands here.

use std::{collections::VecDeque, sync::Arc};

use gst::ClockTime;
use propainter::{Done, Frame};

use super::{formats::Converter, masks::FrameMasks};

/// A frame as it came, and as the session takes it.
pub struct NewFrame {
    pub buffer: gst::Buffer,
    pub picture: Frame,
    pub drawn: FrameMasks,
    pub converter: Arc<Converter>,
    pub running_time: Option<ClockTime>,
    /// Number since the start or the last seek.
    pub index: u64,
    /// Does not continue what came before it.
    pub fresh: bool,
}

/// What the worker has to do next.
pub enum Job {
    Frame {
        picture: Frame,
        drawn: FrameMasks,
        running_time: Option<ClockTime>,
        index: u64,
    },
    /// Finish all frames before this place and start anew.
    Drain,
}

/// What goes out next.
pub enum Out {
    Frame {
        buffer: gst::Buffer,
        converter: Arc<Converter>,
        done: Done,
    },
    Event(gst::Event),
    Query(gst::Query),
}

enum Work {
    Waiting {
        picture: Frame,
        drawn: FrameMasks,
        running_time: Option<ClockTime>,
        index: u64,
        fresh: bool,
    },
    Computing,
    Done(Done),
}

enum Item {
    Frame {
        buffer: gst::Buffer,
        converter: Arc<Converter>,
        work: Work,
    },
    Event {
        event: gst::Event,
        drains: bool,
    },
    /// Always drains: whoever asks is blocked, and no further frame comes.
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
}

impl Line {
    /// Frames that the worker has not taken yet.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Frames that are final and have not gone out.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// All frames.
    pub fn frames(&self) -> usize {
        self.frames
    }

    pub fn push_frame(&mut self, frame: NewFrame) {
        self.items.push_back(Item::Frame {
            buffer: frame.buffer,
            converter: frame.converter,
            work: Work::Waiting {
                picture: frame.picture,
                drawn: frame.drawn,
                running_time: frame.running_time,
                index: frame.index,
                fresh: frame.fresh,
            },
        });
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
                Item::Frame { work, .. } => {
                    if let Work::Waiting { fresh, .. } = work
                        && std::mem::take(fresh)
                    {
                        return Some(Job::Drain);
                    }
                    self.passed += 1;
                    if let Work::Waiting {
                        picture,
                        drawn,
                        running_time,
                        index,
                        ..
                    } = std::mem::replace(work, Work::Computing)
                    {
                        self.waiting -= 1;
                        return Some(Job::Frame {
                            picture,
                            drawn,
                            running_time,
                            index,
                        });
                    }
                }
                Item::Event { drains, .. } => {
                    self.passed += 1;
                    if *drains {
                        return Some(Job::Drain);
                    }
                }
                Item::Query(_) => {
                    self.passed += 1;
                    return Some(Job::Drain);
                }
            }
        }
        None
    }

    /// The oldest frame that is being computed is final. False where there is none.
    pub fn finish(&mut self, done: Done) -> bool {
        let computing = self.items.iter_mut().find_map(|item| match item {
            Item::Frame { work, .. } if matches!(work, Work::Computing) => Some(work),
            _ => None,
        });
        if let Some(work) = computing {
            *work = Work::Done(done);
            self.ready += 1;
            return true;
        }
        false
    }

    /// Frames the session holds.
    pub fn computing(&self) -> usize {
        self.frames - self.waiting - self.ready
    }

    /// Takes the front, if it may go out.
    pub fn pop(&mut self) -> Option<Out> {
        let ready = match self.items.front()? {
            Item::Frame { work, .. } => matches!(work, Work::Done(_)),
            Item::Event { drains, .. } => !drains || self.passed > 0,
            Item::Query(_) => self.passed > 0,
        };
        if !ready {
            return None;
        }
        self.passed = self.passed.saturating_sub(1);
        match self.items.pop_front()? {
            Item::Frame {
                buffer,
                converter,
                work: Work::Done(done),
            } => {
                self.ready -= 1;
                self.frames -= 1;
                Some(Out::Frame {
                    buffer,
                    converter,
                    done,
                })
            }
            Item::Frame { .. } => None,
            Item::Event { event, .. } => Some(Out::Event(event)),
            Item::Query(query) => Some(Out::Query(query)),
        }
    }

    /// Forgets everything and gives back the events that outlive a flush.
    pub fn clear(&mut self) -> Vec<gst::Event> {
        let events = std::mem::take(self).items.into_iter();
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
        let is_eos = |item: &Item| matches!(item, Item::Event { event, .. } if event.type_() == gst::EventType::Eos);
        self.items.iter().any(is_eos)
    }

    /// No more frames will be finished: what is final still goes out, then `eos`.
    pub fn end(&mut self, eos: gst::Event) {
        let unfinished = |item: &Item| {
            matches!(item, Item::Frame { work, .. } if !matches!(work, Work::Done(_)))
                || matches!(item, Item::Query(_))
        };
        if let Some(end) = self.items.iter().position(unfinished) {
            self.items.truncate(end);
        }
        self.items.retain(|item| !matches!(item, Item::Event { event, .. } if event.type_() == gst::EventType::Eos));
        self.frames = self.ready;
        self.waiting = 0;
        self.push_event(eos, false);
        self.passed = self.items.len();
    }
}
