//! What the sessions of this process have reserved of a device, so that none counts on
//! another's bytes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::meter::Meter;
use crate::DeviceChoice;

/// The reservations on one device; clones are the same ledger.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    /// Bytes by the number of the reservation.
    reserved: BTreeMap<u64, u64>,
    next: u64,
}

impl Book {
    fn others(&self, number: u64) -> u64 {
        let others = self.reserved.iter().filter(|(other, _)| **other != number);
        others.fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

impl Ledger {
    /// The process's ledger of `device`.
    pub fn of(device: DeviceChoice) -> Self {
        static LEDGERS: Mutex<BTreeMap<String, Ledger>> = Mutex::new(BTreeMap::new());
        let mut ledgers = LEDGERS.lock().unwrap_or_else(PoisonError::into_inner);
        ledgers.entry(device.to_string()).or_default().clone()
    }

    /// Reserves what `bytes` answers when told what others have. No other reservation is made
    /// or changed meanwhile.
    pub fn reserve(&self, bytes: impl FnOnce(u64) -> u64) -> Reservation {
        let mut book = self.book();
        let number = book.next;
        let bytes = bytes(book.others(number));
        book.next += 1;
        book.reserved.insert(number, bytes);
        drop(book);
        Reservation {
            ledger: self.clone(),
            number,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that one session has reserved; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    ledger: Ledger,
    number: u64,
}

impl Reservation {
    pub fn bytes(&self) -> u64 {
        let book = self.ledger.book();
        book.reserved.get(&self.number).copied().unwrap_or(0)
    }

    /// Bytes that others have reserved there.
    pub fn others(&self) -> u64 {
        self.ledger.book().others(self.number)
    }

    /// Reserves what `bytes` answers instead; otherwise as [`Ledger::reserve`].
    pub fn resize(&self, bytes: impl FnOnce(u64) -> u64) -> u64 {
        let mut book = self.ledger.book();
        let bytes = bytes(book.others(self.number));
        book.reserved.insert(self.number, bytes);
        bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.ledger.book().reserved.remove(&self.number);
    }
}

/// Bytes a session may take of a device of which others reserved `others`: what was `asked`,
/// as far as the device has it; for 0 what is free now and what this process uses already,
/// less what others reserved and less `reserve`. Without bound where the device does not tell.
pub fn budget(asked: u64, reserve: u64, meter: &Meter, others: u64) -> u64 {
    let reading = meter.look();
    let total = reading.total.map(|total| total.saturating_sub(others));
    if asked > 0 {
        return total.map_or(asked, |most| asked.min(most));
    }
    let free = reading.free.map(|free| {
        let own = free.saturating_add(reading.used);
        own.saturating_sub(others).saturating_sub(reserve)
    });
    let total = total.map(|most| most.saturating_sub(reserve));
    [free, total]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::memory::meter::Reading;

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
    fn a_budget_is_what_was_asked_or_what_is_left() {
        let card = meter(1000, 3000, 8000);
        assert_eq!(budget(2000, 500, &card, 0), 2000);
        assert_eq!(budget(9000, 500, &card, 0), 8000);
        assert_eq!(budget(6000, 500, &card, 3000), 5000);
        assert_eq!(budget(0, 500, &card, 0), 3500);
        assert_eq!(budget(0, 500, &card, 1000), 2500);
        assert_eq!(budget(0, 500, &card, 7000), 0);
        assert_eq!(budget(0, 9000, &card, 0), 0);
        let silent = Meter::fixed([]);
        assert_eq!(budget(2000, 500, &silent, 9000), 2000);
        assert_eq!(budget(0, 500, &silent, 0), u64::MAX);
    }

    #[test]
    fn no_two_sessions_are_promised_the_same_bytes() {
        for seed in 0..200 {
            let mut random = Random(seed);
            let ledger = Ledger::default();
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
                // Each session uses a part of what it reserved.
                let reserved: u64 = sessions.iter().map(Reservation::bytes).sum();
                let used = random.below(reserved.min(total - foreign) + 1);
                let meter = meter(used, total - foreign - used, total);
                let asked = match automatic {
                    true => 0,
                    false => 1 + random.below(2 * total),
                };
                let promise = |others| budget(asked, reserve, &meter, others);
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
                    _ => sessions.push(ledger.reserve(promise)),
                }
                let sum: u64 = sessions.iter().map(Reservation::bytes).sum();
                assert!(sum <= most, "{sum} of {most} are promised");
                for session in &sessions {
                    assert_eq!(session.others() + session.bytes(), sum);
                }
            }
        }
    }

    #[test]
    fn sessions_that_open_at_once_share() {
        let ledger = Ledger::default();
        let open = || ledger.reserve(|others| budget(300, 0, &meter(0, 1000, 1000), others));
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
    fn each_device_has_a_ledger_of_its_own() {
        let (a, b) = (DeviceChoice::Cuda(900), DeviceChoice::Cuda(901));
        let held = Ledger::of(a).reserve(|_| 5);
        assert_eq!(Ledger::of(a).reserve(|others| others).bytes(), 5);
        assert_eq!(Ledger::of(b).reserve(|others| others).bytes(), 0);
        drop(held);
        assert_eq!(Ledger::of(a).reserve(|others| others).bytes(), 0);
    }
}
