//! Compares the schedule with a walk over the whole clip, written as the official procedure states
//! it.

mod segments;
mod sliding;

use std::collections::BTreeSet;

use propainter::internals::schedule::{Schedule, Task, WindowParams};
use proptest::prelude::*;

/// The tasks of the procedure for a clip, without streaming.
#[derive(Debug, Default, PartialEq)]
struct Whole {
    completions: Vec<(usize, usize, usize, usize)>,
    propagations: Vec<(usize, usize, usize, usize)>,
    windows: Vec<(Vec<usize>, Vec<usize>)>,
}

fn walk(total: usize, params: WindowParams) -> Whole {
    let (t, v) = (total as i64, params.subvideo_length as i64);
    let chunks = |count: i64, length: i64, pad: i64| {
        let mut out = vec![];
        if count == 0 {
            return out;
        }
        if count <= length {
            return vec![(0, count as usize, 0, count as usize)];
        }
        let mut f = 0;
        while f < count {
            let (s, e) = ((f - pad).max(0), (f + length + pad).min(count));
            let end = (f + length).min(count);
            out.push((s as usize, e as usize, f as usize, end as usize));
            f += length;
        }
        out
    };
    let (n, r) = (params.neighbor_length as i64 / 2, params.ref_stride as i64);
    let mut windows = vec![];
    let mut f = 0;
    while f < t {
        let neighbours: Vec<i64> = ((f - n).max(0)..=(f + n).min(t - 1)).collect();
        let mut references = vec![];
        if t <= v {
            let mut i = 0;
            while i < t {
                if !neighbours.contains(&i) {
                    references.push(i);
                }
                i += r;
            }
        } else {
            let k = v / r;
            let mut i = (f - r * (k / 2)).max(0);
            while i < t.min(f + r * (k / 2)) {
                if !neighbours.contains(&i) {
                    if references.len() as i64 > k {
                        break;
                    }
                    references.push(i);
                }
                i += r;
            }
        }
        let index = |list: Vec<i64>| list.into_iter().map(|i| i as usize).collect();
        windows.push((index(neighbours), index(references)));
        f += n;
    }
    Whole {
        completions: chunks(t - 1, v, 5),
        propagations: chunks(t, v.min(100), 10),
        windows,
    }
}

/// Streams a clip through the schedule. Checks that every task finds its inputs, that no item
/// needed was dropped, and that each frame is final when no later window contains it, within the
/// stated latency.
fn stream(total: usize, params: WindowParams) -> (Whole, usize) {
    let mut schedule = Schedule::new(params);
    let mut whole = Whole::default();
    let mut last_window = vec![0; total];
    for (f, (neighbours, _)) in walk(total, params).windows.iter().enumerate() {
        for &i in neighbours {
            last_window[i] = f;
        }
    }
    let (mut completed, mut propagated, mut sent, mut worst) = (0, 0, 0, 0);
    let mut kept;
    // Frames that may be references after they were local.
    let mut referred = BTreeSet::new();
    for step in 0..=total {
        if step < total {
            schedule.push();
        } else {
            schedule.end();
        }
        let frames = (step + 1).min(total);
        // A stream drops items as soon as a frame, or the end, is there.
        kept = schedule.needed();
        while let Some(task) = schedule.next_task() {
            match task {
                Task::Complete { run, keep } => {
                    assert!(run.end < frames && run.start >= kept.raw_flows);
                    assert_eq!(keep.start, completed);
                    completed = keep.end;
                    whole
                        .completions
                        .push((run.start, run.end, keep.start, keep.end));
                }
                Task::Propagate { run, keep, seeded } => {
                    assert!(!seeded);
                    assert!(run.end <= frames && run.end <= completed + 1);
                    assert!(run.start >= kept.frames && run.start >= kept.flows);
                    assert_eq!(keep.start, propagated);
                    propagated = keep.end;
                    whole
                        .propagations
                        .push((run.start, run.end, keep.start, keep.end));
                }
                Task::Generate(window) => {
                    let all = window.neighbours.clone().chain(window.references.clone());
                    for i in all {
                        assert!(i < propagated && i >= kept.propagated, "{i} in {window:?}");
                    }
                    assert!(window.neighbours.start >= kept.quarter_flows);
                    assert!(window.neighbours.start >= kept.features);
                    for &i in &window.references {
                        if i < kept.features {
                            assert!(referred.contains(&i), "{i} is no reference any more");
                        }
                    }
                    assert!(window.neighbours.end <= completed + 1);
                    let index = whole.windows.len();
                    for (i, last) in last_window.iter().enumerate().take(window.final_before) {
                        assert!(*last <= index, "frame {i} is sent too early");
                    }
                    if step < total {
                        worst = worst.max(step - sent.min(step));
                    }
                    sent = window.final_before;
                    let leaving = window.neighbours.start..schedule.needed().features;
                    referred.extend(leaving.filter(|&i| schedule.refers_later(i)));
                    whole
                        .windows
                        .push((window.neighbours.collect(), window.references));
                }
            }
            kept = schedule.needed();
        }
        if step < total {
            let held = frames - sent;
            assert!(
                held <= params.latency_frames(),
                "{held} held, {} promised",
                params.latency_frames()
            );
        }
    }
    assert_eq!(sent, total, "every frame is final at the end");
    (whole, worst)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_meets_the_windows_of_the_whole_clip(
        total in 1usize..=400,
        subvideo_length in 2usize..=160,
        neighbor_length in 2usize..=40,
        ref_stride in 1usize..=40,
    ) {
        let params = WindowParams { subvideo_length, neighbor_length, ref_stride, lookahead: None };
        let (streamed, _) = stream(total, params);
        prop_assert_eq!(streamed, walk(total, params));
    }
}

#[test]
fn every_length_around_the_chunk_borders_streams_as_the_whole_clip() {
    for (subvideo_length, neighbor_length, ref_stride) in [(80, 10, 10), (12, 6, 4), (20, 9, 3)] {
        let params = WindowParams {
            subvideo_length,
            neighbor_length,
            ref_stride,
            lookahead: None,
        };
        for total in 1..=4 * subvideo_length {
            assert_eq!(
                stream(total, params).0,
                walk(total, params),
                "{total} frames, {params:?}"
            );
        }
    }
}

#[test]
fn the_stated_latency_is_that_of_a_long_stream_with_the_defaults() {
    let params = WindowParams {
        subvideo_length: 80,
        neighbor_length: 10,
        ref_stride: 10,
        lookahead: None,
    };
    let (_, worst) = stream(1000, params);
    println!("stated {}, met {worst}", params.latency_frames());
    assert!(worst <= params.latency_frames() && worst + 20 > params.latency_frames());
}
