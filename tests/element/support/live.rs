//! A live stream on a test clock, and an engine as slow as a test wants it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use gst::{ClockTime, prelude::*};
use gst_check::{Harness, TestClock};
use gst_video::{VideoFormat, VideoInfo};
use propainter::{
    Error,
    memory::{Faults, Stage},
};
use propainter_elements::Propainter;

use super::*;

/// How long the engine takes for a frame by the test's clock, and whether its device works.
#[derive(Clone, Default)]
pub struct Load(Arc<LoadInner>);

#[derive(Default)]
struct LoadInner {
    nanoseconds: AtomicU64,
    opening: AtomicU64,
    broken: AtomicBool,
    out_of_memory: AtomicBool,
    holds: AtomicBool,
    waiting: Mutex<Option<gst::SingleShotClockId>>,
    frames: AtomicU64,
}

impl LoadInner {
    /// Takes so many nanoseconds by the clock.
    fn pass(&self, nanoseconds: &AtomicU64, clock: &TestClock) {
        let time = ClockTime::from_nseconds(nanoseconds.load(Ordering::SeqCst));
        if time > ClockTime::ZERO {
            let id = clock.new_single_shot_id(clock.time() + time);
            *self.waiting.lock().expect("no panic") = Some(id.clone());
            let _ = id.wait();
            *self.waiting.lock().expect("no panic") = None;
        }
    }
}

impl Load {
    /// No frame ends before it is cancelled, or the load is released.
    pub fn until_cancelled() -> Self {
        let load = Self::default();
        load.0.holds.store(true, Ordering::SeqCst);
        load
    }

    pub fn set(&self, time: ClockTime) {
        self.0.nanoseconds.store(time.nseconds(), Ordering::SeqCst);
    }

    /// How long it takes to open the engine.
    pub fn set_opening(&self, time: ClockTime) {
        self.0.opening.store(time.nseconds(), Ordering::SeqCst);
    }

    /// The engine has less memory than the smallest plan takes.
    pub fn take_memory(&self, taken: bool) {
        self.0.out_of_memory.store(taken, Ordering::SeqCst);
    }

    pub fn break_device(&self, broken: bool) {
        self.0.broken.store(broken, Ordering::SeqCst);
    }

    /// Frames that were given to the engine.
    pub fn frames(&self) -> u64 {
        self.0.frames.load(Ordering::SeqCst)
    }

    /// Whether the engine waits for the clock.
    fn is_waiting(&self, clock: &TestClock) -> bool {
        let waiting = self.0.waiting.lock().expect("no panic");
        waiting.as_ref().is_some_and(|id| clock.has_id(id))
    }

    /// Lets go of a frame that takes longer than the test.
    pub fn release(&self) {
        self.0.holds.store(false, Ordering::SeqCst);
        self.set(ClockTime::ZERO);
        self.set_opening(ClockTime::ZERO);
        if let Some(id) = &*self.0.waiting.lock().expect("no panic") {
            id.unschedule();
        }
    }

    /// Puts the load on sessions that the element opens from now on.
    pub fn put_on(&self, element: &gst::Element, clock: &TestClock) {
        let faults = Faults::default();
        let (inner, testclock) = (self.0.clone(), clock.clone());
        faults.at_opening(move |_| {
            inner.pass(&inner.opening, &testclock);
            Ok(())
        });
        let (inner, testclock) = (self.0.clone(), clock.clone());
        faults.at_each_frame(move |cancel| {
            inner.frames.fetch_add(1, Ordering::SeqCst);
            if inner.broken.load(Ordering::SeqCst) {
                return Err(Error::Compute {
                    stage: "a test",
                    problem: "the device fell off the bus".to_owned(),
                });
            }
            if inner.out_of_memory.load(Ordering::SeqCst) {
                return Err(Error::OutOfMemory {
                    stage: Stage::Generator,
                    problem: "somebody else has it all".to_owned(),
                });
            }
            while inner.holds.load(Ordering::SeqCst) {
                cancel.check()?;
                std::thread::yield_now();
            }
            inner.pass(&inner.nanoseconds, &testclock);
            Ok(())
        });
        let clock = clock.clone();
        // No test depends on the speed of the machine.
        faults.set_clock(move || clock.time().into());
        let element = element.downcast_ref::<Propainter>().expect("a propainter");
        element.set_faults(faults);
    }
}

