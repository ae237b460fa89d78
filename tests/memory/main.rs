//! What the engine takes, counted: against the byte model, and against the budget. A binary of
//! its own: the counting allocator counts the whole process, so its tests take turns.

mod budgets;
mod model;
mod strips;
mod training;
mod window;

use std::sync::{Mutex, MutexGuard, PoisonError};

use propainter::{
    Config, DeviceChoice, InpaintedFrame, Mask, Model, Session, internals::synthetic::Scene,
    memory::Counting,
};
use propainter_tests::golden::weights_folder;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Held by the test whose turn it is.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The networks at a size, with as little of RAFT as there can be.
fn networks(width: usize, height: usize) -> Option<Config> {
    Some(Config {
        model: Model::Propainter,
        weights: Some(weights_folder()?.to_owned()),
        device: DeviceChoice::Cpu,
        raft_iterations: 1,
        ..Config::new(width, height)
    })
}

/// All of an image, or its upper left part.
fn hole(width: usize, height: usize, share: f64) -> Mask {
    let mut mask = Mask::empty(width, height);
    let side = |length: usize| (length as f64 * share) as u64;
    mask.add_rectangle(0, 0, side(width), side(height));
    mask
}

/// A generated clip through a session: one out per one in.
fn run(
    session: &mut Session,
    width: usize,
    height: usize,
    mask: &Mask,
    frames: usize,
) -> Vec<InpaintedFrame> {
    let scene = Scene::new(width, height, 3);
    let mut done = Vec::new();
    for t in 0..frames {
        let finals = session.push(scene.frame(t), mask);
        done.extend(finals.expect("the frame is taken"));
    }
    done.extend(session.drain().expect("the rest comes out"));
    assert_eq!(done.len(), frames);
    done
}
