//! The session: any size, any mask, any number of frames; errors that name the cause.

mod border;
mod crops;
mod device_frames;
mod feather;
mod latency;
mod opening;
mod scene_cuts;
mod segments;
#[cfg(feature = "networks")]
mod sliding;

use std::path::Path;

use propainter::{
    Config, DeviceChoice, Error, Frame, InpaintedFrame, Mask, Model, Session,
    internals::synthetic::Scene,
};
#[cfg(feature = "networks")]
use propainter_tests::golden::weights_folder;

/// Returns settings of the networks, of a build that has them.
#[cfg(feature = "networks")]
fn networks(width: usize, height: usize) -> Option<Config> {
    Some(Config {
        model: Model::Propainter,
        weights: Some(weights_folder()?.to_owned()),
        device: DeviceChoice::Cpu,
        raft_iterations: 2,
        ..Config::new(width, height)
    })
}

#[cfg(not(feature = "networks"))]
fn networks(_: usize, _: usize) -> Option<Config> {
    None
}

fn propagation(width: usize, height: usize) -> Config {
    Config {
        model: Model::Propagation,
        ..Config::new(width, height)
    }
}

fn scene(config: &Config) -> Scene {
    Scene::new(config.width, config.height, 3)
}

/// Runs a clip with a hole in the middle third through a new session.
fn inpaint(config: Config, frames: usize) -> Vec<InpaintedFrame> {
    let scene = scene(&config);
    let mask = middle(&config);
    let mut session = Session::open(config).expect("the session opens");
    push(&mut session, &scene, &mask, frames)
}

fn middle(config: &Config) -> Mask {
    let mut mask = Mask::empty(config.width, config.height);
    let (w, h) = (config.width as i64, config.height as i64);
    mask.add_rectangle(w / 3, h / 3, (w as u64).div_ceil(3), (h as u64).div_ceil(3));
    mask
}

fn push(session: &mut Session, scene: &Scene, mask: &Mask, frames: usize) -> Vec<InpaintedFrame> {
    let mut done = Vec::new();
    for t in 0..frames {
        done.extend(
            session
                .push(scene.frame(t), mask)
                .expect("the frame is taken"),
        );
        assert!(t + 1 - done.len() <= session.latency_frames());
    }
    done.extend(session.drain().expect("the rest comes out"));
    done
}

/// Checks that one frame comes out for each, of the same size, equal to the source outside the
/// hole.
fn assert_whole(done: &[InpaintedFrame], scene: &Scene, frames: usize) {
    assert_eq!(done.len(), frames);
    for (t, done) in done.iter().enumerate() {
        let source = scene.frame(t);
        assert_eq!(
            (done.frame.width(), done.frame.height()),
            (scene.width, scene.height)
        );
        assert!(!done.hole.is_empty());
        let pixels = done.frame.rgb().chunks(3).zip(source.rgb().chunks(3));
        for ((out, source), hole) in pixels.zip(done.hole.hole()) {
            assert!(
                *hole == 1 || out == source,
                "frame {t} changed outside the hole"
            );
        }
    }
}

#[cfg(feature = "networks")]
#[test]
fn frames_of_any_size_pass_through_the_networks() {
    for (width, height, frames) in [(1, 1, 3), (7, 5, 2), (33, 141, 2), (136, 40, 3)] {
        let Some(config) = networks(width, height) else {
            return;
        };
        let scene = scene(&config);
        assert_whole(&inpaint(config, frames), &scene, frames);
    }
}

#[test]
fn frames_of_any_size_pass_through_propagation() {
    for (width, height, frames) in [(1, 1, 3), (7, 5, 4), (33, 141, 9), (1919, 1079, 2)] {
        let config = propagation(width, height);
        let scene = scene(&config);
        assert_whole(&inpaint(config, frames), &scene, frames);
    }
}

#[test]
fn one_frame_and_none_come_out_as_they_went_in() {
    let configs = [Some(propagation(64, 48)), networks(64, 48)];
    for config in configs.into_iter().flatten() {
        let scene = scene(&config);
        assert_whole(&inpaint(config.clone(), 1), &scene, 1);
        assert_whole(&inpaint(config, 0), &scene, 0);
    }
}

#[test]
fn frames_without_a_hole_come_out_untouched() {
    let configs = [Some(propagation(64, 48)), networks(64, 48)];
    for config in configs.into_iter().flatten() {
        let scene = scene(&config);
        let mut session = Session::open(config).expect("the session opens");
        let done = push(&mut session, &scene, &Mask::empty(64, 48), 3);
        for (t, done) in done.iter().enumerate() {
            assert_eq!(done.frame, scene.frame(t));
            assert!(done.hole.is_empty());
        }
        assert_eq!(done.len(), 3);
    }
}

