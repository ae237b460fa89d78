//! Tests of the engine without networks, through the session.

mod border;
mod effort;
mod quality;
mod stream;

use propainter::{
    Config, Frame, InpaintedFrame, Mask, Model, Session, internals::synthetic::Scene,
};

/// Opens a session of the engine without networks that takes masks undilated.
fn open(width: usize, height: usize) -> Session {
    open_with(width, height, 80)
}

fn open_with(width: usize, height: usize, subvideo_length: usize) -> Session {
    Session::open(Config {
        model: Model::Propagation,
        mask_dilation: 0,
        subvideo_length,
        ..Config::new(width, height)
    })
    .expect("the classical engine opens everywhere")
}

/// Pushes all frames of a clip and drains the session.
fn run(session: &mut Session, clip: &[(Frame, Mask)]) -> Vec<InpaintedFrame> {
    let mut done = Vec::new();
    for (frame, mask) in clip {
        done.extend(session.push(frame.clone(), mask).expect("push"));
    }
    done.extend(session.drain().expect("drain"));
    done
}

/// Returns a scene's frames with its masks dilated by 4 pixels, as users' masks often are.
fn clip(scene: &Scene, frames: usize) -> Vec<(Frame, Mask)> {
    (0..frames)
        .map(|i| (scene.frame(i), scene.mask(i).dilated(4)))
        .collect()
}

/// Asserts that `done` are the clip's frames in order, unchanged outside the holes.
fn assert_untouched_outside(clip: &[(Frame, Mask)], done: &[InpaintedFrame]) {
    assert_eq!(clip.len(), done.len(), "one out per one in");
    for (i, ((frame, mask), done)) in clip.iter().zip(done).enumerate() {
        assert_eq!(mask, &done.hole, "hole of frame {i}");
        let pixels = frame.rgb().chunks(3).zip(done.frame.rgb().chunks(3));
        let same = pixels
            .zip(mask.hole())
            .all(|((a, b), &hole)| hole == 1 || a == b);
        assert!(same, "frame {i} changed outside its hole");
    }
}
