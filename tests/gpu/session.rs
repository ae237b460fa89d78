//! A whole session on the virtual GPU: what it asks of the driver.

use propainter::{Config, DeviceChoice, Mask, Model, Session, internals::synthetic::Scene};
use propainter_tests::{golden::weights_folder, virtual_gpu::virtual_gpu};
use virtual_gpu::client::Gpu;

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

#[test]
fn a_session_runs_on_the_virtual_gpu() {
    if !virtual_gpu("session::a_session_runs_on_the_virtual_gpu", &[]) {
        return;
    }
    let Some(config) = config() else { return };
    let gpu = Gpu::find(0).expect("the virtual GPU");
    let mask = middle(&config);
    let scene = Scene::new(config.width, config.height, 3);
    let mut session = Session::open(config).expect("the session opens");
    let mut before = gpu.counts();
    for t in 0..6 {
        let pushed = session.push(scene.frame(t), &mask);
        let counts = gpu.counts();
        let frame = counts - before;
        println!(
            "frame {t}: {} launches, {} uploads, {} downloads, {} waits; {:.1} MiB, peak {:.1} MiB",
            frame.launches,
            frame.uploads,
            frame.downloads,
            frame.waits(),
            counts.bytes as f64 / 1048576.0,
            counts.peak_bytes as f64 / 1048576.0,
        );
        before = counts;
        if let Err(error) = pushed {
            println!("frame {t}: {error}");
            break;
        }
    }
    if let Err(error) = session.drain() {
        println!("drain: {error}");
    }
    assert!(gpu.counts().launches > 0, "{:?}", gpu.counts());
    assert!(gpu.counts().modules > 0);
}
