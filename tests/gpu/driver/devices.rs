use propainter::{Config, DeviceChoice, Session, internals::synthetic::Scene};
use propainter_tests::virtual_gpu::virtual_gpu;
use virtual_gpu::client::Gpu;

use super::{FRAMES, config, middle, run};

const TWO: (&str, &str) = ("VIRTUAL_GPU_DEVICES", "2");

/// Returns the launches on both devices.
fn launches() -> [u64; 2] {
    [0, 1].map(|n| Gpu::find(n).expect("the virtual GPU").counts().launches)
}

#[test]
fn a_session_uses_only_the_device_that_it_names() {
    let test = "gpu::driver::devices::a_session_uses_only_the_device_that_it_names";
    if !virtual_gpu(test, &[TWO]) {
        return;
    }
    let Some(mut config) = config() else { return };
    config.device = DeviceChoice::Cuda(1);
    assert_eq!(run(&config, FRAMES, |_| {}).ok(), Some(FRAMES));
    let [first, second] = launches();
    assert_eq!(first, 0);
    assert!(second > 0);
    let first = Gpu::find(0).expect("the virtual GPU").counts();
    assert_eq!(first.peak_bytes, 0, "memory of the other device");
}

/// Pushes frames into one session after another in turn; fails unless all come out of each.
fn run_in_turn(configs: &[Config]) {
    let open = |config: &Config| Session::open(config.clone()).expect("the session opens");
    let mut sessions: Vec<_> = configs.iter().map(open).collect();
    let (mask, scene) = (middle(&configs[0]), Scene::new(64, 48, 3));
    let mut out = vec![0; sessions.len()];
    for t in 0..FRAMES {
        for (session, out) in sessions.iter_mut().zip(&mut out) {
            let done = session.push(scene.frame(t), &mask);
            *out += done.expect("the frame is taken").len();
        }
    }
    for (session, out) in sessions.iter_mut().zip(&mut out) {
        *out += session.drain().expect("the rest comes out").len();
    }
    assert!(out.iter().all(|out| *out == FRAMES), "{out:?}");
}

#[test]
fn sessions_on_two_devices_and_on_the_same_one_go_on_together() {
    let test = "gpu::driver::devices::sessions_on_two_devices_and_on_the_same_one_go_on_together";
    if !virtual_gpu(test, &[TWO]) {
        return;
    }
    let Some(config) = config() else { return };
    let on = |n| Config {
        device: DeviceChoice::Cuda(n),
        ..config.clone()
    };
    run_in_turn(&[on(0)]);
    let [alone, _] = launches();
    run_in_turn(&[on(0), on(1), on(0)]);
    let [first, second] = launches();
    println!(
        "launches: {alone} alone, {} and {second} together",
        first - alone
    );
    assert_eq!(second, alone);
    // Sessions on one device share the networks, whose weights are prepared once.
    assert!((alone..2 * alone).contains(&(first - alone)));
}
