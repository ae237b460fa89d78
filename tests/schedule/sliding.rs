//! Compares sliding windows with a walk that states, window by window, the frames that each looks
//! at.

use std::collections::BTreeSet;

use propainter::internals::schedule::{Schedule, Task, WindowParams};
use proptest::prelude::*;

use super::{Whole, stream as stream_reference, walk as walk_reference};

/// Returns the tasks of sliding windows for a clip of `total` frames.
fn walk(total: usize, params: WindowParams) -> Whole {
    let (v, n, r) = (
        params.subvideo_length,
        params.neighbor_length / 2,
        params.ref_stride,
    );
    let most = if v > n + 2 { v - n - 1 } else { 1 };
    let ahead = params.lookahead.expect("it slides").min(most);
    let mut whole = Whole::default();
    // A window that sees nothing from its centre on begins once there is a hop before it.
    let first_centre = if ahead == 0 { n } else { 0 };
    let (mut c, mut seen, mut covered) = (first_centre, 0, 0);
    while c < total || covered < total {
        let e = total.min(c + ahead);
        let h = c.saturating_sub(n);
        // A sub-video back from the newest frame, but always with the frame before the hop.
        let s = e.saturating_sub(v).min(h.saturating_sub(1));
        if e > seen {
            if e > 1 {
                let start = s.max(h.saturating_sub(5));
                // Flows lead from a frame to the next: the one to the first new frame is new, too.
                let keep = h.min(seen.saturating_sub(1));
                whole.completions.push((start, e - 1, keep, e - 1));
            }
            for start in (h..e).step_by(100) {
                let before = if start == h { 1 } else { 10 };
                let run = (start.saturating_sub(before), e.min(start + 110));
                let keep = (start, e.min(start + 100));
                whole.propagations.push((run.0, run.1, keep.0, keep.1));
            }
            seen = e;
        }
        let neighbours: Vec<_> = (h..=(c + n).min(e - 1)).collect();
        let references = (s..e).filter(|i| i % r == 0 && !neighbours.contains(i));
        let references: Vec<_> = references.collect();
        assert!(references.len() <= v / r + 1);
        covered = h + neighbours.len();
        whole.windows.push((neighbours, references));
        c += n;
    }
    whole
}

/// The tasks of a stream, the largest number of frames that one waited for, and the largest number
/// of frames held.
#[derive(Default)]
struct Met {
    whole: Whole,
    latency: usize,
    span: usize,
}

/// Streams a clip through the schedule. Checks that every task finds its inputs, that no item
/// needed was dropped, and that no final frame changes.
fn stream(total: usize, params: WindowParams) -> Met {
    let mut schedule = Schedule::new(params);
    let mut met = Met::default();
    let (mut completed, mut propagated, mut sent, mut local) = (0, 0, 0, 0);
    let mut kept;
    // Frames that may be references after they were local.
    let mut referred = BTreeSet::new();
    // End of the frames that were propagated with the newest flows.
    let mut fresh = 0;
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
                    assert!(run.start <= keep.start && keep.start <= completed.max(sent));
                    assert!(keep.start >= kept.flows, "a later one may ask for it");
                    assert_eq!(keep.end, run.end);
                    completed = keep.end;
                    let task = (run.start, run.end, keep.start, keep.end);
                    met.whole.completions.push(task);
                }
                Task::Propagate { run, keep, seeded } => {
                    assert!(run.end <= frames && run.end <= completed + 1);
                    assert!(run.start >= kept.frames && run.start >= kept.flows);
                    assert!(keep.start >= sent, "a final frame stays");
                    if seeded {
                        assert!(run.start >= kept.propagated && run.start < propagated);
                        assert_eq!(run.start + 1, keep.start);
                    } else {
                        assert!(keep.start == 0 || run.start + 10 == keep.start);
                    }
                    propagated = keep.end;
                    fresh = completed + 1;
                    let task = (run.start, run.end, keep.start, keep.end);
                    met.whole.propagations.push(task);
                }
                Task::Generate(window) => {
                    assert_eq!(propagated, fresh, "the newest frames are propagated");
                    let neighbours = window.neighbours;
                    for i in neighbours.clone().chain(window.references.clone()) {
                        assert!(
                            i < propagated && i >= kept.propagated,
                            "{i} of {neighbours:?}"
                        );
                    }
                    assert!(
                        neighbours.start >= kept.quarter_flows && neighbours.end <= completed + 1
                    );
                    assert!(neighbours.start >= kept.features);
                    assert!(neighbours.start <= local, "no frame is left out");
                    local = neighbours.end;
                    let gone = window.references.iter().filter(|&&i| i < kept.features);
                    for &i in gone {
                        assert!(referred.contains(&i), "{i} is no reference any more");
                    }
                    assert!(neighbours.start >= sent, "a final frame stays");
                    let newly = sent..window.final_before;
                    if step < total {
                        met.latency = newly.map(|i| step - i).max().unwrap_or(0).max(met.latency);
                    }
                    sent = window.final_before;
                    let leaving = neighbours.start..schedule.needed().features.min(total);
                    referred.extend(leaving.filter(|&i| schedule.refers_later(i)));
                    let window = (neighbours.collect(), window.references);
                    met.whole.windows.push(window);
                }
            }
            let before = kept;
            kept = schedule.needed();
            for (now, before) in [
                (kept.raw_flows, before.raw_flows),
                (kept.flows, before.flows),
                (kept.quarter_flows, before.quarter_flows),
                (kept.propagated, before.propagated),
            ] {
                assert!(now >= before, "items that were dropped are not needed");
            }
        }
        if step < total {
            let held = frames - sent;
            assert!(held <= params.latency_frames(), "{held} held");
            let oldest = [
                kept.raw_flows,
                kept.frames,
                kept.quarter_flows,
                kept.propagated,
            ];
            let oldest = oldest.into_iter().min().unwrap_or(0);
            met.span = met.span.max(frames - oldest.min(frames));
        }
    }
    assert_eq!(local, total, "every frame is local in a window");
    met
}

