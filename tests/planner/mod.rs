//! The planner: what it chooses, in which order it gives up, and what the GPUs that people have get.

use propainter::{
    DType, Error,
    internals::{
        memory::budget::{
            bytes::{self, Gpu, Machine},
            planner::{Budget, Chosen, Planner, QualityLevel},
        },
        schedule::WindowParams,
    },
    memory::{Degradation, Step},
};
use proptest::prelude::*;

const GB: u64 = 1_000_000_000;
/// A GPU that is large enough for any allocation.
const GPU: Machine = Machine::Gpu(Gpu {
    context: 500 << 20,
    largest: u64::MAX,
    page: 0,
    others: 0,
});
/// Bytes of a common L2 cache.
const L2: u64 = 1 << 20;

fn level(size: (usize, usize), subvideo_length: usize, numbers: DType) -> QualityLevel {
    QualityLevel {
        windows: WindowParams {
            subvideo_length,
            neighbor_length: 10,
            ref_stride: 10,
            lookahead: None,
        },
        size,
        numbers,
        downgrades: Vec::new(),
    }
}

fn choose(planner: &Planner, device: u64, host: u64) -> Result<Chosen, Error> {
    planner.choose(0, Budget { device, host })
}

/// The device bytes of the smallest exact plan.
fn smallest(size: (usize, usize), subvideo_length: usize, numbers: DType) -> u64 {
    let level = level(size, subvideo_length, numbers);
    let planner = Planner::new(GPU, size, level.clone(), Degradation::NONE);
    let ladder = planner.ladder(&level);
    let needs = ladder.iter().map(|(_, needs)| needs.device());
    needs.min().expect("a plan")
}

#[test]
fn the_cards_people_have_do_what_is_expected_of_them_exactly() {
    let gib = |gib: f64| (gib * f64::from(1 << 30)) as u64;
    for (size, length, numbers, most) in [
        // What people are told to shrink their video to today.
        ((320, 240), 20, DType::F32, 4.0),
        ((480, 360), 40, DType::F32, 6.0),
        ((640, 480), 50, DType::F32, 8.0),
        ((1280, 720), 80, DType::F16, 12.0),
        // What we promise, with whole windows.
        ((640, 480), 80, DType::F16, 2.5),
        ((1280, 720), 80, DType::F16, 6.0),
        ((1280, 720), 80, DType::F32, 10.0),
        ((1920, 1080), 80, DType::F16, 12.0),
    ] {
        let size = (size.0, size.1 / 8 * 8);
        let needed = smallest(size, length, numbers);
        println!("{size:?}, windows of {length}, {numbers:?}: {needed}");
        assert!(needed <= gib(most), "{size:?} {numbers:?}: {needed} bytes");
    }
}

