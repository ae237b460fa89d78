//! What a stream holds at each of its tasks, counted without computing anything.

use std::collections::{BTreeSet, HashSet};

use super::{Schedule, Task, WindowParams};

/// What is held while a task runs, in numbers of things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    pub frames: usize,
    /// Frames into which something was blended.
    pub blended: usize,
    /// Single flows as RAFT gave them.
    pub raw: usize,
    /// Single flows completed in a chunk that is not done.
    pub half: usize,
    /// Completed flows, both ways.
    pub flows: usize,
    /// Completed flows at 1/4, both ways.
    pub guides: usize,
    /// Propagated frames.
    pub filled: usize,
    /// Of those, with features; with tokens.
    pub features: usize,
    pub tokens: usize,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Flows of a new frame; of the first there are none.
    Flow {
        first: bool,
    },
    /// Completion of `run` flows one way, of which `keep` stay.
    Completion {
        run: usize,
        keep: usize,
    },
    /// Propagation of `run` frames, of which `keep` stay.
    Propagation {
        run: usize,
        keep: usize,
    },
    /// Completed flows brought to 1/4.
    Guides {
        flows: usize,
        keep: usize,
    },
    /// A frame to features.
    Encoding,
    /// Features to tokens.
    Tokens,
    Window {
        locals: usize,
        references: usize,
    },
}

/// A task and what is held meanwhile, its own results not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    pub held: Counts,
    pub kind: TaskKind,
}

/// The different snapshots of a stream of `length` frames that all have a hole or, where that is
/// not known, of any stream.
pub fn simulate(cut: WindowParams, length: Option<usize>) -> Vec<Snapshot> {
    // A sliding window meets its references anew after so many frames, or fewer.
    let turn = match cut.effective_lookahead() {
        Some(_) => cut.hop() * cut.ref_stride.min(cut.subvideo_length),
        None => 0,
    };
    let lengths = match length {
        Some(length) => vec![length],
        // The longest clip that is one chunk, and one long enough to repeat itself.
        None => vec![
            cut.effective_lookahead().unwrap_or(cut.subvideo_length),
            2 * cut.latency_frames() + 2 * cut.subvideo_length + turn + 64,
        ],
    };
    let mut snapshots = HashSet::new();
    for frames in lengths {
        let mut walk = Simulation::new(cut, &mut snapshots, length.is_none());
        for _ in 0..frames {
            walk.push();
        }
        walk.schedule.end();
        walk.advance();
    }
    snapshots.into_iter().collect()
}

/// The engine's bookkeeping, in indices.
struct Simulation<'a> {
    snapshots: &'a mut HashSet<Snapshot>,
    /// Whether frames may be without a hole, so that flows wait until a task asks for them.
    late: bool,
    schedule: Schedule,
    pushed: usize,
    /// Flows completed, frames propagated, frames blended: the first of each that is not yet.
    completed: usize,
    propagated: usize,
    guided: usize,
    blended: usize,
    sent: usize,
    features: BTreeSet<usize>,
    tokens: BTreeSet<usize>,
}

impl<'a> Simulation<'a> {
    fn new(cut: WindowParams, snapshots: &'a mut HashSet<Snapshot>, late: bool) -> Self {
        Self {
            snapshots,
            late,
            schedule: Schedule::new(cut),
            pushed: 0,
            completed: 0,
            propagated: 0,
            guided: 0,
            blended: 0,
            sent: 0,
            features: BTreeSet::new(),
            tokens: BTreeSet::new(),
        }
    }

    fn push(&mut self) {
        // The frame itself is there while its flows are computed.
        let mut held = self.held();
        held.frames += 1;
        let first = self.pushed == 0;
        self.note(held, TaskKind::Flow { first });
        self.pushed += 1;
        self.schedule.push();
        self.advance();
    }

