//! The output queue: everything that came in and has not gone out yet, in order.
//!
//! The sink pad appends frames, events and queries. The worker walks along the queue and
//! processes the frames. The source pad takes what is ready from the front. Everything that is
//! serialised therefore keeps its place among the frames, and the outcome of a frame can be
//! decided as long as the frame is queued.

pub mod frame;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc};

use propainter::Mask;

use self::frame::{FrameTask, InputFrame, Job, Outcome, Output, UndecidedFrame};
use crate::propainter::masks::combine::FrameMasks;

enum Progress {
    Waiting,
    Computing,
    Decided(Outcome),
}

struct QueuedFrame {
    id: u64,
    input: InputFrame,
    mask: Option<Arc<Mask>>,
    /// The worker got the job to finish the frames before this discontinuity.
    drained: bool,
    progress: Progress,
}

enum Item {
    Frame(Box<QueuedFrame>),
    Event {
        event: gst::Event,
        barrier: bool,
    },
    /// Always a barrier: whoever asks is blocked, and no further frame comes.
    Query(gst::Query),
}

/// See the [module documentation](self).
#[derive(Default)]
pub struct OutputQueue {
    items: VecDeque<Item>,
    /// Number of items at the front that the worker has gone past.
    passed: usize,
    waiting: usize,
    ready: usize,
    frames: usize,
    /// Number of the next frame.
    next_id: u64,
    /// A discontinuity went out without the worker: the next frame takes it over.
    discont: bool,
}

impl OutputQueue {
    /// Returns the number of frames that the worker has not taken yet.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns the number of frames whose outcome is decided.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// Returns the number of all frames.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Returns the number of frames that the worker has and whose outcome is open.
    pub fn computing(&self) -> usize {
        self.frames - self.waiting - self.ready
    }

    /// Returns the number that the next frame gets.
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Appends a frame.
    pub fn push_frame(&mut self, mut input: InputFrame) {
        input.discont |= std::mem::take(&mut self.discont);
        self.items.push_back(Item::Frame(Box::new(QueuedFrame {
            id: self.next_id,
            input,
            mask: None,
            drained: false,
            progress: Progress::Waiting,
        })));
        self.next_id += 1;
        self.waiting += 1;
        self.frames += 1;
    }

    /// Appends an event. At a barrier the frames before it are finished without the frames after
    /// it.
    pub fn push_event(&mut self, event: gst::Event, barrier: bool) {
        self.items.push_back(Item::Event { event, barrier });
    }

    /// Appends a query, which is a barrier.
    pub fn push_query(&mut self, query: gst::Query) {
        self.items.push_back(Item::Query(query));
    }

    /// Returns the worker's next job and goes past the items that need none.
    pub fn next_job(&mut self) -> Option<Job> {
        while let Some(item) = self.items.get_mut(self.passed) {
            match item {
                Item::Frame(queued) if matches!(queued.progress, Progress::Waiting) => {
                    if queued.input.discont && !queued.drained {
                        queued.drained = true;
                        return Some(Job::Drain);
                    }
                    self.passed += 1;
                    self.waiting -= 1;
                    queued.progress = Progress::Computing;
                    return Some(Job::Frame(FrameTask {
                        id: queued.id,
                        geometry: queued.input.geometry(),
                        frame: queued.input.frame.take(),
                        masks: queued.input.masks.clone(),
                        running_time: queued.input.running_time,
                        stay_from: queued.input.stay_from,
                        mask: queued.mask.clone(),
                    }));
                }
                Item::Frame(_) | Item::Event { barrier: false, .. } => self.passed += 1,
                Item::Event { barrier: true, .. } | Item::Query(_) => {
                    self.passed += 1;
                    return Some(Job::Drain);
                }
            }
        }
        None
    }

    /// Returns a copy of a frame's input while the frame is queued.
    pub fn input(&mut self, id: u64) -> Option<InputFrame> {
        self.queued_mut(id).map(|queued| queued.input.clone())
    }

    /// Stores a frame's mask in case it is needed again.
    pub fn set_mask(&mut self, id: u64, mask: &Arc<Mask>) {
        if let Some(queued) = self.queued_mut(id) {
            queued.mask = Some(mask.clone());
            // Its sources are not needed any more.
            queued.input.masks = FrameMasks::default();
        }
    }

