//! `cargo run --release -p propainter-tests --example plans`: which plan each GPU gets at each size, by the byte
//! model. Prints the tables of docs/memory.md and BENCHMARKS.md.

use propainter::{
    DType,
    internals::{
        memory::budget::{
            bytes::{Gpu, Machine},
            planner::{Budget, Planner, QualityLevel},
        },
        schedule::WindowParams,
    },
    memory::Degradation,
};

const GIB: u64 = 1 << 30;
/// What a desktop keeps of a GPU.
const RESERVE: u64 = 512 << 20;
const GPUS: [u64; 6] = [4, 6, 8, 12, 16, 24];
const SIZES: [(usize, usize); 6] = [
    (320, 240),
    (480, 360),
    (640, 480),
    (848, 480),
    (1280, 720),
    (1920, 1080),
];

fn level((width, height): (usize, usize), numbers: DType) -> QualityLevel {
    QualityLevel {
        windows: WindowParams {
            subvideo_length: 80,
            neighbor_length: 10,
            ref_stride: 10,
            lookahead: None,
        },
        size: (width / 8 * 8, height / 8 * 8),
        numbers,
        downgrades: Vec::new(),
    }
}

fn planner(size: (usize, usize), numbers: DType, gib: u64) -> Planner {
    let wish = level(size, numbers);
    let gpu = Machine::Gpu(Gpu::usual(gib * GIB));
    Planner::new(gpu, size, wish, Degradation::ALL)
}

fn main() {
    println!("Windows of 80 frames, fp16, what the size of a GPU less 512 MiB gives up:\n");
    print!("| frames |");
    let heads = GPUS.map(|gpu| format!(" {gpu} GB |"));
    println!("{}\n|---|{}", heads.concat(), "---|".repeat(GPUS.len()));
    for size in SIZES {
        print!("| {}×{} |", size.0, size.1);
        for gpu in GPUS {
            let planner = planner(size, DType::F16, gpu);
            let budget = Budget {
                device: gpu * GIB - RESERVE,
                host: u64::MAX,
            };
            match planner.choose(0, budget) {
                Ok(chosen) => {
                    let downgrades = chosen.level.downgrades.last();
                    let what = downgrades.map_or("nothing".to_owned(), |loss| loss.to.clone());
                    let needs = chosen.plans[0].1;
                    let [device, host] = [needs.device(), needs.host].map(|b| b as f64 / 1e9);
                    print!(" {what} ({device:.1} + {host:.1}) |");
                }
                Err(_) => print!(" — |"),
            }
        }
        println!();
    }
    println!("\nExact plans, the fastest and the smallest, GB on the GPU + GB on the host:\n");
    println!("| frames | fp32, fastest | fp32, smallest | fp16, fastest | fp16, smallest |");
    println!("|---|---|---|---|---|");
    for size in SIZES {
        print!("| {}×{} |", size.0, size.1);
        for numbers in [DType::F32, DType::F16] {
            let ladder = planner(size, numbers, GPUS[5]).ladder(&level(size, numbers));
            let smallest = ladder.iter().min_by_key(|(_, needs)| needs.device());
            for (_, needs) in [ladder.first(), smallest].into_iter().flatten() {
                let [device, host] = [needs.device(), needs.host].map(|b| b as f64 / 1e9);
                print!(" {device:.2} + {host:.2} |");
            }
        }
        println!();
    }
}
