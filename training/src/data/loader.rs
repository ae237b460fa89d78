//! Threads that have samples ready.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{DataError, Sample, Sampler};

/// Loads samples ahead of the training. Their sequence does not depend on the number of threads.
#[derive(Debug)]
pub struct Loader {
    sampler: Arc<Sampler>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// The samples of a step.
#[derive(Debug)]
pub struct Batch {
    /// The samples.
    pub samples: Vec<Sample>,
    /// Time that the training waited for them.
    pub waited: Duration,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told when a sample is ready.
    filled: Condvar,
    /// Told when there is room, and at the end.
    emptied: Condvar,
}

#[derive(Debug)]
struct Queue {
    /// Number of the next sample that a thread takes on.
    next: u64,
    /// Number of the next sample that the training gets.
    wanted: u64,
    /// Samples that are ready, by number; `None` if the thread ended in a panic.
    ready: BTreeMap<u64, Option<Result<Sample, DataError>>>,
    stopped: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, number: u64, sample: Option<Result<Sample, DataError>>) {
        self.queue().ready.insert(number, sample);
        self.filled.notify_all();
    }
}

impl Loader {
    /// Starts `threads` threads, which load sample `first` and those after it. Two batches are ready
    /// or in work ahead of the training, or one sample a thread if that is more.
    pub fn start(sampler: Arc<Sampler>, first: u64, threads: usize) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                next: first,
                wanted: first,
                ready: BTreeMap::new(),
                stopped: false,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        });
        let threads = threads.max(1);
        let ahead = (2 * sampler.settings().batch).max(threads) as u64;
        let start = |_| {
            let (shared, sampler) = (shared.clone(), sampler.clone());
            thread::spawn(move || load(&shared, &sampler, ahead))
        };
        let threads = (0..threads).map(start).collect();
        Self {
            sampler,
            shared,
            threads,
        }
    }

    /// Returns the sampler.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// Returns the samples of the next step.
    ///
    /// # Errors
    /// A sample cannot be made.
    ///
    /// # Panics
    /// If a thread of the loader did.
    pub fn next_batch(&mut self) -> Result<Batch, DataError> {
        let start = Instant::now();
        let mut samples = Vec::new();
        for _ in 0..self.sampler.settings().batch {
            let mut queue = self.shared.queue();
            let sample = loop {
                let wanted = queue.wanted;
                if let Some(sample) = queue.ready.remove(&wanted) {
                    queue.wanted += 1;
                    break sample;
                }
                queue = self
                    .shared
                    .filled
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            drop(queue);
            self.shared.emptied.notify_all();
            samples.push(sample.expect("a thread of the loader panicked")?);
        }
        let waited = start.elapsed();
        Ok(Batch { samples, waited })
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.queue().stopped = true;
        self.shared.emptied.notify_all();
        for thread in self.threads.drain(..) {
            // What a thread panicked with has been printed.
            let _ = thread.join();
        }
    }
}

/// Tells the training when its thread panics, which would wait for its sample forever.
struct Ends<'a>(&'a Shared, u64);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.put(self.1, None);
        }
    }
}

/// Loads samples until the loader stops.
fn load(shared: &Shared, sampler: &Sampler, ahead: u64) {
    loop {
        let mut queue = shared.queue();
        while !queue.stopped && queue.next >= queue.wanted + ahead {
            queue = shared
                .emptied
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if queue.stopped {
            return;
        }
        let number = queue.next;
        queue.next += 1;
        drop(queue);
        let ends = Ends(shared, number);
        let sample = sampler.sample(number);
        drop(ends);
        shared.put(number, Some(sample));
    }
}
