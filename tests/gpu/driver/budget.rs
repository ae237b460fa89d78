use std::thread;

use propainter::{
    Config, CropMode, Error, Mask, Mode, OpenOptions, Precision, Session, Warm,
    internals::synthetic::Scene,
};
use propainter_tests::virtual_gpu::{each_alone, virtual_gpu};

use super::{FRAMES, config, gpu, middle, run};

const MIB: u64 = 1 << 20;
/// The budget holds the context, too, which the virtual GPU does not count as an allocation.
const CONTEXT: u64 = 350 * MIB;

#[test]
fn the_drivers_peak_is_never_above_the_budget() {
    if !virtual_gpu(
        "gpu::driver::budget::the_drivers_peak_is_never_above_the_budget",
        &[],
    ) {
        return;
    }
    let Some(mut config) = config() else { return };
    let gpu = gpu();
    let mut finished = 0;
    for budget in [2048, 1024, 768, 512, 400] {
        gpu.reset_peak();
        config.limits.vram_budget = budget * MIB;
        let done = run(&config, FRAMES, |_| {});
        let peak = gpu.counts().peak_bytes + CONTEXT;
        println!(
            "budget {budget} MiB: {done:?}, peak {} MiB with the context",
            peak / MIB
        );
        assert!(
            peak <= budget * MIB,
            "{} MiB of {budget} were in use",
            peak / MIB
        );
        match done {
            Ok(frames) => {
                assert_eq!(frames, FRAMES);
                finished += 1;
            }
            // Too small for any plan, which is told before anything is allocated.
            Err(error) => assert!(matches!(error, Error::Budget { .. }), "{error}"),
        }
    }
    assert!(finished >= 2, "{finished} budgets were enough");
}

#[test]
fn several_crops_stay_within_one_budget() {
    let test = "gpu::driver::budget::several_crops_stay_within_one_budget";
    if !virtual_gpu(test, &[]) {
        return;
    }
    let Some(mut config) = config() else { return };
    (config.width, config.height) = (960, 544);
    (config.mode, config.crop_mode) = (Mode::Sliding, CropMode::Crops);
    (config.mask_dilation, config.lookahead) = (0, 4);
    (config.raft_iterations, config.scene_cuts) = (1, false);
    let scene = Scene::new(config.width, config.height, 3);
    let holes = [(40, 30), (300, 490), (850, 40)];
    let gpu = gpu();
    // A third of the smaller one is too little for an engine: then there are fewer crops.
    for (budget, most) in [(3072, 3), (2048, 2)] {
        gpu.reset_peak();
        config.limits.vram_budget = budget * MIB;
        let mut session = Session::open(config.clone()).expect("the session opens");
        let (mut done, mut views) = (0, Vec::new());
        for t in 0..24 {
            // One hole after the other comes, and the first one goes.
            let mut mask = Mask::empty(config.width, config.height);
            for &(x, y) in &holes[t / 20..(1 + t / 5).min(3)] {
                mask.add_rectangle(x, y, 50, 40);
            }
            let out = session.push(scene.frame(t), &mask);
            done += out.expect("the frame is taken").len();
            views.push(session.stats().views);
        }
        done += session.drain().expect("the rest comes out").len();
        let peak = (gpu.counts().peak_bytes + CONTEXT).div_ceil(MIB);
        println!(
            "budget {budget} MiB: peak {peak}, {views:?} views, {:?}",
            session.plan()
        );
        assert_eq!(done, 24);
        assert_eq!(views.into_iter().max(), Some(most));
        assert!(peak <= budget, "{peak} MiB of {budget} were in use");
        assert_eq!(session.stats().memory.out_of_memory, 0);
    }
}

/// Width, height, precision and budget in MiB.
type Life = ([usize; 2], Precision, u64);

const SHORT: [Life; 1] = [([432, 240], Precision::Fp16, 1536)];

const LONG: [Life; 15] = [
    ([320, 240], Precision::Fp32, 2048),
    ([432, 240], Precision::Fp16, 1024),
    ([432, 240], Precision::Fp16, 2048),
    ([432, 240], Precision::Fp32, 2048),
    ([640, 480], Precision::Fp16, 2048),
    ([640, 480], Precision::Fp32, 4096),
    ([640, 480], Precision::Fp16, 6144),
    ([720, 480], Precision::Fp16, 4096),
    ([720, 480], Precision::Fp32, 6144),
    ([1280, 720], Precision::Fp16, 4096),
    ([1280, 720], Precision::Fp32, 8192),
    ([1280, 720], Precision::Fp16, 12288),
    ([1920, 1080], Precision::Fp16, 8192),
    ([1920, 1080], Precision::Fp32, 12288),
    ([1920, 1080], Precision::Fp16, 24576),
];