    fn advance(&mut self) {
        loop {
            // What the task before let go of is gone, what this one needs no more is not yet.
            let mut before = self.held();
            let needed = self.schedule.needed();
            let Some(task) = self.schedule.next_task() else {
                return;
            };
            if let Task::Complete { keep, .. } = &task {
                // Earlier ones in their place are gone.
                self.completed = keep.start;
                self.guided = self.guided.min(keep.start);
                before.flows = since(self.completed, needed.flows);
                before.guides = since(self.guided, needed.guides);
            }
            if self.late {
                self.note_generator(before, TaskKind::Flow { first: false });
            }
            match task {
                Task::Complete { run, keep } => {
                    let kind = TaskKind::Completion {
                        run: run.len(),
                        keep: keep.len(),
                    };
                    self.note(before, kind);
                    // The forward flows are completed, and gone as far as nothing needs them.
                    let gone = self.schedule.needed().raw_flows.min(keep.end);
                    let oldest = self.pushed.saturating_sub(1) - before.raw / 2;
                    let half = Counts {
                        raw: before.raw - gone.saturating_sub(oldest),
                        half: keep.len(),
                        ..before
                    };
                    self.note(half, kind);
                    self.completed = keep.end;
                }
                Task::Propagate { run, keep, .. } => {
                    let kind = TaskKind::Propagation {
                        run: run.len(),
                        keep: keep.len(),
                    };
                    self.note(before, kind);
                    let flows = (keep.end - 1).saturating_sub(self.guided);
                    self.note(
                        before,
                        TaskKind::Guides {
                            flows,
                            keep: keep.len(),
                        },
                    );
                    self.propagated = keep.end;
                    self.guided = self.guided.max(keep.end - 1);
                    self.tokens.split_off(&keep.start);
                }
                Task::Generate(window) => {
                    let locals = window.neighbours;
                    for index in locals.clone() {
                        self.encode(before, index);
                    }
                    for &index in &window.references {
                        self.tokenise(before, index);
                    }
                    let kind = TaskKind::Window {
                        locals: locals.len(),
                        references: window.references.len(),
                    };
                    self.note_generator(before, kind);
                    self.blended = self.blended.max(locals.end);
                    let local = self.schedule.needed().features;
                    let leaving: Vec<_> = self.features.range(..local).copied().collect();
                    for index in leaving {
                        if self.schedule.refers_later(index) {
                            self.tokenise(before, index);
                        }
                    }
                    self.sent = window.final_before;
                }
            }
            let needed = self.schedule.needed();
            self.features = self.features.split_off(&needed.features);
            self.tokens = self.tokens.split_off(&needed.updated);
        }
    }

    fn encode(&mut self, held: Counts, index: usize) {
        if !self.features.contains(&index) {
            self.note_generator(held, TaskKind::Encoding);
            self.features.insert(index);
        }
    }

    fn tokenise(&mut self, held: Counts, index: usize) {
        if !self.tokens.contains(&index) {
            self.encode(held, index);
            self.note_generator(held, TaskKind::Tokens);
            self.tokens.insert(index);
        }
    }

    fn note_generator(&mut self, held: Counts, kind: TaskKind) {
        let held = Counts {
            features: self.features.len(),
            tokens: self.tokens.len(),
            ..held
        };
        self.note(held, kind);
    }

    fn note(&mut self, held: Counts, kind: TaskKind) {
        self.snapshots.insert(Snapshot { held, kind });
    }

    /// What is held between two tasks.
    fn held(&self) -> Counts {
        let needed = self.schedule.needed();
        let oldest = [needed.raw_flows, needed.frames, needed.guides, self.sent];
        let oldest = oldest.into_iter().min().unwrap_or(0).min(self.pushed);
        Counts {
            frames: self.pushed - oldest,
            blended: since(self.blended, oldest),
            raw: 2 * since(self.pushed.saturating_sub(1), needed.raw_flows),
            half: 0,
            flows: since(self.completed, needed.flows),
            guides: since(self.guided, needed.guides),
            filled: since(self.propagated, needed.updated),
            features: self.features.len(),
            tokens: self.tokens.len(),
        }
    }
}

fn since(end: usize, first: usize) -> usize {
    end.saturating_sub(first)
}
