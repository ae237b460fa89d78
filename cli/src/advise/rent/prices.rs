//! Price lists: machines to rent, or the user's own, in TOML.

use std::{fs, path::Path};

use serde::Deserialize;
use thiserror::Error;

use crate::advise::cards::{Machine, UnknownCard};

/// A price list as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    currency: String,
    #[serde(default, rename = "machine")]
    machines: Vec<toml::Spanned<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    card: String,
    /// Number of cards.
    #[serde(default = "one")]
    cards: u32,
    /// Cores of a machine without a card.
    #[serde(default = "one")]
    cores: u32,
    /// Price of an hour.
    hour: f64,
    /// Price of an hour that may end at any time.
    spot: Option<f64>,
    date: String,
}

fn one() -> u32 {
    1
}

/// The prices of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    pub currency: String,
    pub machines: Vec<Rental>,
}

/// A machine and its price.
#[derive(Clone, Debug, PartialEq)]
pub struct Rental {
    pub name: String,
    pub machine: Machine,
    /// Number of cards, each of which works on clips of its own; 1 without a card.
    pub cards: u32,
    /// Price of an hour.
    pub hour: f64,
    /// Price of an hour of a spot machine.
    pub spot: Option<f64>,
    /// When the price was seen.
    pub date: String,
}

/// A price list that cannot be used.
#[derive(Debug, Error)]
pub enum PricesError {
    #[error("{file}: {problem}")]
    Read {
        file: String,
        problem: std::io::Error,
    },
    /// What is wrong, with line and column.
    #[error("{file}: {problem}")]
    Parse {
        file: String,
        problem: toml::de::Error,
    },
    #[error("{file}, line {line}: machine '{name}': {problem}")]
    Machine {
        file: String,
        line: usize,
        name: String,
        problem: String,
    },
    #[error("{file} lists no machine; add [[machine]] with name, card, hour and date")]
    Empty { file: String },
}

impl Prices {
    /// Reads the list in a file.
    ///
    /// # Errors
    /// The file cannot be read, is no such list, or has a price that is none.
    pub fn read(file: &Path) -> Result<Self, PricesError> {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).map_err(|problem| PricesError::Read {
            file: name.clone(),
            problem,
        })?;
        Self::parse(&text, name)
    }

    /// Reads the list in `text`, which `file` holds.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(text: &str, file: String) -> Result<Self, PricesError> {
        let list: List = match toml::from_str(text) {
            Ok(list) => list,
            Err(problem) => return Err(PricesError::Parse { file, problem }),
        };
        if list.machines.is_empty() {
            return Err(PricesError::Empty { file });
        }
        let machines = list.machines.into_iter().map(|entry| {
            let start = entry.span().start;
            let entry = entry.into_inner();
            let name = entry.name.clone();
            rental(entry).map_err(|problem| PricesError::Machine {
                file: file.clone(),
                line: 1 + text[..start].matches('\n').count(),
                name,
                problem,
            })
        });
        Ok(Self {
            currency: list.currency,
            machines: machines.collect::<Result<_, _>>()?,
        })
    }
}

/// Checks an entry.
fn rental(entry: Entry) -> Result<Rental, String> {
    for (key, price) in [("hour", Some(entry.hour)), ("spot", entry.spot)] {
        match price {
            Some(price) if !(price.is_finite() && price >= 0.0) => {
                return Err(format!("{key} = {price} is no price; use 0 or more"));
            }
            _ => {}
        }
    }
    for (key, count) in [("cards", entry.cards), ("cores", entry.cores)] {
        if count == 0 {
            return Err(format!("{key} = 0; use 1 or more"));
        }
    }
    let machine = Machine::named(&entry.card, entry.cores);
    let machine = machine.map_err(|error: UnknownCard| format!("card: {error}"))?;
    Ok(Rental {
        name: entry.name,
        machine,
        cards: entry.cards,
        hour: entry.hour,
        spot: entry.spot,
        date: entry.date,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
currency = "USD"

[[machine]]
name = "one"
card = "t4"
hour = 0.95
date = "undated"

[[machine]]
name = "own"
card = "cpu"
cores = 16
hour = 0
spot = 0.1
date = "2026-11-30"
"#;

    fn error(text: &str) -> String {
        let error = Prices::parse(text, "prices.toml".to_owned()).unwrap_err();
        error.to_string()
    }

    #[test]
    fn a_list_is_read() {
        let prices = Prices::parse(LIST, "prices.toml".to_owned()).unwrap();
        assert_eq!(prices.currency, "USD");
        let [one, own] = &prices.machines[..] else {
            panic!("two machines");
        };
        assert_eq!((one.hour, one.spot, one.cards), (0.95, None, 1));
        assert_eq!(own.machine, Machine::Cpu { cores: 16 });
        assert_eq!((own.hour, own.spot), (0.0, Some(0.1)));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = error(&LIST.replace("hour = 0.95", "hours = 0.95"));
        assert!(text.contains("prices.toml"), "{text}");
        assert!(text.contains("hours") && text.contains("line 7"), "{text}");
    }

    #[test]
    fn what_is_no_price_or_card_is_named_with_its_machine() {
        for (from, to, words) in [
            ("hour = 0.95", "hour = -1", ["hour = -1", "'one'"]),
            ("hour = 0.95", "hour = nan", ["hour = NaN", "'one'"]),
            ("spot = 0.1", "spot = -0.1", ["spot = -0.1", "'own'"]),
            ("cores = 16", "cores = 0", ["cores = 0", "'own'"]),
            ("\"t4\"", "\"t5\"", ["'t5'", "rtx3060"]),
            ("hour = 0.95", "", ["hour", "line 4"]),
            ("hour = 0.95", "hour = \"1\"", ["hour", "line 7"]),
            ("currency = \"USD\"", "", ["currency", "prices.toml"]),
        ] {
            let text = error(&LIST.replace(from, to));
            assert!(words.iter().all(|word| text.contains(word)), "{to}: {text}");
        }
        assert!(error(&LIST.replace("hour = 0.95", "hour = -1")).contains("line 4"));
        assert!(error("currency = \"USD\"").contains("lists no machine"));
    }

    #[test]
    fn the_example_is_a_list_with_a_date_for_each_machine() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/prices.toml");
        let prices = Prices::read(&file).unwrap();
        assert!(prices.machines.len() >= 10);
        assert!(prices.machines.iter().all(|rental| !rental.date.is_empty()));
    }
}
