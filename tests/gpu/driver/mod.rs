//! Whole sessions on the virtual GPU: what they ask of the driver, and what they do when it fails.

mod budget;
mod devices;
mod failures;
mod late;
mod launches;
mod lost;
mod session;
mod start;
mod versions;

use propainter::{Config, DeviceChoice, Error, Mask, Model, Session, internals::synthetic::Scene};
use propainter_tests::golden::{self, weights_folder};
use virtual_gpu::client::Gpu;

/// The frames of a short session.
const FRAMES: usize = 6;

/// Returns the settings of a short session with the networks on the virtual GPU.
fn config() -> Option<Config> {
    Some(Config {
        model: Model::Propainter,
        weights: Some(weights_folder()?.to_owned()),
        device: DeviceChoice::Cuda(0),
        raft_iterations: 2,
        ..Config::new(64, 48)
    })
}

/// Returns a mask of the middle third.
fn middle(config: &Config) -> Mask {
    let mut mask = Mask::empty(config.width, config.height);
    let (w, h) = (config.width as i64, config.height as i64);
    mask.add_rectangle(w / 3, h / 3, (w as u64).div_ceil(3), (h as u64).div_ceil(3));
    mask
}

/// Runs a session and returns the number of frames that came out; `step` is called before the first
/// frame, after each, and after the last has come out.
fn run(config: &Config, frames: usize, mut step: impl FnMut(usize)) -> Result<usize, Error> {
    let mask = middle(config);
    let scene = Scene::new(config.width, config.height, 3);
    let mut session = Session::open(config.clone())?;
    step(0);
    let mut done = 0;
    for t in 0..frames {
        done += session.push(scene.frame(t), &mask)?.len();
        step(t + 1);
    }
    done += session.drain()?.len();
    for notice in session.notices() {
        println!("{notice:?}");
    }
    step(frames + 1);
    Ok(done)
}

/// Returns the virtual GPU.
fn gpu() -> Gpu {
    Gpu::find(0).expect("the virtual GPU")
}

/// Gives the memory that the tensor library keeps back to the driver.
fn give_back_memory() {
    let device = golden::device();
    // What was dropped last is known to be unused only after that.
    device.sync().expect("the device works");
    device.memory_cleanup();
    device.sync().expect("the device works");
}
