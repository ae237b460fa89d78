//! Streams whose latency is limited from some frame on.

use propainter::{Config, Mode, Model, Session};

use super::{assert_whole, middle, networks, push, scene};

#[test]
fn settings_within_a_latency_state_no_more() {
    for model in [Model::Propagation, Model::Propainter] {
        for mode in [Mode::Reference, Mode::Sliding] {
            let config = Config {
                model,
                mode,
                ..Config::new(64, 48)
            };
            let before = config.latency_frames();
            for most in 1..80 {
                let within = config.with_latency_within(most);
                assert!(within.latency_frames() <= most, "{model:?} {mode:?} {most}");
                assert!(within.latency_frames() <= before);
                if most >= before {
                    assert_eq!(within, config);
                }
            }
        }
    }
}

#[test]
fn the_classical_engine_lets_frames_go_at_once() {
    let config = Config {
        model: Model::Propagation,
        ..Config::new(64, 48)
    };
    let (scene, mask) = (scene(&config), middle(&config));
    let mut session = Session::open(config).expect("the session opens");
    let mut done = Vec::new();
    for t in 0..20 {
        done.extend(session.push(scene.frame(t), &mask).expect("it is taken"));
    }
    assert!(done.is_empty(), "all are held for their future");
    done.extend(session.limit_latency(6).expect("it looks less far"));
    assert_eq!(session.latency_frames(), 6);
    assert_eq!(done.len(), 14);
    for t in 20..40 {
        let finals = session.push(scene.frame(t), &mask).expect("it is taken");
        assert_eq!(finals.len(), 1);
        done.extend(finals);
    }
    done.extend(session.limit_latency(9).expect("no more than before"));
    assert_eq!(session.latency_frames(), 6);
    done.extend(session.drain().expect("the rest comes out"));
    assert_whole(&done, &scene, 40);
}

#[cfg(feature = "networks")]
#[test]
fn networks_begin_anew_with_the_frames_they_hold() {
    let Some(config) = networks(64, 48) else {
        return;
    };
    let config = Config {
        mode: Mode::Reference,
        neighbor_length: 4,
        ref_stride: 3,
        scene_cuts: false,
        ..config
    };
    let (scene, mask) = (scene(&config), middle(&config));
    let within = config.with_latency_within(5);
    assert_eq!((within.mode, within.latency_frames()), (Mode::Sliding, 5));
    let mut sliding = Session::open(within).expect("the session opens");
    let expected = push(&mut sliding, &scene, &mask, 12);

    let mut session = Session::open(config).expect("the session opens");
    let mut done = Vec::new();
    for t in 0..6 {
        done.extend(session.push(scene.frame(t), &mask).expect("it is taken"));
    }
    assert!(done.is_empty(), "the official procedure waits for more");
    done.extend(session.limit_latency(5).expect("it looks less far"));
    assert_eq!(session.latency_frames(), 5);
    assert!(!done.is_empty());
    for t in 6..12 {
        done.extend(session.push(scene.frame(t), &mask).expect("it is taken"));
    }
    done.extend(session.drain().expect("the rest comes out"));
    assert!(
        done == expected,
        "as if it had looked less far from the start"
    );
}
