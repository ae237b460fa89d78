//! Where the time of the engine without weights goes: `cargo run --release -p propainter-tests
//! --example profile -- [FRAMES] [reference] [CONTENT...]`. 1080p with a logo of 200×100, sliding
//! windows (or those of files, `reference`), crops and whole frames, everything on one thread: milliseconds that it computes for a frame in
//! each stage, once the window is full, and PSNR inside the hole.

use std::{env, time::Duration};

use propainter::{
    Config, CropMode, Mode, Model, Session,
    internals::{
        classical::profile::{self, Stage},
        synthetic::square_error_in_hole,
    },
};
use propainter_tests::{
    contents::{Clip, Content},
    cpu_time,
};

fn main() {
    let mut arguments = env::args().skip(1);
    let frames = arguments
        .next()
        .map_or(60, |frames| frames.parse().expect("a number of frames"));
    let (modes, wanted): (Vec<String>, Vec<String>) =
        arguments.partition(|argument| argument == "reference");
    let mode = if modes.is_empty() {
        Mode::Sliding
    } else {
        Mode::Reference
    };
    profile::measure(cpu_time::of_thread);
    let stages: Vec<_> = Stage::ALL.map(Stage::name).into();
    println!(
        "| content | seen | {} | rest | ms a frame | PSNR |",
        stages.join(" | ")
    );
    println!("|---|---|{}---|---|---|", "---|".repeat(stages.len()));
    // One thread computes everything, so its clock covers all stages.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a thread");
    for crop_mode in [CropMode::Crops, CropMode::Whole] {
        for content in Content::ALL {
            if wanted.is_empty() || wanted.iter().any(|name| name == content.name()) {
                let clip = Clip::new(content, 1920, 1080);
                pool.install(|| measure(content, &clip, (crop_mode, mode), frames));
            }
        }
    }
}

fn measure(content: Content, clip: &Clip, (crop_mode, mode): (CropMode, Mode), frames: usize) {
    let hole = clip.hole();
    let config = Config {
        model: Model::Propagation,
        crop_mode,
        mode,
        mask_dilation: 0,
        ..Config::new(1920, 1080)
    };
    let mut session = Session::open(config).expect("the engine opens everywhere");
    let before = session.latency_frames() + 14;
    let (mut whole, mut index) = (Duration::ZERO, 0);
    let (mut sum, mut count) = (0, 0);
    for i in 0..before + frames {
        if i == before {
            whole = Duration::ZERO;
            profile::take();
        }
        let frame = clip.frame(i);
        let start = cpu_time::of_thread();
        let done = session.push(frame, &hole).expect("push");
        whole += cpu_time::of_thread() - start;
        for done in done {
            let (s, n) = square_error_in_hole(&clip.truth(index), &done.frame, &done.hole);
            (sum, count) = (sum + s, count + n);
            index += 1;
        }
    }
    let mut stages = profile::take();
    // Alignment is a part of the walk.
    stages[Stage::Walk as usize] -= stages[Stage::Alignment as usize];
    let ms = |time: Duration| 1e3 * time.as_secs_f64() / frames as f64;
    let rest = ms(whole - stages.iter().sum::<Duration>());
    let stages: Vec<_> = stages.map(|stage| format!("{:.2}", ms(stage))).into();
    let psnr = 10.0 * (255.0 * 255.0 * count as f64 / sum as f64).log10();
    println!(
        "| {} | {crop_mode:?} | {} | {rest:.2} | {:.2} | {psnr:.2} |",
        content.name(),
        stages.join(" | "),
        ms(whole),
    );
}
