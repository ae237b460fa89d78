//! What this process takes of a device, and what is free there: as the driver or the host
//! says, not as we reckon.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Counting,
    counting::Watch,
    driver::{Bytes, Card},
    host,
};
use crate::DeviceChoice;

/// One look at a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bytes that this process has there; 0 where nobody tells.
    pub used: u64,
    /// Bytes that it could still take.
    pub free: Option<u64>,
    /// Bytes there are.
    pub total: Option<u64>,
}

/// Reads a device's memory. On a card: the driver's figure for this process, context and
/// pools included; where the driver does not list processes, what the card has more in use
/// than when it was first looked at, so open the meter before the device. On the host: what
/// the counting allocator has given out or, where that is not installed, what is resident.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Host(Watch),
    Card {
        card: Card,
        /// In use before this process came.
        before: u64,
    },
    /// What a test says; the last reading stays.
    Fixed(Mutex<VecDeque<Reading>>),
    Unknown,
}

impl Meter {
    /// Reads `device`. A card that does not answer gives readings of nothing.
    pub fn open(device: DeviceChoice) -> Self {
        Self(Arc::new(match device {
            DeviceChoice::Cpu => Kind::Host(Watch::new()),
            DeviceChoice::Cuda(n) => card(n).unwrap_or(Kind::Unknown),
            DeviceChoice::Auto => card(0).unwrap_or_else(|| Kind::Host(Watch::new())),
        }))
    }

    /// Gives these readings, one at each look, and the last one from then on.
    pub fn fixed(readings: impl IntoIterator<Item = Reading>) -> Self {
        let readings = readings.into_iter().collect();
        Self(Arc::new(Kind::Fixed(Mutex::new(readings))))
    }

    pub fn look(&self) -> Reading {
        match &*self.0 {
            Kind::Host(_) => {
                let used = Some(Counting::live()).filter(|_| Counting::installed());
                let (free, total) = host::free_and_total().unzip();
                Reading {
                    used: used.or_else(host::resident).unwrap_or(0),
                    free,
                    total,
                }
            }
            Kind::Card { card, before } => reading(card.own(), card.memory(), *before),
            Kind::Fixed(readings) => {
                let mut readings = readings.lock().unwrap_or_else(PoisonError::into_inner);
                let first = readings.front().copied().unwrap_or_default();
                if readings.len() > 1 {
                    readings.pop_front();
                }
                first
            }
            Kind::Unknown => Reading::default(),
        }
    }

    /// Begins to watch for [`most`](Self::most).
    pub fn start(&self) {
        if let Kind::Host(watch) = &*self.0 {
            watch.restart();
        }
    }

    /// Bytes of this process on the device at most since [`start`](Self::start). A card's
    /// driver tells what is there now; as the library's pools seldom give something back by
    /// themselves, that is about the most.
    pub fn most(&self) -> u64 {
        match &*self.0 {
            Kind::Host(watch) if Counting::installed() => watch.peak(),
            _ => self.used(),
        }
    }

    /// Bytes of this process on the device; 0 where nobody tells.
    pub fn used(&self) -> u64 {
        self.look().used
    }

    pub fn free(&self) -> Option<u64> {
        self.look().free
    }

    pub fn total(&self) -> Option<u64> {
        self.look().total
    }
}

fn card(n: usize) -> Option<Kind> {
    /// By the cards' numbers, at the first look.
    static BEFORE: Mutex<BTreeMap<usize, u64>> = Mutex::new(BTreeMap::new());
    let card = Card::find(n)?;
    let in_use = in_use(card.memory()?);
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = *before.entry(n).or_insert(in_use);
    Some(Kind::Card { card, before })
}

fn in_use(bytes: Bytes) -> u64 {
    bytes.total.saturating_sub(bytes.free)
}

fn reading(own: Option<u64>, card: Option<Bytes>, before: u64) -> Reading {
    let more = card.map(|card| in_use(card).saturating_sub(before));
    Reading {
        used: own.or(more).unwrap_or(0),
        free: card.map(|card| card.free),
        total: card.map(|card| card.total),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_own_figure_counts_and_without_it_the_difference() {
        let card = Some(Bytes {
            free: 600,
            total: 1000,
        });
        let expected = Reading {
            used: 150,
            free: Some(600),
            total: Some(1000),
        };
        assert_eq!(reading(Some(150), card, 100), expected);
        assert_eq!(reading(None, card, 250), expected);
        // Somebody else freed more than we took.
        assert_eq!(reading(None, card, 500).used, 0);
        assert_eq!(reading(None, None, 100), Reading::default());
    }

    #[test]
    fn fixed_readings_come_in_order_and_the_last_stays() {
        let used = |used| Reading {
            used,
            ..Reading::default()
        };
        let meter = Meter::fixed([used(1), used(2)]);
        assert_eq!([(); 3].map(|()| meter.used()), [1, 2, 2]);
        assert_eq!(Meter::fixed([]).look(), Reading::default());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_host_tells_what_is_used_and_free() {
        let _alone = crate::memory::counting::tests::COUNTERS.lock().unwrap();
        let reading = Meter::open(DeviceChoice::Cpu).look();
        assert!(reading.used > 0);
        assert!(reading.free <= reading.total && reading.free > Some(0));
    }

    #[test]
    fn a_card_that_is_not_there_reads_as_nothing() {
        let reading = Meter::open(DeviceChoice::Cuda(4096)).look();
        assert_eq!(reading, Reading::default());
    }
}
