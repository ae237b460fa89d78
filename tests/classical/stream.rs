//! The behaviour over a stream: order, latency and unusual streams.

use propainter::{Cancel, Error, Frame, Mask, Session, internals::synthetic::Scene};

use super::{assert_untouched_outside, clip, open, open_with, run};

#[test]
fn a_frame_is_final_once_its_lookahead_has_been_pushed() {
    for subvideo_length in [2, 3, 11, 80] {
        let scene = Scene::new(64, 40, 1);
        let clip = clip(&scene, 20);
        let mut session = open_with(64, 40, subvideo_length);
        let ahead = session.latency_frames();
        assert!(ahead < subvideo_length);
        let mut out = 0;
        for (i, (frame, mask)) in clip.iter().enumerate() {
            out += session.push(frame.clone(), mask).expect("push").len();
            assert!(out >= (i + 1).saturating_sub(ahead), "after frame {i}");
            assert!(session.stats().held <= ahead);
        }
        out += session.drain().expect("drain").len();
        assert_eq!(out, clip.len());
    }
}

#[test]
fn frames_without_a_hole_pass_immediately_and_unchanged() {
    let scene = Scene::new(64, 40, 1);
    let mut session = open(64, 40);
    for i in 0..5 {
        let frame = scene.frame(i);
        let done = session
            .push(frame.clone(), &Mask::empty(64, 40))
            .expect("push");
        assert_eq!(done.len(), 1);
        assert_eq!(done[0].frame, frame);
    }
}

#[test]
fn intermittent_holes_keep_the_order() {
    let scene = Scene::new(96, 56, 3);
    let mut clip = clip(&scene, 40);
    for (i, (_, mask)) in clip.iter_mut().enumerate() {
        if (i / 5) % 2 == 0 {
            *mask = Mask::empty(96, 56);
        }
    }
    for subvideo_length in [2, 10, 80] {
        let done = run(&mut open_with(96, 56, subvideo_length), &clip);
        assert_untouched_outside(&clip, &done);
    }
}

#[test]
fn empty_streams_and_single_frames_drain() {
    let mut session = open(48, 32);
    assert!(session.drain().expect("drain").is_empty());
    let scene = Scene::new(48, 32, 2);
    for _ in 0..2 {
        let clip = clip(&scene, 1);
        let done = run(&mut session, &clip);
        assert_untouched_outside(&clip, &done);
        assert_ne!(done[0].frame, clip[0].0, "a single frame is filled too");
    }
}

#[test]
fn any_hole_at_any_size_is_filled() {
    for (width, height) in [(8, 8), (16, 8), (8, 40), (56, 24)] {
        let scene = Scene::new(width, height, 4);
        let (w, h) = (width as u64, height as u64);
        // All of the frame, sides, corners, a line across, all but one pixel.
        let rectangles: [&[(i64, i64, u64, u64)]; 6] = [
            &[(0, 0, w, h)],
            &[(0, 0, w, 2)],
            &[(0, 0, 3, h), (width as i64 - 3, 0, 3, h)],
            &[(0, 0, 4, 4), (width as i64 - 2, height as i64 - 2, 2, 2)],
            &[(0, height as i64 / 2, w, 1)],
            &[(0, 0, w, h - 1), (0, 0, w - 1, h)],
        ];
        for rectangles in rectangles {
            let mut mask = Mask::empty(width, height);
            for &(x, y, w, h) in rectangles {
                mask.add_rectangle(x, y, w, h);
            }
            let clip: Vec<(Frame, Mask)> = (0..6).map(|i| (scene.frame(i), mask.clone())).collect();
            let done = run(&mut open(width, height), &clip);
            assert_untouched_outside(&clip, &done);
        }
    }
}

#[test]
fn a_frame_that_is_all_hole_is_filled_from_its_neighbours() {
    let scene = Scene {
        pan: (0.0, 0.0),
        parallax: 0.0,
        object: false,
        logo: false,
        ..Scene::new(64, 48, 5)
    };
    let mut clip: Vec<(Frame, Mask)> = (0..5)
        .map(|i| (scene.frame(i), Mask::empty(64, 48)))
        .collect();
    clip[2].1.add_rectangle(0, 0, 64, 48);
    clip[2].0.rgb_mut().fill(7);
    let done = run(&mut open(64, 48), &clip);
    assert_untouched_outside(&clip, &done);
    let psnr = propainter::internals::synthetic::psnr_in_hole(
        &scene.truth(2),
        &done[2].frame,
        &done[2].hole,
    );
    assert!(psnr.is_some_and(|psnr| psnr > 40.0), "{psnr:?}");
}

#[test]
fn a_flushed_session_starts_anew() {
    let scene = Scene::new(96, 56, 6);
    let clip = clip(&scene, 12);
    let fresh = run(&mut open(96, 56), &clip);
    let mut session = open(96, 56);
    for (frame, mask) in clip.iter().rev() {
        session.push(frame.clone(), mask).expect("push");
    }
    session.flush();
    assert_eq!(run(&mut session, &clip), fresh);
    assert_eq!(run(&mut session, &clip), fresh, "after a drain");
}

#[test]
fn a_cancelled_session_stops_and_recovers_by_a_flush() {
    let scene = Scene::new(96, 56, 6);
    let clip = clip(&scene, 12);
    let mut session = open(96, 56);
    let token: Cancel = session.cancel_token();
    push_all(&mut session, &clip);
    token.cancel();
    assert!(matches!(session.drain(), Err(Error::Cancelled)));
    session.flush();
    assert_eq!(run(&mut session, &clip).len(), clip.len());
}

fn push_all(session: &mut Session, clip: &[(Frame, Mask)]) {
    for (frame, mask) in clip {
        session.push(frame.clone(), mask).expect("push");
    }
}
