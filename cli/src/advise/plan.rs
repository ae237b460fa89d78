//! The settings and the memory that the networks take on a machine, by the planner of the engine.

use propainter::{
    DType,
    internals::memory::budget::{
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
