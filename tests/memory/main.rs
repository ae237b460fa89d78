//! The byte model against what is allocated. A binary of its own: the counting allocator counts
//! the whole process.

mod strips;

use std::sync::{Mutex, MutexGuard, PoisonError};

use propainter::{
    Config, DeviceChoice, Mask, Model, Numbers, Session,
    memory::{
        Counting, Plan, Stage,
        bytes::{Machine, Scene as Stream},
    },
    scenes::Scene,
    windows::schedule::Cut,
};
use propainter_tests::golden::weights_folder;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Held by the test whose turn it is.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn probe() {
    let _turn = turn();
    let weights = weights_folder().unwrap();
    let settings = [
        (128, 128, 20, 10, 10, 20),
        (256, 128, 12, 10, 10, 30),
        (256, 256, 6, 4, 3, 6),
        (192, 128, 8, 6, 4, 19),
    ];
    for (w, h, v, n, r, frames) in settings {
        let config = Config {
            model: Model::Propainter,
            weights: Some(weights.to_owned()),
            device: DeviceChoice::Cpu,
            raft_iterations: 1,
            subvideo_length: v,
            neighbor_length: n,
            ref_stride: r,
            ..Config::new(w, h)
        };
        let scene = Scene::new(w, h, 3);
        let mut mask = Mask::empty(w, h);
        mask.add_rectangle(0, 0, w as u64, h as u64);
        let mut session = Session::open(config).unwrap();
        let fixed = Counting::live();
        for t in 0..frames {
            session.push(scene.frame(t), &mask).unwrap();
        }
        session.drain().unwrap();
        let usage = session.stats().memory;
        let cut = Cut {
            subvideo_length: v,
            neighbor_length: n,
            ref_stride: r,
        };
        let stream = Stream::new(Machine::Cpu { threads: 2 }, [w, h], cut, Some(frames));
        let needs = stream.needs(&Plan::LARGEST, Numbers::F32);
        let p = (w * h) as f64;
        println!(
            "{w}x{h} V={v} n={n} r={r} N={frames}: fixed {:.1} MB",
            fixed as f64 / 1e6
        );
        for ((stage, peak), planned) in Stage::ALL.iter().zip(usage.stages).zip(needs.stages) {
            let fixed = 386_600_000.0;
            println!(
                "  {stage}: {peak} planned {planned}: {:+.1} %; without weights {:.0} {:.0} B/px {:+.1} %",
                (planned as f64 / peak as f64 - 1.0) * 100.0,
                (peak as f64 - fixed) / p,
                (planned as f64 - fixed) / p,
                ((planned as f64 - fixed) / (peak as f64 - fixed) - 1.0) * 100.0
            );
        }
        println!("  host {} planned {}", usage.host_peak, needs.host);
    }
}