#[test]
fn losses_come_in_the_stated_order_and_are_told() {
    let wish = level((1280, 720), 80, DType::F32);
    let planner = Planner::new(GPU, wish.size, wish, Degradation::ALL);
    let last = planner.levels().last().expect("levels");
    let told: Vec<_> = last
        .downgrades
        .iter()
        .map(|loss| format!("{} -> {}", loss.from, loss.to))
        .collect();
    let expected = [
        "precision=fp32 -> precision=fp16",
        "ref-stride=10 -> ref-stride=20",
        "ref-stride=20 -> ref-stride=40",
        "neighbor-length=10 -> neighbor-length=8",
        "neighbor-length=8 -> neighbor-length=6",
        "subvideo-length=80 -> subvideo-length=60",
        "subvideo-length=60 -> subvideo-length=45",
        "subvideo-length=45 -> subvideo-length=33",
        "subvideo-length=33 -> subvideo-length=24",
        "subvideo-length=24 -> subvideo-length=20",
        "1280x720 -> 960x536",
        "960x536 -> 720x400",
        "720x400 -> 536x296",
        "536x296 -> 400x216",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_sliding_window_shrinks_with_its_sub_video() {
    let mut wish = level((640, 480), 40, DType::F32);
    wish.windows.lookahead = Some(30);
    let allowed = Degradation::NONE.with(Step::Window);
    let planner = Planner::new(GPU, wish.size, wish, allowed);
    let levels = planner.levels().iter().map(|level| {
        let WindowParams {
            neighbor_length,
            subvideo_length,
            ..
        } = level.windows;
        let ahead = level.windows.effective_lookahead().expect("it slides");
        assert!(level.to_string().ends_with(&format!(" lookahead={ahead}")));
        (neighbor_length, subvideo_length, ahead)
    });
    let expected = [
        (10, 40, 30),
        (8, 40, 30),
        (6, 40, 30),
        (6, 30, 26),
        (6, 22, 18),
        (6, 20, 16),
    ];
    assert_eq!(levels.collect::<Vec<_>>(), expected);
    // The pools of a GPU take whole pages, whose size is the largest allocation's, so a lower level
    // may reserve a part of a page more. What its stages take never grows.
    let stages = |needs: &bytes::Needs| needs.stages.into_iter().max();
    let least = planner.levels().iter().map(|level| {
        let ladder = planner.ladder(level);
        ladder.iter().map(|(_, needs)| stages(needs)).min()
    });
    let least: Vec<_> = least.collect();
    assert!(
        least.is_sorted_by(|level, worse| level >= worse),
        "{least:?}"
    );
    assert!(least[5] < least[0]);
}

#[test]
fn what_is_forbidden_is_not_given_up() {
    let wish = level((1280, 720), 80, DType::F32);
    for step in Step::ALL {
        let allowed = Degradation::NONE.with(step);
        let planner = Planner::new(GPU, wish.size, wish.clone(), allowed);
        for level in &planner.levels()[1..] {
            assert!(level.downgrades.iter().all(|loss| loss.step == step));
        }
    }
    let planner = Planner::new(GPU, wish.size, wish.clone(), Degradation::NONE);
    assert_eq!(planner.levels(), [wish]);
    let error = choose(&planner, GB / 2, u64::MAX).expect_err("it cannot fit");
    let needed = match &error {
        Error::Budget {
            property, needed, ..
        } => {
            assert_eq!(*property, "vram-budget");
            *needed
        }
        other => panic!("{other}"),
    };
    let text = error.to_string();
    assert!(
        text.contains(&needed.to_string()) && text.contains("1280x720"),
        "{text}"
    );
    let chosen = choose(&planner, needed, u64::MAX).expect("what it said is enough");
    assert!(chosen.plans[0].1.device() <= needed);
    assert!(choose(&planner, needed - 1, u64::MAX).is_err());
}

#[test]
fn every_plan_of_a_ladder_saves_something_somewhere() {
    for machine in [GPU, Machine::Cpu { threads: 4, l2: L2 }] {
        let level = level((432, 240), 80, DType::F32);
        let planner = Planner::new(machine, level.size, level.clone(), Degradation::NONE);
        let ladder = planner.ladder(&level);
        assert!(ladder.len() > 1);
        for (i, (_, needs)) in ladder.iter().enumerate() {
            for (_, faster) in &ladder[..i] {
                assert!(!faster.within(needs));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_budget_never_gives_a_worse_plan(
        (columns, rows) in (4usize..=160, 4usize..=96),
        subvideo_length in 4usize..=90,
        neighbor_length in 2usize..=14,
        ref_stride in 1usize..=40,
        lookahead in prop::option::of(1usize..=60),
        budgets in prop::collection::vec((20u64..=24_000, 20u64..=24_000), 6),
        gpu in any::<bool>(),
        wide in any::<bool>(),
    ) {
        let machine = if gpu { GPU } else { Machine::Cpu { threads: 2, l2: L2 } };
        let wish = QualityLevel {
            windows: WindowParams { subvideo_length, neighbor_length, ref_stride, lookahead },
            size: (8 * columns, 8 * rows),
            numbers: if wide { DType::F32 } else { DType::F16 },
            downgrades: Vec::new(),
        };
        let planner = Planner::new(machine, wish.size, wish.clone(), Degradation::ALL);
        let mut chosen = Vec::new();
        for (device, host) in budgets {
            let budget = Budget { device: device << 20, host: host << 20 };
            match planner.choose(0, budget) {
                Ok(plan) => {
                    let (_, needs) = plan.plans[0];
                    prop_assert!(needs.device() <= budget.device && needs.host <= budget.host);
                    // Where in the order of all levels and their plans it is.
                    let ladder = planner.ladder(&plan.level);
                    let place = ladder.iter().position(|(p, _)| *p == plan.plans[0].0);
                    chosen.push((budget, Some((plan.rank, place))));
                }
                Err(Error::Budget { needed, budget: asked, .. }) => {
                    prop_assert!(needed > asked);
                    chosen.push((budget, None));
                }
                Err(other) => panic!("{other}"),
            }
        }
        for (more, better) in &chosen {
            for (less, worse) in &chosen {
                if more.device >= less.device && more.host >= less.host {
                    match (better, worse) {
                        (Some(better), Some(worse)) => prop_assert!(better <= worse),
                        (None, Some(_)) => prop_assert!(false, "{more:?} gives none, {less:?} one"),
                        _ => {}
                    }
                }
            }
        }
    }

    #[test]
    fn a_larger_picture_never_needs_less(
        (columns, rows) in (4usize..=60, 4usize..=40),
        gpu in any::<bool>(),
    ) {
        let machine = if gpu { GPU } else { Machine::Cpu { threads: 2, l2: L2 } };
        let needs = |columns: usize, rows: usize| {
            let level = level((8 * columns, 8 * rows), 20, DType::F32);
            let planner = Planner::new(machine, level.size, level.clone(), Degradation::NONE);
            planner.ladder(&level)[0].1
        };
        let (small, large) = (needs(columns, rows), needs(columns + 8, rows + 5));
        for (small, large) in small.stages.iter().zip(large.stages) {
            prop_assert!(*small <= large);
        }
        prop_assert!(small.host <= large.host);
    }
}