    /// Decides the outcome of a frame that the worker has. Does nothing for a frame that has left
    /// the queue meanwhile.
    pub fn decide(&mut self, id: u64, outcome: Outcome) {
        if let Some(queued) = self.queued_mut(id)
            && matches!(queued.progress, Progress::Computing)
        {
            queued.progress = Progress::Decided(outcome);
            self.ready += 1;
        }
    }

    /// Makes the frames that the worker has wait for it again.
    pub fn requeue(&mut self) {
        let mut first = None;
        for (place, item) in self.items.iter_mut().enumerate() {
            let Item::Frame(queued) = item else {
                continue;
            };
            // The drain may not have been completed.
            queued.drained = false;
            if matches!(queued.progress, Progress::Computing) {
                queued.progress = Progress::Waiting;
                self.waiting += 1;
                first.get_or_insert(place);
            }
        }
        self.passed = first.unwrap_or(self.passed);
    }

    /// Returns the frame at the front if its outcome is open.
    pub fn undecided(&self) -> Option<&InputFrame> {
        match self.items.front()? {
            Item::Frame(queued) if !matches!(queued.progress, Progress::Decided(_)) => {
                Some(&queued.input)
            }
            _ => None,
        }
    }

    /// Takes the frame at the front if its outcome is open.
    pub fn take_undecided(&mut self) -> Option<UndecidedFrame> {
        let Item::Frame(queued) = self.items.front()? else {
            return None;
        };
        let taken = match queued.progress {
            Progress::Waiting => false,
            Progress::Computing => true,
            Progress::Decided(_) => return None,
        };
        let discont = !taken && queued.input.discont && !queued.drained;
        self.waiting -= usize::from(!taken);
        self.frames -= 1;
        self.passed = self.passed.saturating_sub(1);
        let Some(Item::Frame(queued)) = self.items.pop_front() else {
            return None;
        };
        if discont {
            self.pass_discont_on();
        }
        let QueuedFrame {
            id, input, mask, ..
        } = *queued;
        Some(UndecidedFrame {
            id,
            input,
            mask,
            taken,
        })
    }

    /// Passes the barrier at the front, which the worker has not seen, on to the next frame.
    fn pass_discont_on(&mut self) {
        let next = self.items.iter_mut().find_map(|item| match item {
            Item::Frame(next) => Some(&mut next.input.discont),
            _ => None,
        });
        *next.unwrap_or(&mut self.discont) = true;
    }

    /// Takes the front if it may go out. An event or a query always may, as no frame is before
    /// it.
    pub fn pop(&mut self) -> Option<Output> {
        let unseen = self.passed == 0;
        let barrier = match self.items.front()? {
            Item::Frame(queued) if !matches!(queued.progress, Progress::Decided(_)) => return None,
            Item::Frame(_) => false,
            Item::Event { barrier, .. } => *barrier,
            Item::Query(_) => true,
        };
        self.passed = self.passed.saturating_sub(1);
        let front = self.items.pop_front()?;
        if unseen && barrier {
            self.pass_discont_on();
        }
        match front {
            Item::Frame(queued) => {
                let QueuedFrame {
                    input, progress, ..
                } = *queued;
                let Progress::Decided(outcome) = progress else {
                    return None;
                };
                self.ready -= 1;
                self.frames -= 1;
                Some(Output::Frame { input, outcome })
            }
            Item::Event { event, .. } => Some(Output::Event(event)),
            Item::Query(query) => Some(Output::Query(query)),
        }
    }

    /// Empties the queue and returns the events that outlive a flush.
    pub fn clear(&mut self) -> Vec<gst::Event> {
        let next_id = self.next_id;
        let cleared = std::mem::take(self);
        self.next_id = next_id;
        let events = cleared.items.into_iter();
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

    /// Returns whether the end of the stream is queued.
    pub fn has_eos(&self) -> bool {
        self.items.iter().any(Item::is_eos)
    }

    /// Ends the stream early: the decided frames at the front still go out, then `eos`.
    pub fn end(&mut self, eos: gst::Event) {
        let unfinished = |item: &Item| match item {
            Item::Frame(queued) => !matches!(queued.progress, Progress::Decided(_)),
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

    fn queued_mut(&mut self, id: u64) -> Option<&mut QueuedFrame> {
        self.items.iter_mut().find_map(|item| match item {
            Item::Frame(queued) if queued.id == id => Some(&mut **queued),
            _ => None,
        })
    }
}

impl Item {
    fn is_eos(&self) -> bool {
        matches!(self, Self::Event { event, .. } if event.type_() == gst::EventType::Eos)
    }
}
