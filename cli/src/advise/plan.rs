//! The settings and the memory that the networks take on a machine, by the planner of the engine.

use propainter::{
    DType,
    internals::memory::planning::{
        bytes::{Gpu, Machine as Device},
        planner::{Budget, Planner, QualityLevel, slowness},
    },
    memory::Degradation,
};

use super::{Fit, Wish, cards::Machine};

/// Why a plan cannot be made in a build without networks; in this one there is no reason.
pub const MISSING: Option<&str> = None;

/// Bytes of a card that are left to others: the default of `vram-reserve`.
const RESERVE: u64 = 512 << 20;
/// Bytes of the L2 cache of a processor's core.
const L2: u64 = 1 << 20;

/// Returns the best settings that fit a machine, and the fastest plan for them. `views` are the
/// processing sizes of the parts of a frame; `processor` is the memory of a processor without a card,
/// in bytes.
///
/// # Errors
/// The bytes that the least settings need, if they do not fit.
pub fn fit(
    machine: &Machine,
    wish: Wish,
    source: (usize, usize),
    views: &[(usize, usize)],
    processor: u64,
) -> Result<Fit, u64> {
    let (device, budget, numbers) = match *machine {
        Machine::Cpu { cores } => {
            let threads = u64::from(cores);
            (Device::Cpu { threads, l2: L2 }, processor, DType::F32)
        }
        _ => {
            let total = machine.memory().unwrap_or_default();
            let budget = total.saturating_sub(RESERVE);
            let numbers = if wish.full { DType::F32 } else { DType::F16 };
            (Device::Gpu(Gpu::usual(total)), budget, numbers)
        }
    };
    let count = views.len().max(1) as u64;
    let budget = Budget {
        device: budget / count,
        host: u64::MAX,
    };
    let mut fits = views.iter().map(|&size| {
        let wanted = QualityLevel {
            windows: wish.windows,
            size,
            numbers,
            downgrades: Vec::new(),
        };
        let planner = Planner::new(device, source, wanted, Degradation::ALL);
        let chosen = planner.choose(0, budget).map_err(|error| match error {
            propainter::Error::Budget { needed, .. } => count * needed,
            _ => u64::MAX,
        })?;
        let (plan, needs) = chosen.plans.first().ok_or(u64::MAX)?;
        let level = &chosen.level;
        let given_up = level.downgrades.iter();
        Ok(Fit {
            windows: level.windows,
            views: vec![level.size],
            half: level.numbers == DType::F16,
            device: needs.device(),
            host: if device.is_gpu() { needs.host } else { 0 },
            given_up: given_up
                .map(|loss| format!("{} → {}", loss.from, loss.to))
                .collect(),
            plan: plan.to_string(),
            slowness: slowness(plan, device),
        })
    });
    let mut all = fits.next().unwrap_or(Err(u64::MAX))?;
    for fit in fits {
        let fit = fit?;
        all.views.extend(fit.views);
        all.device += fit.device;
        all.host += fit.host;
        // The settings of the element are those of all views.
        if fit.given_up.len() > all.given_up.len() {
            (all.given_up, all.windows) = (fit.given_up, fit.windows);
        }
        if fit.slowness > all.slowness {
            (all.slowness, all.plan) = (fit.slowness, fit.plan);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use propainter::internals::schedule::WindowParams;

    use super::{super::OFFICIAL, *};

    /// The guide's table: frames and the card that it recommends for them.
    const GUIDE: [((usize, usize), &str); 8] = [
        ((320, 240), "gtx1060"),
        ((320, 240), "gtx1070"),
        ((640, 480), "rtx2080ti"),
        ((640, 480), "rtx3080"),
        ((720, 480), "rtx3080"),
        ((720, 480), "rtx3090"),
        ((1280, 720), "a6000"),
        ((1280, 720), "a100"),
    ];
    /// Its tiers: GB and frames.
    const TIERS: [(&str, (usize, usize)); 4] = [
        ("4gb", (320, 240)),
        ("6gb", (480, 360)),
        ("8gb", (640, 480)),
        ("12gb", (1280, 720)),
    ];

    fn exact(machine: &str, size: (usize, usize)) -> Fit {
        let machine = Machine::named(machine, 1).unwrap();
        let fit = fit(&machine, Wish::default(), size, &[size], u64::MAX).unwrap();
        let memory = machine.memory().unwrap();
        assert!(fit.device <= memory - RESERVE, "{machine:?} {size:?}");
        assert_eq!(fit.given_up, [""; 0], "{machine:?} {size:?}");
        assert_eq!((fit.windows, &fit.views[..]), (OFFICIAL, &[size][..]));
        fit
    }

    #[test]
    fn every_row_of_the_guide_fits_its_card_with_nothing_given_up() {
        for (size, card) in GUIDE {
            exact(card, size);
        }
        for (tier, size) in TIERS {
            exact(tier, size);
        }
    }

    #[test]
    fn a_smaller_card_takes_a_slower_plan_and_then_lower_settings() {
        let hd = (1280, 720);
        let [small, large] = ["4gb", "24gb"].map(|tier| exact(tier, hd));
        assert!(small.slowness > large.slowness);
        assert!(small.device < large.device);
        let machine = Machine::Tier(2);
        let full = (1920, 1080);
        let fit = fit(&machine, Wish::default(), full, &[full], u64::MAX).unwrap();
        assert!(!fit.given_up.is_empty() && fit.device <= (2 << 30) - RESERVE);
    }

    #[test]
    fn what_is_wished_for_is_planned() {
        let machine = Machine::named("24gb", 1).unwrap();
        let device = |wish| fit(&machine, wish, (640, 480), &[(640, 480)], u64::MAX).unwrap();
        let full = Wish {
            full: true,
            ..Wish::default()
        };
        let short = Wish {
            windows: WindowParams {
                neighbor_length: 5,
                ..OFFICIAL
            },
            ..Wish::default()
        };
        let wishes = [full, Wish::default(), short].map(device);
        assert!(wishes.is_sorted_by(|more, less| more.device > less.device));
        assert!(!wishes[0].half && wishes[2].windows == short.windows);
    }

    #[test]
    fn what_does_not_fit_tells_what_it_needs() {
        let full = (1920, 1080);
        let cpu = Machine::Cpu { cores: 2 };
        let needed = fit(&cpu, Wish::default(), full, &[full], 100 << 20).unwrap_err();
        assert!(needed > 100 << 20 && needed < 64 << 30, "{needed}");
    }

    #[test]
    fn views_share_the_card() {
        let view = (432, 240);
        let machine = Machine::Tier(8);
        let fit =
            |views: &[_]| fit(&machine, Wish::default(), (1920, 1080), views, u64::MAX).unwrap();
        let (one, two) = (fit(&[view]), fit(&[view, view]));
        assert_eq!(two.views.len(), 2);
        assert!(two.device > one.device && two.device <= (8 << 30) - RESERVE);
    }
}
