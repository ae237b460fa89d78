//! Whole pipelines, played to their end, and what became of them.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gst::prelude::*;

use super::*;

/// A pipeline at work.
pub struct Player {
    pub pipeline: gst::Pipeline,
    pub messages: Vec<gst::Message>,
    /// The times of the frames that reached the element `out`.
    frames: Arc<Mutex<Vec<gst::ClockTime>>>,
}

impl Player {
    /// Starts a pipeline, which has a sink `out`.
    pub fn start(description: &str) -> Self {
        let player = Self::build(description);
        player.set_state(gst::State::Playing);
        player
    }

    pub fn build(description: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(description).expect("a pipeline");
        let pipeline = pipeline
            .downcast::<gst::Pipeline>()
            .expect("of several elements");
        let frames = Arc::new(Mutex::new(vec![]));
        let sink = pipeline.by_name("out").expect("a sink of that name");
        let sink = sink.static_pad("sink").expect("its pad");
        let seen = frames.clone();
        sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer().expect("a buffer");
            seen.lock().expect("no panic").extend(buffer.pts());
            gst::PadProbeReturn::Ok
        });
        Self {
            pipeline,
            messages: vec![],
            frames,
        }
    }

    pub fn set_state(&self, state: gst::State) {
        self.pipeline
            .set_state(state)
            .expect("it changes its state");
    }

    pub fn element(&self, name: &str) -> gst::Element {
        self.pipeline
            .by_name(name)
            .expect("an element of that name")
    }

    pub fn frames(&self) -> usize {
        self.frames.lock().expect("no panic").len()
    }

    /// Reads messages for so long; true where the stream has ended.
    pub fn run(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let bus = self.pipeline.bus().expect("a pipeline has one");
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let left = gst::ClockTime::try_from(left).expect("less than a minute");
            let Some(message) = bus.timed_pop(left) else {
                return false;
            };
            match message.view() {
                gst::MessageView::Eos(_) => return true,
                gst::MessageView::Error(error) => panic!("{error:?}"),
                gst::MessageView::Latency(_) => _ = self.pipeline.recalculate_latency(),
                _ => self.messages.push(message),
            }
        }
        false
    }

    /// Reads messages to the end of the stream.
    pub fn finish(&mut self) {
        assert!(self.run(PATIENCE), "no end: {} frames", self.frames());
    }

    /// The texts of the element's warnings.
    pub fn warnings(&self) -> Vec<String> {
        let texts = self
            .messages
            .iter()
            .filter_map(|message| match message.view() {
                gst::MessageView::Warning(warning) => Some(warning.error().message().to_owned()),
                _ => None,
            });
        texts.collect()
    }

    /// The element's messages of a name.
    pub fn posted(&self, name: &str) -> usize {
        let structures = self
            .messages
            .iter()
            .filter_map(|message| message.structure());
        structures
            .filter(|structure| structure.name() == name)
            .count()
    }

    /// Asserts that `count` frames came out, in order.
    pub fn assert_whole(&self, count: usize) {
        let frames = self.frames.lock().expect("no panic");
        assert_eq!(frames.len(), count, "frames that came out");
        assert!(frames.is_sorted_by(|a, b| a < b), "in order");
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
