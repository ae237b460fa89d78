//! The single steps: each within the time that is left, none of which can end the others.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use propainter::Cancel;
use signal_hook::{SigId, consts::SIGINT, flag, low_level};

use super::{
    CheckError,
    report::{Entry, Outcome, Report, Values},
};
use crate::Console;

/// What a step found: values, the same as a sentence, and what is wrong, if anything is.
#[derive(Debug, Default)]
pub struct Finding {
    pub values: Values,
    pub summary: String,
    pub problem: Option<String>,
}

/// A step that did not come to an end.
#[derive(Debug)]
pub enum Stop {
    /// The time is over, or the user ended the check.
    Cancelled,
    Failed(String),
}

impl From<propainter::Error> for Stop {
    fn from(error: propainter::Error) -> Self {
        match error {
            propainter::Error::Cancelled => Self::Cancelled,
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Runs steps and reports them.
pub struct Steps<'a, 'b> {
    report: Report,
    console: &'a mut Console<'b>,
    clock: Arc<Clock>,
    signal: Option<[SigId; 2]>,
}

/// What ends the steps.
#[derive(Debug)]
struct Clock {
    start: Instant,
    limit: Duration,
    interrupted: Arc<AtomicBool>,
    /// The token of the step that runs now.
    running: Mutex<Option<Cancel>>,
    finished: AtomicBool,
}

impl Clock {
    /// Returns why no step is to begin; `None` while there is time.
    fn over(&self) -> Option<&'static str> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Some("the check was interrupted");
        }
        (self.start.elapsed() >= self.limit).then_some("the time limit was reached")
    }

    /// Cancels the running step once the time is over.
    fn watch(&self) {
        while !self.finished.load(Ordering::Relaxed) {
            if self.over().is_some() {
                let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                running.iter().for_each(Cancel::cancel);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl<'a, 'b> Steps<'a, 'b> {
    /// Begins the time. From now on Ctrl-C ends the check, and a second one the program.
    pub fn new(report: Report, limit: Duration, console: &'a mut Console<'b>) -> Self {
        let interrupted = Arc::new(AtomicBool::new(false));
        let shutdown = flag::register_conditional_shutdown(SIGINT, 130, interrupted.clone());
        let signal = flag::register(SIGINT, interrupted.clone());
        let clock = Arc::new(Clock {
            start: Instant::now(),
            limit,
            interrupted,
            running: Mutex::new(None),
            finished: AtomicBool::new(false),
        });
        let watched = clock.clone();
        thread::spawn(move || watched.watch());
        Self {
            report,
            console,
            clock,
            // Where no handler can be installed, Ctrl-C ends the program as usual.
            signal: shutdown.ok().zip(signal.ok()).map(Into::into),
        }
    }

    /// Runs a step and reports it, unless its section was left out. A panic of the step is its failure. The step's token is cancelled
    /// when the time is over.
    ///
    /// # Errors
    /// The report cannot be written.
    pub fn run(
        &mut self,
        section: &'static str,
        name: impl Into<String>,
        step: impl FnOnce(&Cancel) -> Result<Finding, Stop>,
    ) -> Result<(), CheckError> {
        if !self.report.has(section) {
            return Ok(());
        }
        let start = Instant::now();
        let (outcome, finding) = match self.clock.over() {
            Some(why) => (Outcome::NotRun(why.to_owned()), Finding::default()),
            None => self.attempt(step),
        };
        let entry = Entry {
            section,
            name: name.into(),
            outcome,
            took: start.elapsed(),
            values: finding.values,
            summary: finding.summary,
        };
        self.console.say(&entry.line())?;
        self.report.add(entry, self.clock.start.elapsed())
    }

    fn attempt(&self, step: impl FnOnce(&Cancel) -> Result<Finding, Stop>) -> (Outcome, Finding) {
        let cancel = Cancel::default();
        self.set_running(Some(cancel.clone()));
        let result = panic::catch_unwind(AssertUnwindSafe(|| step(&cancel)));
        self.set_running(None);
        let stopped = || {
            self.clock
                .over()
                .unwrap_or("the step was cancelled")
                .to_owned()
        };
        match result {
            Ok(Ok(finding)) => match finding.problem.clone() {
                None => (Outcome::Passed, finding),
                Some(problem) => (Outcome::Failed(problem), finding),
            },
            Ok(Err(Stop::Cancelled)) => (Outcome::NotRun(stopped()), Finding::default()),
            Ok(Err(Stop::Failed(problem))) => (Outcome::Failed(problem), Finding::default()),
            Err(panic) => (Outcome::Failed(text_of(&*panic)), Finding::default()),
        }
    }

    fn set_running(&self, cancel: Option<Cancel>) {
        let running = self.clock.running.lock();
        *running.unwrap_or_else(PoisonError::into_inner) = cancel;
    }

    /// Ends the steps and returns the report.
    ///
    /// # Errors
    /// The report cannot be written.
    pub fn finish(mut self) -> Result<Report, CheckError> {
        let interrupted = self.clock.interrupted.load(Ordering::Relaxed);
        self.report.end(match interrupted {
            true => "interrupted",
            false => "complete",
        })?;
        self.clock.finished.store(true, Ordering::Relaxed);
        for id in self.signal.into_iter().flatten() {
            low_level::unregister(id);
        }
        Ok(self.report)
    }
}

/// Returns the message of a panic.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}