#[test]
fn a_whole_life_stays_within_the_budget() {
    lives(
        "gpu::driver::budget::a_whole_life_stays_within_the_budget",
        &SHORT,
    );
}

#[test]
#[ignore = "long: make gpu-test"]
fn whole_lives_of_larger_frames_stay_within_the_budget() {
    let test = "gpu::driver::budget::whole_lives_of_larger_frames_stay_within_the_budget";
    lives(test, &LONG);
}

/// Runs each life in a process of its own, and prints a table of the driver's peaks.
fn lives(test: &str, lives: &[Life]) {
    if config().is_none() {
        return;
    }
    println!("| life | budget MiB | step | driver's peak MiB | plan |");
    println!("|---|---|---|---|---|");
    each_alone(test, &[("VIRTUAL_GPU_MEMORY_MIB", "32768")], lives, live);
}

/// Warms up, runs both modes, changes the size to a smaller and a larger one on the same thread, and
/// runs two sessions at once. Checks the driver's peak after each step.
fn live(&([width, height], precision, budget): &Life) {
    let mut settings = config().expect("weights");
    settings.limits.precision = precision;
    settings.raft_iterations = 1;
    settings.subvideo_length = 16;
    settings.lookahead = 10;
    let config = |mode, [width, height]: [usize; 2], budget: u64| {
        let mut config = Config {
            mode,
            width,
            height,
            ..settings.clone()
        };
        config.limits.vram_budget = budget * MIB;
        config
    };
    let gpu = gpu();
    let check = |step: &str, budget: u64, plan: Option<String>| {
        let peak = (gpu.counts().peak_bytes + CONTEXT).div_ceil(MIB);
        println!(
            "| {width}×{height} {precision:?} | {budget} | {step} | {peak} | {} |",
            plan.unwrap_or_default()
        );
        assert!(peak <= budget, "{step}: {peak} MiB of {budget} were in use");
        gpu.reset_peak();
    };
    let sliding = config(Mode::Sliding, [width, height], budget);
    let reference = config(Mode::Reference, [width, height], budget);
    let warm = Warm::up(&sliding, &Default::default(), &|_, _| ()).expect("it warms up");
    check("opening and warm-up", budget, None);
    check(
        "sliding, two windows",
        budget,
        stream(&sliding, 30, warm.as_ref()),
    );
    check(
        "reference, two sub-videos",
        budget,
        stream(&reference, 24, warm.as_ref()),
    );
    drop(warm);
    // After the largest plan, a smaller session with less on the same thread.
    let small = [width / 2, height / 2].map(|side| side / 8 * 8);
    let less = (budget / 2).max(896);
    check(
        "smaller, on the same thread",
        less,
        stream(&config(Mode::Sliding, small, less), 14, None),
    );
    check("larger again", budget, stream(&sliding, 14, None));
    let both = [
        (Mode::Sliding, [width, height], budget),
        (Mode::Reference, small, less),
    ];
    let plans = thread::scope(|scope| {
        let threads = both.map(|(mode, size, budget)| {
            let config = config(mode, size, budget);
            scope.spawn(move || stream(&config, 18, None))
        });
        threads.map(|thread| thread.join().expect("the session runs").unwrap_or_default())
    });
    check("two at once", budget + less, Some(plans.join(" and ")));
}

/// Runs a session and returns its plan.
fn stream(config: &Config, frames: usize, warm: Option<&Warm>) -> Option<String> {
    let options = OpenOptions {
        warm,
        ..OpenOptions::default()
    };
    let mask = middle(config);
    let scene = Scene::new(config.width, config.height, 3);
    let mut session = Session::open_with(config.clone(), options).expect("the session opens");
    let mut done = 0;
    for t in 0..frames {
        done += session
            .push(scene.frame(t), &mask)
            .expect("the frame is taken")
            .len();
    }
    done += session.drain().expect("the rest comes out").len();
    assert_eq!(done, frames);
    assert_eq!(session.stats().memory.out_of_memory, 0);
    session.plan()
}
