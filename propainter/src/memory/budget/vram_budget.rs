//! The budget of the device's memory, from the property `vram-budget` to bytes.

use crate::memory::{Limits, Notice, meter::Meter};

/// The bytes that a session may take on its device, as a user sets them. On the CPU device these
/// are bytes of the host's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VramBudget {
    /// The memory that is free when the session plans, less `reserve` bytes for others.
    Free { reserve: u64 },
    /// This many bytes.
    Fixed(u64),
}

impl VramBudget {
    /// Returns the budget of these limits. This is the one place that says what a `vram_budget`
    /// of 0 means: the free memory.
    pub fn of(limits: &Limits) -> Self {
        match limits.vram_budget {
            0 => Self::Free {
                reserve: limits.vram_reserve,
            },
            bytes => Self::Fixed(bytes),
        }
    }

    /// Returns the budget in bytes on a device of which other sessions have reserved `others`
    /// bytes. A fixed budget is cut to the memory that the device has; free memory includes the
    /// memory that this process uses already. `u64::MAX` where the device does not report its
    /// memory.
    pub fn resolve(self, meter: &Meter, others: u64) -> u64 {
        let reading = meter.look();
        let total = reading.total.map(|total| total.saturating_sub(others));
        let reserve = match self {
            Self::Fixed(bytes) => return total.map_or(bytes, |most| bytes.min(most)),
            Self::Free { reserve } => reserve,
        };
        let free = reading.free.map(|free| {
            let own = free.saturating_add(reading.used);
            own.saturating_sub(others).saturating_sub(reserve)
        });
        let total = total.map(|most| most.saturating_sub(reserve));
        let bytes = [free, total].into_iter().flatten().min();
        bytes.unwrap_or(u64::MAX)
    }

    /// Returns the notice of a fixed budget that is more than the device has.
    pub fn capped(self, meter: &Meter) -> Option<Notice> {
        match (self, meter.total()) {
            (Self::Fixed(asked), Some(total)) if asked > total => {
                Some(Notice::BudgetCapped { asked, total })
            }
            _ => None,
        }
    }

    /// Returns the bytes to reserve of a budget that resolved to `budget`, for plans that need
    /// `needed` bytes at most. Free memory belongs to others too: only the bytes that plans need
    /// are reserved.
    pub fn to_reserve(self, budget: u64, needed: u64) -> u64 {
        match self {
            Self::Free { .. } => needed,
            Self::Fixed(_) => budget,
        }
    }

    /// Returns the bytes that this process may have on the device under a budget that resolved to
    /// `budget` while other sessions had reserved `others` bytes; `None` where that follows from
    /// the reservations at any time.
    pub fn process_limit(self, budget: u64, others: u64) -> Option<u64> {
        match self {
            Self::Free { .. } => Some(budget.saturating_add(others)),
            Self::Fixed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::meter::Reading;

    fn meter(used: u64, free: u64, total: u64) -> Meter {
        Meter::fixed([Reading {
            used,
            free: Some(free),
            total: Some(total),
        }])
    }

    fn budget(vram_budget: u64, vram_reserve: u64, meter: &Meter, others: u64) -> u64 {
        let limits = Limits {
            vram_budget,
            vram_reserve,
            ..Limits::default()
        };
        VramBudget::of(&limits).resolve(meter, others)
    }

    #[test]
    fn a_budget_is_what_was_asked_or_what_is_left() {
        let gpu = meter(1000, 3000, 8000);
        assert_eq!(budget(2000, 500, &gpu, 0), 2000);
        assert_eq!(budget(9000, 500, &gpu, 0), 8000);
        assert_eq!(budget(6000, 500, &gpu, 3000), 5000);
        assert_eq!(budget(0, 500, &gpu, 0), 3500);
        assert_eq!(budget(0, 500, &gpu, 1000), 2500);
        assert_eq!(budget(0, 500, &gpu, 7000), 0);
        assert_eq!(budget(0, 9000, &gpu, 0), 0);
        let silent = Meter::fixed([]);
        assert_eq!(budget(2000, 500, &silent, 9000), 2000);
        assert_eq!(budget(0, 500, &silent, 0), u64::MAX);
    }

    #[test]
    fn a_budget_above_the_device_is_told_and_others_are_not() {
        let gpu = || meter(1000, 3000, 8000);
        let capped = VramBudget::Fixed(9000).capped(&gpu());
        let expected = Notice::BudgetCapped {
            asked: 9000,
            total: 8000,
        };
        assert_eq!(capped, Some(expected));
        assert_eq!(VramBudget::Fixed(8000).capped(&gpu()), None);
        assert_eq!(VramBudget::Free { reserve: 9000 }.capped(&gpu()), None);
        assert_eq!(VramBudget::Fixed(9000).capped(&Meter::fixed([])), None);
    }

    #[test]
    fn free_memory_is_reserved_as_needed_and_a_fixed_budget_whole() {
        let (free, fixed) = (VramBudget::Free { reserve: 5 }, VramBudget::Fixed(70));
        assert_eq!(
            (free.to_reserve(90, 40), fixed.to_reserve(60, 40)),
            (40, 60)
        );
        assert_eq!(free.process_limit(90, 30), Some(120));
        assert_eq!(fixed.process_limit(60, 30), None);
    }
}
