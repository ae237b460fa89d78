//! How long a machine takes: the roofline of its data sheet, a report of `propainter check`, or what
//! BENCHMARKS.md has for a processor.

use super::work::Work;
use crate::advise::cards::{Card, Machine};

/// The share of a card's peak that is assumed to be reached. A guess: nobody has measured it.
pub const EFFICIENCY: f64 = 1.0 / 3.0;

/// Seconds of the host for a frame, `mode=reference`, by BENCHMARKS.md.
const HOST_SECONDS: f64 = 2.1e-3;

/// Operations per second that the networks reach on a core in 32 bits: BENCHMARKS.md has 753 GFLOP in
/// 1.67 s on two cores with AVX-512.
const CORE: f64 = 753e9 / 1.67 / 2.0;

/// Seconds of the engine without weights for a pixel by the number of pixels of a frame: BENCHMARKS.md,
/// two cores, a hole of a tenth of the frame.
const CLASSICAL: [(f64, f64); 4] = [
    (216.0 * 120.0, 193e-9),
    (432.0 * 240.0, 123e-9),
    (864.0 * 480.0, 82e-9),
    (1728.0 * 960.0, 61e-9),
];

/// What a time rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Computed from a data sheet; never measured on a card.
    Roofline,
    /// Scaled from a report of `propainter check` of this card.
    Report,
    /// Scaled from figures of BENCHMARKS.md on another processor.
    Benchmarks,
}

impl Basis {
    /// Returns the word for it in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roofline => "estimate",
            Self::Report => "report",
            Self::Benchmarks => "benchmarks",
        }
    }
}

/// Returns the seconds that a card takes for this work on `frames` frames. `half` says whether flow
/// completion and the generator compute in 16 bits; `slowness` is what the plan adds, in thousandths.
pub fn of_card(
    card: &Card,
    work: &Work,
    frames: usize,
    half: bool,
    slowness: u32,
    efficiency: f64,
) -> f64 {
    let stage = |(index, (operations, bytes)): (usize, (&f64, &f64))| {
        // Optical flow computes in 32 bits always.
        let peak = match index > 0 && half && card.fp16 > 0.0 {
            true => card.fp16,
            false => card.fp32,
        };
        let computing = operations / (peak * 1e12);
        let memory = bytes / (card.bandwidth * 1e9);
        computing.max(memory) / efficiency
    };
    let stages = work.operations.iter().zip(&work.bytes).enumerate();
    let device = stages.map(stage).sum::<f64>() * (1.0 + f64::from(slowness) / 1e3);
    device.max(HOST_SECONDS * frames as f64)
}

/// Returns the seconds that the networks take on a processor without a card.
pub fn of_processor(cores: u32, work: &Work) -> f64 {
    work.total() / (CORE * f64::from(cores))
}

/// Returns the seconds that the engine without weights takes for `frames` frames of so many pixels.
pub fn of_classical(pixels: f64, frames: usize) -> f64 {
    let [first, .., last] = CLASSICAL;
    let pair = CLASSICAL.windows(2).find(|pair| pixels <= pair[1].0);
    let per_pixel = match pair {
        _ if pixels <= first.0 => first.1,
        Some([small, large]) => {
            let way = (pixels / small.0).ln() / (large.0 / small.0).ln();
            small.1 + way * (large.1 - small.1)
        }
        _ => last.1,
    };
    per_pixel * pixels * frames as f64
}

/// Returns whether this machine's time can be told from a data sheet.
pub fn card_of(machine: &Machine) -> Option<&'static Card> {
    match machine {
        Machine::Card(card) => Some(card),
        Machine::Tier(_) | Machine::Cpu { .. } => None,
    }
}

/// Returns seconds as a person reads them.
pub fn text(seconds: f64) -> String {
    match seconds {
        ..10.0 => format!("{seconds:.1} s"),
        ..100.0 => format!("{seconds:.0} s"),
        ..6000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(name: &str) -> &'static Card {
        card_of(&Machine::named(name, 1).unwrap()).unwrap()
    }

    fn work(operations: [f64; 4], bytes: [f64; 4]) -> Work {
        Work { operations, bytes }
    }

    #[test]
    fn a_roofline_is_arithmetic_or_memory_whichever_is_slower() {
        let card = card("rtx3060"); // 12.7 and 25.5 TFLOP/s, 360 GB/s
        let seconds = |work: &Work, half| of_card(card, work, 0, half, 0, 1.0);
        let flow = work([12.7e12, 0.0, 0.0, 0.0], [0.0; 4]);
        assert_eq!((seconds(&flow, false), seconds(&flow, true)), (1.0, 1.0));
        let generator = work([0.0, 0.0, 0.0, 25.5e12], [0.0; 4]);
        assert_eq!(seconds(&generator, true), 1.0);
        assert!((seconds(&generator, false) - 25.5 / 12.7).abs() < 1e-9);
        let memory = work([0.0; 4], [0.0, 360e9, 0.0, 0.0]);
        assert_eq!(seconds(&memory, true), 1.0);
        assert_eq!(of_card(card, &memory, 0, true, 400, 0.5), 2.8);
        // The host takes time however fast the card is.
        assert_eq!(
            of_card(card, &work([0.0; 4], [0.0; 4]), 1000, true, 0, 1.0),
            2.1
        );
    }

    #[test]
    fn a_card_without_tensor_cores_computes_all_in_32_bits() {
        let card = card("gtx1060");
        let work = work([1e12; 4], [0.0; 4]);
        let seconds = |half| of_card(card, &work, 0, half, 0, 1.0);
        assert_eq!(seconds(true), seconds(false));
    }

    #[test]
    fn the_engine_without_weights_takes_what_was_measured() {
        let ms = |width: f64, height: f64| 1e3 * of_classical(width * height, 1);
        assert!((ms(432.0, 240.0) - 12.75).abs() < 0.1);
        assert!((ms(1728.0, 960.0) - 101.2).abs() < 0.5);
        assert!(ms(640.0, 360.0) > 20.0 && ms(640.0, 360.0) < 25.0);
        assert!(ms(3840.0, 2160.0) > 400.0);
    }

    #[test]
    fn times_are_shown_in_the_unit_that_reads_best() {
        for (seconds, shown) in [
            (0.04, "0.0 s"),
            (9.0, "9.0 s"),
            (42.0, "42 s"),
            (600.0, "10 min"),
            (7200.0, "2.0 h"),
        ] {
            assert_eq!(text(seconds), shown);
        }
    }
}