/// A live stream of frames with a hole, 25 a second, into the element.
pub struct Live {
    pub element: gst::Element,
    pub harness: Harness,
    pub clock: TestClock,
    pub load: Load,
    pub bus: gst::Bus,
    pub info: VideoInfo,
    /// Number of the next frame.
    pub next: u64,
    messages: Vec<gst::Message>,
}

impl Live {
    pub fn new(element: gst::Element) -> Self {
        Self::with(element, Load::default())
    }

    pub fn with(element: gst::Element, load: Load) -> Self {
        let info = info(VideoFormat::I420, 32, 16);
        element.set_property("mask-regions", regions(&[[8, 4, 6, 6]]));
        let bus = bus(&element);
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.use_testclock();
        let clock = harness.testclock().expect("a test clock");
        clock.set_time(ClockTime::ZERO);
        load.put_on(&element, &clock);
        element.set_base_time(ClockTime::ZERO);
        harness.set_src_caps(info.to_caps().expect("valid caps"));
        harness.play();
        Self {
            element,
            harness,
            clock,
            load,
            bus,
            info,
            next: 0,
            messages: vec![],
        }
    }

    pub fn stats(&self) -> gst::Structure {
        self.element.property("stats")
    }

    pub fn count(&self, name: &str) -> u64 {
        self.stats().get(name).expect("a number")
    }

    pub fn latency(&self) -> ClockTime {
        ClockTime::from_nseconds(self.element.property("latency"))
    }

    /// Lets the clock run until `time`; whoever waits for a time before that is woken at it.
    pub fn run_to(&mut self, time: ClockTime) {
        // An entry may go as soon as it is looked at: its waiter was woken otherwise.
        let next = |live: &Self| live.clock.next_entry_time().filter(|next| *next <= time);
        while let Some(next) = next(self) {
            if next > self.clock.time() {
                self.clock.set_time(next);
            }
            self.clock.process_next_clock_id();
            self.settle();
        }
        if time > self.clock.time() {
            self.clock.set_time(time);
        }
    }

    /// Waits until the worker has nothing to do or waits for the clock.
    fn settle(&self) {
        let idle = || {
            let stats = self.stats();
            stats.get("waiting") == Ok(0u32) && stats.get("working") == Ok(false)
        };
        // The source pad's task waits for one time at most.
        let waits = || self.load.is_waiting(&self.clock) || self.clock.peek_id_count() > 1;
        until(|| waits() || idle());
    }

    /// The next frame comes, at its time.
    pub fn frame(&mut self) {
        self.run_to(FRAME * self.next);
        let frame = frame(&self.info, self.next);
        self.next += 1;
        self.push(frame);
    }

    /// A frame comes, now.
    pub fn push(&mut self, frame: gst::Buffer) {
        self.harness.push(frame).expect("taken");
        self.settle();
    }

    /// Whether a frame that came out is as it went in.
    pub fn is_untouched(&self, buffer: &gst::BufferRef) -> bool {
        bytes(buffer) == noise(self.info.size(), number(buffer) + 1)
    }

    /// Messages of a kind that came since the last call.
    pub fn messages(&mut self, kind: gst::MessageType) -> Vec<gst::Message> {
        self.messages.extend(std::iter::from_fn(|| self.bus.pop()));
        let of_kind = |message: &mut gst::Message| message.type_() == kind;
        self.messages.extract_if(.., of_kind).collect()
    }

    /// The statistics, once no frame is on its way out. All that came in is somewhere, always.
    pub fn accounts(&self) -> gst::Structure {
        let settled = |stats: &gst::Structure| {
            let count = |name| stats.get::<u64>(name).expect("a number");
            let number = |name| stats.get::<u32>(name).expect("a number");
            let sent = ["inpainted", "untouched", "filled", "passed-through"].map(count);
            assert_eq!(count("frames-out"), sent.iter().sum::<u64>(), "{stats}");
            let gone = count("frames-out") + count("dropped") + count("discarded");
            let held = number("held");
            assert_eq!(count("frames-in"), gone + u64::from(held), "{stats}");
            held == number("waiting") + number("computing")
        };
        until(|| settled(&self.stats()));
        self.stats()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.load.release();
    }
}

/// Waits, without sleeping, for what other threads bring about.
pub fn until(condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it never came about");
        std::thread::yield_now();
    }
}
