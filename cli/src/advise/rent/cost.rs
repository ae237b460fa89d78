//! What a job costs on each machine of a price list, and how many machines keep a deadline.

use std::time::Duration;

use super::prices::Rental;

/// A machine at one of its prices.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub name: String,
    pub is_spot: bool,
    /// Seconds that one such machine takes for the job.
    pub seconds: f64,
    /// Price of the job, however many machines share it.
    pub cost: f64,
    /// Machines that finish together before the deadline.
    pub machines: Option<u64>,
    /// When the price was seen.
    pub date: String,
}

/// A machine of a price list that can do the job.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    pub rental: &'a Rental,
    /// Name of the machine, and of the engine where it matters.
    pub name: String,
    /// Seconds that one of its cards takes.
    pub seconds: f64,
}

/// Returns the offers for a job, the cheapest first and of two that cost the same the faster one.
pub fn offers(candidates: &[Candidate<'_>], deadline: Option<Duration>) -> Vec<Offer> {
    let of_candidate = |candidate: &Candidate<'_>| {
        let rental = candidate.rental;
        let seconds = candidate.seconds / f64::from(rental.cards);
        let offer = |price: f64, is_spot| Offer {
            name: candidate.name.clone(),
            is_spot,
            seconds,
            cost: price * seconds / 3600.0,
            machines: deadline.map(|deadline| machines(seconds, deadline)),
            date: rental.date.clone(),
        };
        let spot = rental.spot.map(|price| offer(price, true));
        [Some(offer(rental.hour, false)), spot]
            .into_iter()
            .flatten()
    };
    let mut offers: Vec<Offer> = candidates.iter().flat_map(of_candidate).collect();
    offers.sort_by(|a, b| {
        let by_cost = a.cost.total_cmp(&b.cost);
        by_cost.then(a.seconds.total_cmp(&b.seconds))
    });
    offers
}

/// Returns how many machines finish work of `seconds` within the deadline.
pub fn machines(seconds: f64, deadline: Duration) -> u64 {
    (seconds / deadline.as_secs_f64()).ceil().max(1.0) as u64
}

/// Parses a time such as `2h`, `90min`, `45s` or `1h30min`.
///
/// # Errors
/// A sentence that says what a time is.
pub fn parse_deadline(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time above zero; write 2h, 90min or 1h30min");
    let (mut seconds, mut rest) = (0.0, text.trim());
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = rest.split_at(digits.ok_or_else(wrong)?);
        let end = unit.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, left) = unit.split_at(end.unwrap_or(unit.len()));
        let scale = match unit {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return Err(wrong()),
        };
        seconds += number.parse::<f64>().map_err(|_| wrong())? * scale;
        rest = left.trim_start();
    }
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    match time.is_zero() {
        true => Err(wrong()),
        false => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::cards::Machine;

    fn rental(name: &str, hour: f64, spot: Option<f64>, cards: u32) -> Rental {
        Rental {
            name: name.to_owned(),
            machine: Machine::Tier(16),
            cards,
            hour,
            spot,
            date: "2026-11".to_owned(),
        }
    }

    fn candidate(rental: &Rental, seconds: f64) -> Candidate<'_> {
        Candidate {
            rental,
            name: rental.name.clone(),
            seconds,
        }
    }

    #[test]
    fn offers_are_sorted_by_cost_and_spot_prices_are_offers() {
        let rentals = [
            rental("slow", 1.0, None, 1),
            rental("fast", 3.0, Some(0.5), 1),
            rental("own", 0.0, None, 1),
        ];
        let candidates = [
            candidate(&rentals[0], 7200.0),
            candidate(&rentals[1], 3600.0),
            candidate(&rentals[2], 36000.0),
        ];
        let offers = offers(&candidates, Some(Duration::from_secs(1800)));
        let seen: Vec<_> = offers
            .iter()
            .map(|o| (&*o.name, o.is_spot, o.cost, o.machines))
            .collect();
        let expected = [
            ("own", false, 0.0, Some(20)),
            ("fast", true, 0.5, Some(2)),
            ("slow", false, 2.0, Some(4)),
            ("fast", false, 3.0, Some(2)),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_cards_of_a_machine_share_the_work() {
        let rental = rental("eight", 8.0, None, 8);
        let offers = offers(&[candidate(&rental, 28800.0)], None);
        let offer = &offers[0];
        assert_eq!(
            (offer.seconds, offer.cost, offer.machines),
            (3600.0, 8.0, None)
        );
    }

    #[test]
    fn deadlines_are_times() {
        for (text, seconds) in [
            ("2h", 7200),
            ("90min", 5400),
            ("1h30m", 5400),
            ("1h 30min", 5400),
            ("0.5h", 1800),
            ("45s", 45),
            ("1d", 86400),
        ] {
            let time = Duration::from_secs(seconds);
            assert_eq!(parse_deadline(text), Ok(time), "{text}");
        }
        for text in [
            "",
            "2",
            "h",
            "2x",
            "-1h",
            "0h",
            "1.2.3h",
            "1e400h",
            "9999999999999999999999d",
        ] {
            let error = parse_deadline(text).unwrap_err();
            assert!(error.contains("2h"), "{text}: {error}");
        }
    }
}