prop_compose! {
    fn any_params()(
        subvideo_length in 2usize..=160,
        neighbor_length in 2usize..=40,
        ref_stride in 1usize..=40,
        lookahead in 0usize..=170,
    ) -> WindowParams {
        WindowParams { subvideo_length, neighbor_length, ref_stride, lookahead: Some(lookahead) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_meets_the_windows_that_the_walk_states(total in 1usize..=400, params in any_params()) {
        prop_assert_eq!(stream(total, params).whole, walk(total, params));
    }

    #[test]
    fn the_stated_latency_is_met_within_any_hop(params in any_params(), more in 0usize..=40) {
        let hop = params.neighbor_length / 2;
        let total = params.latency_frames() + hop + more;
        prop_assert_eq!(stream(total, params).latency, params.latency_frames());
    }

    #[test]
    fn a_clip_that_fits_is_cut_as_the_official_procedure_cuts_it(
        params in any_params(),
        share in 0.0f64..1.0,
    ) {
        let ahead = params.effective_lookahead().expect("it slides");
        let total = 1 + (share * ahead as f64) as usize;
        let whole = stream(total, params).whole;
        prop_assert_eq!(&whole, &walk_reference(total, params));
        let params = WindowParams { lookahead: None, ..params };
        prop_assert_eq!(whole, stream_reference(total, params).0);
    }

    #[test]
    fn the_items_held_depend_on_the_parameters_and_not_on_the_length(params in any_params()) {
        // Frames that arrive while a window waits are held beside those that it looks at.
        let most = params.subvideo_length.max(params.latency_frames() + 1) + params.neighbor_length / 2 + 1;
        let turns = params.subvideo_length + params.latency_frames();
        let spans = [3, 9].map(|times| stream(times * turns, params).span);
        prop_assert!(spans[0] == spans[1] && spans[1] <= most, "{spans:?}, {most}");
    }
}

#[test]
fn every_length_streams_as_the_walk_states() {
    for (subvideo_length, neighbor_length, ref_stride, lookahead) in [
        (80, 10, 10, 10),
        (12, 6, 4, 1),
        (20, 9, 3, 40),
        (4, 10, 3, 2),
        (12, 6, 4, 0),
        (20, 2, 5, 0),
        (240, 10, 10, 230),
    ] {
        let params = WindowParams {
            subvideo_length,
            neighbor_length,
            ref_stride,
            lookahead: Some(lookahead),
        };
        for total in 0..=2 * subvideo_length {
            let met = stream(total, params);
            assert_eq!(met.whole, walk(total, params), "{total} frames, {params:?}");
        }
    }
}

#[test]
fn without_a_look_ahead_no_frame_waits_for_more_than_its_hop() {
    for (neighbor_length, latency) in [(10, 4), (4, 1), (2, 0)] {
        let params = WindowParams {
            subvideo_length: 80,
            neighbor_length,
            ref_stride: 10,
            lookahead: Some(0),
        };
        assert_eq!(
            (params.latency_frames(), stream(500, params).latency),
            (latency, latency)
        );
    }
}

#[test]
fn the_defaults_wait_for_fourteen_frames() {
    let params = WindowParams {
        subvideo_length: 80,
        neighbor_length: 10,
        ref_stride: 10,
        lookahead: Some(10),
    };
    assert_eq!(
        (params.latency_frames(), stream(500, params).latency),
        (14, 14)
    );
}