#[test]
fn a_mask_of_another_size_is_brought_to_the_frames() {
    let config = propagation(64, 48);
    let scene = scene(&config);
    let mut mask = Mask::empty(16, 12);
    mask.add_rectangle(4, 3, 4, 4);
    let mut session = Session::open(config).expect("the session opens");
    assert_whole(&push(&mut session, &scene, &mask, 3), &scene, 3);
}

#[test]
fn a_frame_of_another_size_is_refused_and_nothing_is_lost() {
    let config = propagation(64, 48);
    let scene = scene(&config);
    let mask = middle(&config);
    let mut session = Session::open(config).expect("the session opens");
    let odd = Frame::new(8, 6, vec![0; 3 * 48]);
    let mut done = session
        .push(scene.frame(0), &mask)
        .expect("the frame is taken");
    let error = session
        .push(odd, &mask)
        .expect_err("the size is wrong")
        .to_string();
    assert!(
        error.contains("(8, 6)") && error.contains("(64, 48)"),
        "{error}"
    );
    done.extend(session.drain().expect("the rest comes out"));
    assert_whole(&done, &scene, 1);
}

#[test]
fn a_cancelled_session_starts_anew_after_a_flush() {
    let configs = [Some(propagation(64, 48)), networks(64, 48)];
    for config in configs.into_iter().flatten() {
        let (scene, mask) = (scene(&config), middle(&config));
        let mut session = Session::open(config.clone()).expect("the session opens");
        session
            .push(scene.frame(5), &mask)
            .expect("the frame is taken");
        session.cancel_token().cancel();
        let error = session.push(scene.frame(6), &mask);
        assert!(matches!(error, Err(Error::Cancelled)), "{error:?}");
        session.flush();
        assert_eq!(session.stats().held, 0);
        let done = push(&mut session, &scene, &mask, 3);
        assert_eq!(done, inpaint(config, 3), "what was before leaves no trace");
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let of = |change: &dyn Fn(&mut Config)| {
        let mut config = propagation(64, 48);
        change(&mut config);
        match Session::open(config) {
            Ok(_) => panic!("the setting is refused"),
            Err(error) => error.to_string(),
        }
    };
    for (name, error) in [
        ("width", of(&|c| c.width = 0)),
        ("subvideo-length", of(&|c| c.subvideo_length = 1)),
        ("neighbor-length", of(&|c| c.neighbor_length = 1)),
        ("ref-stride", of(&|c| c.ref_stride = 0)),
        ("raft-iterations", of(&|c| c.raft_iterations = 0)),
        ("resize-ratio", of(&|c| c.resize_ratio = f64::NAN)),
        ("scene-threshold", of(&|c| c.scene_threshold = 0.0)),
    ] {
        assert!(error.contains(name), "{error}");
    }
}

#[cfg(feature = "networks")]
#[test]
fn missing_checkpoints_are_named_with_where_was_looked() {
    for model in [Model::Propainter, Model::Auto] {
        let config = Config {
            model,
            weights: Some("/nonexistent/weights".into()),
            ..Config::new(64, 48)
        };
        let error = match Session::open(config) {
            Ok(_) if weights_are_installed() => continue,
            Ok(_) => panic!("there are no checkpoints"),
            Err(error) => error.to_string(),
        };
        for part in [
            "raft-things.pth",
            "/nonexistent/weights",
            "propainter weights fetch",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}

/// Returns whether the usual places of this machine hold checkpoints.
#[cfg(feature = "networks")]
fn weights_are_installed() -> bool {
    propainter::weights::find(None::<&Path>).is_ok()
}

#[cfg(feature = "networks")]
#[test]
fn another_networks_checkpoint_is_refused_by_name() {
    let Some(weights) = weights_folder() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (from, to) in [
        ("recurrent_flow_completion", "raft-things"),
        ("recurrent_flow_completion", "recurrent_flow_completion"),
        ("ProPainter", "ProPainter"),
    ] {
        let [from, to] = [from, to].map(|stem| format!("{stem}.safetensors"));
        std::fs::copy(weights.join(from), folder.path().join(to)).expect("a copy");
    }
    let config = Config {
        weights: Some(folder.path().to_owned()),
        model: Model::Propainter,
        device: DeviceChoice::Cpu,
        ..Config::new(64, 48)
    };
    let error = Session::open(config)
        .err()
        .expect("the checkpoint is wrong")
        .to_string();
    assert!(error.contains("raft-things.safetensors"), "{error}");
}
