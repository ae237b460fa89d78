//! Values known before a session is open, and an opening that is cancelled.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use propainter::{
    Cancel, Config, Error, Limits, Mask, Mode, Model, OpenOptions, Session, memory::Faults,
};

use super::{inpaint, middle, networks, propagation, push, scene};

#[test]
fn the_latency_of_settings_is_that_of_their_session() {
    for mode in [Mode::Reference, Mode::Sliding] {
        for (subvideo_length, lookahead) in [(80, 0), (2, 1), (3, 9), (20, 1), (80, 10), (300, 200)]
        {
            let config = Config {
                mode,
                subvideo_length,
                lookahead,
                ..propagation(64, 48)
            };
            let stated = config.latency_frames();
            assert_eq!(config.hop(), 1);
            let session = Session::open(config).expect("the session opens");
            assert_eq!(
                stated,
                session.latency_frames(),
                "{mode:?} {subvideo_length} {lookahead}"
            );
            if mode == Mode::Sliding {
                assert!(stated <= lookahead);
            }
        }
    }
}

#[cfg(feature = "networks")]
#[test]
fn the_latency_of_the_networks_settings_is_that_of_their_session() {
    for (subvideo_length, neighbor_length) in [(80, 10), (12, 3), (2, 2)] {
        let Some(config) = networks(64, 48) else {
            return;
        };
        let config = Config {
            subvideo_length,
            neighbor_length,
            ..config
        };
        assert_eq!(config.hop(), 1);
        let stated = config.latency_frames();
        let session = Session::open(config).expect("the session opens");
        assert_eq!(stated, session.latency_frames());
    }
}

#[cfg(feature = "networks")]
#[test]
fn a_sliding_window_waits_for_the_lookahead_and_a_hop() {
    let Some(config) = networks(64, 48) else {
        return;
    };
    let of = |subvideo_length, neighbor_length, lookahead| {
        let config = Config {
            mode: Mode::Sliding,
            subvideo_length,
            neighbor_length,
            lookahead,
            ..config.clone()
        };
        (config.hop(), config.latency_frames())
    };
    assert_eq!(of(80, 10, 10), (5, 14));
    // At most as many as the sub-video leaves beside a hop and a frame.
    assert_eq!(of(12, 10, 10), (5, 10));
    assert_eq!(of(2, 10, 10), (5, 5));
    assert_eq!(of(80, 3, 1), (1, 1));
    assert_eq!(of(80, 10, 0), (5, 4));
    assert_eq!(of(80, 3, 0), (1, 0));
}

#[test]
fn settings_out_of_range_still_have_a_latency() {
    for mode in [Mode::Reference, Mode::Sliding] {
        for config in [networks(64, 48), Some(propagation(64, 48))] {
            let Some(config) = config else { continue };
            let config = Config {
                mode,
                subvideo_length: 0,
                neighbor_length: 0,
                ref_stride: 0,
                lookahead: 0,
                ..config
            };
            assert!(config.latency_frames() < 100 && config.hop() == 1);
        }
    }
}

fn options(cancel: &Cancel) -> OpenOptions<'static> {
    OpenOptions {
        cancel: cancel.clone(),
        ..OpenOptions::default()
    }
}

#[test]
fn an_opening_that_was_cancelled_ends() {
    let configs = [Some(propagation(64, 48)), networks(64, 48)];
    for config in configs.into_iter().flatten() {
        let token = Cancel::default();
        let session = Session::open_with(config.clone(), options(&token));
        let mut session = session.expect("nobody cancelled it");
        token.cancel();
        let (scene, mask) = (scene(&config), middle(&config));
        let error = session.push(scene.frame(0), &mask);
        assert!(matches!(error, Err(Error::Cancelled)), "the same token");
        let error = Session::open_with(config, options(&token)).err();
        assert!(matches!(error, Some(Error::Cancelled)), "{error:?}");
    }
}

#[test]
fn a_hook_sees_every_frame_and_its_error_is_the_calls() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let faults = Faults::default();
    faults.at_each_frame(|cancel| {
        cancel.check()?;
        match CALLS.fetch_add(1, Ordering::Relaxed) {
            2 => Err(Error::Compute {
                stage: "a test",
                problem: "it was told to".to_owned(),
            }),
            _ => Ok(()),
        }
    });
    let config = Config {
        limits: Limits {
            faults,
            ..Limits::default()
        },
        ..propagation(64, 48)
    };
    let (scene, mask) = (scene(&config), middle(&config));
    let mut session = Session::open(config).expect("the session opens");
    for t in 0..2 {
        session
            .push(scene.frame(t), &mask)
            .expect("the frame is taken");
    }
    let error = session.push(scene.frame(2), &mask);
    assert!(matches!(error, Err(Error::Compute { .. })), "{error:?}");
    session.flush();
    let done = push(&mut session, &scene, &mask, 3);
    assert_eq!(CALLS.load(Ordering::Relaxed), 6);
    assert_eq!(done, inpaint(propagation(64, 48), 3), "a flush heals it");
}

#[test]
fn computing_counts_for_holes_only_and_untouched_frames_are_counted() {
    let configs = [Some(propagation(64, 48)), networks(64, 48)];
    for config in configs.into_iter().flatten() {
        let (scene, mask) = (scene(&config), middle(&config));
        let mut session = Session::open(config).expect("the session opens");
        push(&mut session, &scene, &Mask::empty(64, 48), 3);
        assert_eq!(session.stats().computing, Duration::ZERO);
        assert_eq!(session.stats().untouched, 3);
        push(&mut session, &scene, &mask, 3);
        let stats = session.stats();
        assert_eq!((stats.untouched, stats.frames_out), (3, 6));
        assert!(stats.computing <= stats.busy);
        if session.model() == Model::Propagation {
            assert!(stats.computing > Duration::ZERO);
        }
    }
}
