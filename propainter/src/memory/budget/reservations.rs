//! The bytes of a device that each session of this process has reserved, so that no two sessions
//! count on the same bytes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::DeviceChoice;

/// The reservations on one device. Clones share the table.
#[derive(Clone, Debug, Default)]
pub struct Reservations(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// Bytes by the number of a reservation.
    reserved: BTreeMap<u64, u64>,
    next: u64,
}

impl Table {
    /// Returns the bytes of all reservations but one.
    fn others(&self, number: u64) -> u64 {
        let others = self.reserved.iter().filter(|(other, _)| **other != number);
        others.fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

impl Reservations {
    /// Returns the process's reservations on `device`.
    pub fn of(device: DeviceChoice) -> Self {
        static DEVICES: Mutex<BTreeMap<String, Reservations>> = Mutex::new(BTreeMap::new());
        let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
        devices.entry(device.to_string()).or_default().clone()
    }

    /// Reserves the bytes that `bytes` returns, which is given the sum of the other reservations.
    /// No other reservation is made or changed meanwhile.
    pub fn reserve(&self, bytes: impl FnOnce(u64) -> u64) -> Reservation {
        let mut table = self.table();
        let number = table.next;
        let bytes = bytes(table.others(number));
        table.next += 1;
        table.reserved.insert(number, bytes);
        drop(table);
        Reservation {
            reservations: self.clone(),
            number,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes that one session has reserved. Dropping it releases them.
#[derive(Debug)]
pub struct Reservation {
    reservations: Reservations,
    number: u64,
}

impl Reservation {
    /// Returns the bytes reserved.
    pub fn bytes(&self) -> u64 {
        let table = self.reservations.table();
        table.reserved.get(&self.number).copied().unwrap_or(0)
    }

    /// Returns the sum of the other reservations on the device, in bytes.
    pub fn others(&self) -> u64 {
        self.reservations.table().others(self.number)
    }

    /// Replaces the reservation and returns its bytes; `bytes` is called as by
    /// [`Reservations::reserve`].
    pub fn resize(&self, bytes: impl FnOnce(u64) -> u64) -> u64 {
        let mut table = self.reservations.table();
        let bytes = bytes(table.others(self.number));
        table.reserved.insert(self.number, bytes);
        bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.reservations.table().reserved.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::memory::{
        Limits,
        budget::vram_budget::VramBudget,
        meter::{Meter, Reading},
    };

    /// Reproducible numbers.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % end
        }
    }

    fn meter(used: u64, free: u64, total: u64) -> Meter {
        Meter::fixed([Reading {
            used,
            free: Some(free),
            total: Some(total),
        }])
    }

    #[test]
    fn no_two_sessions_are_promised_the_same_bytes() {
        for seed in 0..200 {
            let mut random = Random(seed);
            let reservations = Reservations::default();
            let total = 1000 + random.below(100_000);
            let (foreign, reserve) = (random.below(total), random.below(total / 4));
            let automatic = seed % 2 == 0;
            let most = if automatic {
                (total - foreign).saturating_sub(reserve)
            } else {
                total
            };
            let mut sessions: Vec<Reservation> = Vec::new();
            for _ in 0..50 {
                // Each session uses a part of its reservation.
                let reserved: u64 = sessions.iter().map(Reservation::bytes).sum();
                let used = random.below(reserved.min(total - foreign) + 1);
                let meter = meter(used, total - foreign - used, total);
                let asked = match automatic {
                    true => 0,
                    false => 1 + random.below(2 * total),
                };
                let limits = Limits {
                    vram_budget: asked,
                    vram_reserve: reserve,
                    ..Limits::default()
                };
                let promise = |others| VramBudget::of(&limits).resolve(&meter, others);
                match random.below(4) {
                    0 if !sessions.is_empty() => {
                        let which = random.below(sessions.len() as u64) as usize;
                        sessions.swap_remove(which);
                    }
                    1 if !sessions.is_empty() => {
                        let which = random.below(sessions.len() as u64) as usize;
                        let size = sessions[which].resize(promise);
                        assert_eq!(sessions[which].bytes(), size);
                        // A plan needs less than the budget.
                        sessions[which].resize(|_| size / 2);
                    }
                    _ => sessions.push(reservations.reserve(promise)),
                }
                let sum: u64 = sessions.iter().map(Reservation::bytes).sum();
                assert!(sum <= most, "{sum} of {most} bytes are reserved");
                for session in &sessions {
                    assert_eq!(session.others() + session.bytes(), sum);
                }
            }
        }
    }

    #[test]
    fn sessions_that_open_at_once_share() {
        let reservations = Reservations::default();
        let open = || {
            reservations
                .reserve(|others| VramBudget::Fixed(300).resolve(&meter(0, 1000, 1000), others))
        };
        let sessions: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let sum: u64 = sessions.iter().map(Reservation::bytes).sum();
        assert_eq!(sum, 1000);
        drop(sessions);
        assert_eq!(open().others(), 0);
    }

    #[test]
    fn each_device_has_reservations_of_its_own() {
        let (a, b) = (DeviceChoice::Cuda(900), DeviceChoice::Cuda(901));
        let held = Reservations::of(a).reserve(|_| 5);
        assert_eq!(Reservations::of(a).reserve(|others| others).bytes(), 5);
        assert_eq!(Reservations::of(b).reserve(|others| others).bytes(), 0);
        drop(held);
        assert_eq!(Reservations::of(a).reserve(|others| others).bytes(), 0);
    }
}
