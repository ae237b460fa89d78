//! The order of the queue: barriers, requeued frames and overdue frames.

use gst::ClockTime;
use gst_video::{VideoFormat, VideoInfo};
use propainter::Frame;

use super::*;
use crate::propainter::video::{converter::Converter, reading::Reading};

fn frame(discont: bool) -> InputFrame {
    gst::init().unwrap();
    let info = VideoInfo::builder(VideoFormat::Rgb, 1, 1).build().unwrap();
    InputFrame {
        buffer: gst::Buffer::new(),
        frame: Some(Reading::Done(Frame::new(1, 1, vec![0; 3]))),
        masks: FrameMasks::default(),
        converter: Arc::new(Converter::new(&info).unwrap()),
        canvas: None,
        running_time: None,
        stay_from: None,
        discont,
        context: false,
    }
}

/// Returns the number of the frame to process next, or `None` for [`Job::Drain`].
fn take(queue: &mut OutputQueue) -> Option<u64> {
    match queue.next_job().expect("there is a job") {
        Job::Frame(task) => Some(task.id),
        Job::Drain => None,
    }
}

#[test]
fn requeued_frames_are_finished_before_a_discontinuity_again() {
    let mut queue = OutputQueue::default();
    [false, false, true]
        .into_iter()
        .for_each(|discont| queue.push_frame(frame(discont)));
    for _ in 0..3 {
        assert_eq!([(); 3].map(|()| take(&mut queue)), [Some(0), Some(1), None]);
        queue.requeue();
        assert_eq!((queue.waiting(), queue.computing()), (3, 0));
    }
    let jobs = [(); 4].map(|()| take(&mut queue));
    assert_eq!(jobs, [Some(0), Some(1), None, Some(2)]);
    assert!(queue.next_job().is_none());
}

#[test]
fn a_discontinuity_that_goes_out_unseen_passes_to_the_next_frame() {
    let mut queue = OutputQueue::default();
    [true, false]
        .into_iter()
        .for_each(|discont| queue.push_frame(frame(discont)));
    assert!(queue.take_undecided().is_some());
    assert_eq!([take(&mut queue), take(&mut queue)], [None, Some(1)]);
    // Without a next frame in the queue it passes to the one that comes.
    let mut queue = OutputQueue::default();
    queue.push_frame(frame(true));
    assert!(queue.take_undecided().is_some());
    queue.push_frame(frame(false));
    assert_eq!([take(&mut queue), take(&mut queue)], [None, Some(1)]);
}

#[test]
fn a_barrier_that_goes_out_unseen_passes_to_the_next_frame() {
    for eos in [false, true] {
        let mut queue = OutputQueue::default();
        queue.push_event(gst::event::Gap::builder(ClockTime::ZERO).build(), true);
        assert!(queue.pop().is_some(), "nothing is before it");
        queue.push_frame(frame(false));
        if eos {
            queue.push_event(gst::event::Eos::new(), true);
            assert!(queue.pop().is_none(), "a frame is before it");
        }
        assert_eq!([take(&mut queue), take(&mut queue)], [None, Some(0)]);
    }
}

#[test]
fn an_outcome_that_comes_too_late_changes_nothing() {
    let mut queue = OutputQueue::default();
    [false, false]
        .into_iter()
        .for_each(|discont| queue.push_frame(frame(discont)));
    assert_eq!(take(&mut queue), Some(0));
    assert!(queue.take_undecided().is_some());
    queue.decide(0, Outcome::PassedThrough);
    assert_eq!((queue.frames(), queue.waiting(), queue.ready()), (1, 1, 0));
    assert!(queue.pop().is_none());
}
