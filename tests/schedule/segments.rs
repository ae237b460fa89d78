//! A segment runs the tasks that its frames depend on, as the whole clip does, and no others.

use std::{collections::BTreeSet, ops::Range};

use propainter::{
    Segment,
    internals::schedule::{Schedule, Task, Window, WindowParams},
};
use proptest::prelude::*;

/// The tasks of a stream; windows without the frames that they make final.
fn tasks(mut schedule: Schedule, frames: usize) -> Vec<Task> {
    let mut tasks = Vec::new();
    for step in 0..=frames {
        match step < frames {
            true => schedule.push(),
            false => schedule.end(),
        }
        while let Some(task) = schedule.next_task() {
            tasks.push(match task {
                Task::Generate(window) => Task::Generate(Window {
                    final_before: 0,
                    ..window
                }),
                other => other,
            });
        }
    }
    tasks
}

/// Checks a segment against the clip. The context must suffice: each kept frame has all its windows,
/// and each task has all its inputs from tasks of the segment, or from frames that are read.
fn check(params: WindowParams, total: usize, keep: Range<usize>) {
    let segment = Segment::new(params, total, keep.clone());
    let Segment { read, .. } = &segment;
    assert!(read.start <= keep.start && keep.end <= read.end && read.end <= total);
    let whole = tasks(Schedule::new(params), total);
    let part = tasks(Schedule::of_segment(params, &segment), read.len());

    // The same tasks in the same order: those of one kind follow each other in the clip, too.
    for kind in [is_completion, is_propagation, is_window] {
        let of = |tasks: &[Task]| -> Vec<Task> {
            tasks.iter().filter(|task| kind(task)).cloned().collect()
        };
        let (whole, part) = (of(&whole), of(&part));
        let found = part.is_empty() || whole.windows(part.len()).any(|tasks| tasks == part);
        assert!(found, "{segment}: {part:?}\nare not in {whole:?}");
    }
    // The windows of the frames kept, all of them.
    let shows_kept = |task: &&Task| match task {
        Task::Generate(window) => {
            window.neighbours.start < keep.end && window.neighbours.end > keep.start
        }
        _ => false,
    };
    let wanted: Vec<_> = whole.iter().filter(shows_kept).collect();
    let windows: Vec<_> = part.iter().filter(|task| is_window(task)).collect();
    assert_eq!(windows, wanted, "{segment}");

    let (mut flows, mut propagated) = (BTreeSet::new(), BTreeSet::new());
    for task in &part {
        match task {
            Task::Complete { run, keep } => {
                assert!(run.start >= read.start && run.end < read.end, "{segment}");
                flows.extend(keep.clone());
            }
            Task::Propagate { run, keep, .. } => {
                assert!(run.start >= read.start && run.end <= read.end, "{segment}");
                assert!((run.start..run.end - 1).all(|flow| flows.contains(&flow)));
                propagated.extend(keep.clone());
            }
            Task::Generate(window) => {
                let mut seen = window.neighbours.clone().chain(window.references.clone());
                assert!(seen.all(|frame| propagated.contains(&frame)), "{segment}");
            }
        }
    }
}

fn is_completion(task: &Task) -> bool {
    matches!(task, Task::Complete { .. })
}

fn is_propagation(task: &Task) -> bool {
    matches!(task, Task::Propagate { .. })
}

fn is_window(task: &Task) -> bool {
    matches!(task, Task::Generate(_))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_frames_kept_see_the_inputs_that_they_see_in_the_whole_clip(
        total in 1usize..=600,
        subvideo_length in 2usize..=160,
        neighbor_length in 2usize..=40,
        ref_stride in 1usize..=40,
        first in 0.0..1.0,
        share in 0.0..1.0,
    ) {
        let params = WindowParams { subvideo_length, neighbor_length, ref_stride, lookahead: None };
        let first = (first * total as f64) as usize;
        let count = 1 + (share * (total - first - 1) as f64) as usize;
        check(params, total, first..first + count);
    }

    #[test]
    fn a_segment_is_read_as_it_is_written(a in 0usize..900, b in 0usize..900, c in 0usize..900) {
        let segment = Segment { total: a, read: b..c, keep: c..a };
        prop_assert_eq!(segment.to_string().parse(), Ok(segment));
    }
}

#[test]
fn every_boundary_around_the_chunks_suffices() {
    let params = WindowParams {
        subvideo_length: 12,
        neighbor_length: 6,
        ref_stride: 4,
        lookahead: None,
    };
    for total in [11, 12, 13, 14, 25, 61] {
        for first in 0..total {
            for end in first + 1..=total {
                check(params, total, first..end);
            }
        }
    }
}

/// With the default settings at 2,000 frames a segment.
#[test]
fn a_segment_leaves_out_what_nobody_needs() {
    let params = WindowParams {
        subvideo_length: 80,
        neighbor_length: 10,
        ref_stride: 10,
        lookahead: None,
    };
    let segment = Segment::new(params, 20_000, 4_000..6_000);
    let count = |schedule, frames, kind: fn(&Task) -> bool| {
        let tasks = tasks(schedule, frames);
        let kept = tasks
            .iter()
            .filter(|task| kind(task))
            .map(|task| match task {
                Task::Complete { keep, .. } | Task::Propagate { keep, .. } => keep.len(),
                Task::Generate(_) => 1,
            });
        kept.sum::<usize>()
    };
    let of = |kind| {
        count(
            Schedule::of_segment(params, &segment),
            segment.read.len(),
            kind,
        )
    };
    let found = (
        segment.read.len(),
        of(is_completion),
        of(is_propagation),
        of(is_window),
    );
    println!("{segment}: {found:?} frames read, flows completed, frames propagated, windows");
    assert_eq!(found, (2_331, 2_320, 2_160, 402));
}

#[test]
fn what_is_no_segment_is_refused() {
    for text in [
        "",
        "1..2",
        "read=1..2,keep=1..2",
        "read=1-2,keep=1..2,total=3",
        "keep=,read=,total=",
    ] {
        let problem = text.parse::<Segment>().expect_err(text);
        assert!(problem.contains("keep=100..200"), "{problem}");
    }
}
