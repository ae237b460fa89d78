//! `cargo run --release -p propainter-tests --example precision`: 16 bits against 32 on the clips of the official
//! procedure, in the holes. Prints the table of BENCHMARKS.md.

use std::error::Error;

use propainter::{Limits, Precision};
use propainter_tests::e2e::{Clip, psnr_in_holes};

fn main() -> Result<(), Box<dyn Error>> {
    println!("| clip | fp16 dB | bf16 dB |\n|---|---|---|");
    for name in ["default_windows", "short_windows", "odd_windows"] {
        let clip = Clip::open(name).ok_or("the golden vectors are missing")?;
        let run = |precision| {
            clip.run(Limits {
                precision,
                ..Limits::default()
            })
        };
        let whole = run(Precision::Fp32);
        let reference: Vec<u8> = whole
            .iter()
            .flat_map(|done| done.frame.rgb().to_vec())
            .collect();
        let psnr = [Precision::Fp16, Precision::Bf16]
            .map(|precision| psnr_in_holes(&run(precision), &reference));
        println!("| {name} | {:.1} | {:.1} |", psnr[0], psnr[1]);
    }
    Ok(())
}
