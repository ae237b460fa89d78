//! Waits for the first frame of a file.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use gst::prelude::*;

use super::RecodeError;

/// Longest wait for the first frame of a file.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Time between two looks at a pipeline that waits for its first frame.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Looks in sequence at an idle pipeline after which nothing is expected from it.
const IDLE_LOOKS: u32 = 20;

/// Plays up to the first frame of the file that a pipeline reads.
///
/// # Errors
/// An element fails, or no frame comes.
pub fn preroll(pipeline: &gst::Pipeline, file: &Path) -> Result<(), RecodeError> {
    let bus = pipeline.bus();
    let bus = bus.ok_or_else(|| gst::glib::bool_error!("the pipeline has no bus"))?;
    let started = pipeline.set_state(gst::State::Paused);
    let deadline = Instant::now() + TIMEOUT;
    let kinds = [
        gst::MessageType::AsyncDone,
        gst::MessageType::Eos,
        gst::MessageType::Error,
    ];
    let mut idle = 0;
    loop {
        let wait = match started {
            // The element that refused has posted the reason.
            Err(_) => gst::ClockTime::ZERO,
            Ok(_) => LOOK,
        };
        let message = bus.timed_pop_filtered(wait, &kinds);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => return Err(RecodeError::of_message(error)),
            Some(_) => return Ok(()),
            None => {}
        }
        if let Err(error) = started {
            return Err(RecodeError::State(error));
        }
        idle = if is_idle(pipeline) { idle + 1 } else { 0 };
        if idle == IDLE_LOOKS || Instant::now() > deadline {
            return Err(RecodeError::NoVideo(file.to_owned()));
        }
    }
}

/// Returns whether no element reads or waits for data. `parsebin` drops the error of a demuxer that
/// fails while it is added (GStreamer 1.22.0 at least); nothing comes after that.
fn is_idle(pipeline: &gst::Pipeline) -> bool {
    let elements = pipeline.iterate_recurse().into_iter().flatten();
    elements
        .flat_map(|element| element.pads())
        .all(|pad| pad.task_state() != gst::TaskState::Started)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recode::StopOnDrop;

    #[test]
    fn a_stream_that_ends_without_a_word_is_not_waited_for() {
        gst::init().unwrap();
        let line = "fakesrc num-buffers=1 ! identity name=lost drop-probability=1 ! fakesink";
        let pipeline = gst::parse::launch(line).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let lost = pipeline
            .by_name("lost")
            .and_then(|lost| lost.static_pad("src"));
        lost.unwrap()
            .add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
                match info.event().map(|event| event.type_()) {
                    Some(gst::EventType::Eos) => gst::PadProbeReturn::Handled,
                    _ => gst::PadProbeReturn::Ok,
                }
            });
        let _stop = StopOnDrop(&pipeline);
        let start = Instant::now();
        let error = preroll(&pipeline, Path::new("cut.mp4")).unwrap_err();
        assert!(start.elapsed() < TIMEOUT / 4, "{:?}", start.elapsed());
        assert!(error.to_string().contains("cut.mp4"), "{error}");
    }
}
