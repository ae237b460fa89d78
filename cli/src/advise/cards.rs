//! The cards that are known by name, and what a machine computes with.
//!
//! All figures are those of NVIDIA's public data sheets and architecture papers; none was measured
//! here.

use thiserror::Error;

/// Bytes of a GiB.
pub const GIB: u64 = 1 << 30;

/// A card, by its data sheet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Card {
    /// Name on the command line and in price lists.
    pub key: &'static str,
    pub name: &'static str,
    /// Memory that the driver gives to programs, in GiB. Cards whose error correction takes a part
    /// of their memory have that part less than their name says.
    pub memory: f64,
    /// Bandwidth of the memory in GB/s.
    pub bandwidth: f64,
    /// Peak in 32 bits outside tensor cores, in TFLOP/s.
    pub fp32: f64,
    /// Peak of the tensor cores in 16 bits with sums in 32 bits, without sparsity, in TFLOP/s; 0
    /// where there are none.
    pub fp16: f64,
    /// Compute capability, (major, minor).
    pub capability: (u8, u8),
}

/// The oldest compute capability that the kernels are assembled for in tests.
pub const OLDEST: (u8, u8) = (7, 5);

const fn card(
    key: &'static str,
    name: &'static str,
    memory: f64,
    [bandwidth, fp32, fp16]: [f64; 3],
    capability: (u8, u8),
) -> Card {
    Card {
        key,
        name,
        memory,
        bandwidth,
        fp32,
        fp16,
        capability,
    }
}

/// The cards, the smallest memory first.
#[rustfmt::skip]
pub const CARDS: [Card; 35] = [
    card("gtx1060", "GTX 1060 6 GB", 6.0, [192.0, 4.4, 0.0], (6, 1)),
    card("rtx2060", "RTX 2060", 6.0, [336.0, 6.5, 25.8], (7, 5)),
    card("gtx1070", "GTX 1070", 8.0, [256.0, 6.5, 0.0], (6, 1)),
    card("rtx3070", "RTX 3070", 8.0, [448.0, 20.3, 40.6], (8, 6)),
    card("rtx4060", "RTX 4060", 8.0, [272.0, 15.1, 30.2], (8, 9)),
    card("rtx3080", "RTX 3080 10 GB", 10.0, [760.0, 29.8, 59.5], (8, 6)),
    card("rtx2080ti", "RTX 2080 Ti", 11.0, [616.0, 13.4, 53.8], (7, 5)),
    card("rtx3060", "RTX 3060 12 GB", 12.0, [360.0, 12.7, 25.5], (8, 6)),
    card("rtx4070", "RTX 4070", 12.0, [504.0, 29.1, 58.3], (8, 9)),
    card("rtx5070", "RTX 5070", 12.0, [672.0, 30.9, 61.7], (12, 0)),
    card("t4", "Tesla T4", 15.0, [300.0, 8.1, 65.0], (7, 5)),
    card("v100", "Tesla V100 16 GB", 16.0, [900.0, 15.7, 125.0], (7, 0)),
    card("rtx4060ti", "RTX 4060 Ti 16 GB", 16.0, [288.0, 22.1, 44.1], (8, 9)),
    card("rtx4080", "RTX 4080", 16.0, [716.8, 48.7, 97.5], (8, 9)),
    card("rtx5060ti", "RTX 5060 Ti 16 GB", 16.0, [448.0, 23.7, 47.4], (12, 0)),
    card("rtx5070ti", "RTX 5070 Ti", 16.0, [896.0, 43.9, 87.9], (12, 0)),
    card("rtx5080", "RTX 5080", 16.0, [960.0, 56.3, 112.6], (12, 0)),
    card("a10", "A10", 22.5, [600.0, 31.2, 125.0], (8, 6)),
    card("a10g", "A10G", 22.5, [600.0, 31.5, 70.0], (8, 6)),
    card("l4", "L4", 22.5, [300.0, 30.3, 121.0], (8, 9)),
    card("rtx3090", "RTX 3090", 24.0, [936.0, 35.6, 71.0], (8, 6)),
    card("rtx4090", "RTX 4090", 24.0, [1008.0, 82.6, 165.2], (8, 9)),
    card("rtx5090", "RTX 5090", 32.0, [1792.0, 104.8, 209.5], (12, 0)),
    card("a100-40gb", "A100 40 GB", 40.0, [1555.0, 19.5, 312.0], (8, 0)),
    card("a40", "A40", 45.0, [696.0, 37.4, 149.7], (8, 6)),
    card("l40s", "L40S", 45.0, [864.0, 91.6, 362.0], (8, 9)),
    card("a6000", "RTX A6000", 48.0, [768.0, 38.7, 154.8], (8, 6)),
    card("rtx6000ada", "RTX 6000 Ada", 48.0, [960.0, 91.1, 364.2], (8, 9)),
    card("h100-pcie", "H100 PCIe", 80.0, [2000.0, 51.0, 756.0], (9, 0)),
    card("a100", "A100 80 GB PCIe", 80.0, [1935.0, 19.5, 312.0], (8, 0)),
    card("a100-sxm", "A100-SXM4 80 GB", 80.0, [2039.0, 19.5, 312.0], (8, 0)),
    card("h100", "H100 80 GB HBM3", 80.0, [3350.0, 67.0, 989.0], (9, 0)),
    card("rtxpro6000", "RTX PRO 6000 Blackwell", 96.0, [1792.0, 125.0, 503.0], (12, 0)),
    card("h200", "H200", 140.0, [4800.0, 67.0, 989.0], (9, 0)),
    card("b200", "B200", 178.0, [8000.0, 80.0, 2250.0], (10, 0)),
];

/// Sizes of cards, in GiB, that are taken as `8gb`.
const TIERS: std::ops::RangeInclusive<u64> = 2..=1024;

/// What the advice is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Machine {
    Card(&'static Card),
    /// Any card with this many GiB.
    Tier(u64),
    /// A processor with this many cores, without a card.
    Cpu {
        cores: u32,
    },
}

/// No machine has this name.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("no card is known as '{name}'; use a size such as 8gb, cpu, or one of {known}")]
pub struct UnknownCard {
    name: String,
    known: String,
}

impl Machine {
    /// Returns the machine that a name stands for: a card's key or name, a size (`8gb`), or `cpu`,
    /// which has `cores` cores. Case, spaces, hyphens and the maker's words do not matter.
    ///
    /// # Errors
    /// [`UnknownCard`], which lists the names.
    pub fn named(name: &str, cores: u32) -> Result<Self, UnknownCard> {
        let plain = plain(name);
        if plain == "cpu" {
            return Ok(Self::Cpu { cores });
        }
        let tier = plain.strip_suffix("gb").and_then(|size| size.parse().ok());
        if let Some(size) = tier.filter(|size| TIERS.contains(size)) {
            return Ok(Self::Tier(size));
        }
        let known = |card: &&Card| [card.key, card.name].map(self::plain).contains(&plain);
        let card = CARDS.iter().find(known);
        card.map(Self::Card).ok_or_else(|| UnknownCard {
            name: name.to_owned(),
            known: CARDS.map(|card| card.key).join(", "),
        })
    }

    /// Returns the name to show.
    pub fn name(&self) -> String {
        match self {
            Self::Card(card) => card.name.to_owned(),
            Self::Tier(size) => format!("any card of {size} GB"),
            Self::Cpu { cores } => format!("processor, {cores} cores"),
        }
    }

    /// Returns the bytes of the card's memory; `None` where there is no card.
    pub fn memory(&self) -> Option<u64> {
        match self {
            Self::Card(card) => Some((card.memory * GIB as f64) as u64),
            Self::Tier(size) => Some(size * GIB),
            Self::Cpu { .. } => None,
        }
    }

    /// Returns whether the card is older than those that the kernels are assembled for in tests.
    pub fn is_untried(&self) -> bool {
        matches!(self, Self::Card(card) if card.capability < OLDEST)
    }
}

/// Returns a name as it is compared.
pub fn plain(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split([' ', '-', '_']).filter(|word| {
        let maker = ["nvidia", "geforce", "tesla"];
        !maker.contains(word)
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(name: &str) -> &'static str {
        match Machine::named(name, 2) {
            Ok(Machine::Card(card)) => card.key,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn cards_are_found_by_key_and_by_the_driver_s_name() {
        for (name, key) in [
            ("rtx3060", "rtx3060"),
            ("RTX 3060 12 GB", "rtx3060"),
            ("NVIDIA GeForce RTX 4090", "rtx4090"),
            ("NVIDIA A100 80GB PCIe", "a100"),
            ("NVIDIA A100-SXM4-80GB", "a100-sxm"),
            ("NVIDIA H100 80GB HBM3", "h100"),
            ("Tesla T4", "t4"),
            ("A10G", "a10g"),
        ] {
            assert_eq!(card(name), key);
        }
        assert_eq!(Machine::named("8gb", 2), Ok(Machine::Tier(8)));
        assert_eq!(Machine::named("8 GB", 2), Ok(Machine::Tier(8)));
        assert_eq!(Machine::named("CPU", 3), Ok(Machine::Cpu { cores: 3 }));
    }

    #[test]
    fn an_unknown_card_gets_the_list_of_names() {
        for name in ["rtx9999", "0gb", "8gbx", "gb", ""] {
            let error = Machine::named(name, 2).unwrap_err().to_string();
            assert!(error.contains(&format!("'{name}'")), "{error}");
            assert!(
                error.contains("rtx3060") && error.contains("8gb"),
                "{error}"
            );
        }
    }

    #[test]
    fn names_are_unique_and_figures_plausible() {
        let mut names = Vec::new();
        for card in &CARDS {
            let own = [card.key, card.name].map(plain);
            assert!(own.iter().all(|name| !names.contains(name)), "{card:?}");
            names.extend(own);
            let intensity = card.fp32 * 1e3 / card.bandwidth;
            assert!((5.0..110.0).contains(&intensity), "{card:?}");
            // Tensor cores came with Volta; each does twice the work in 16 bits at least.
            assert_eq!(card.fp16 == 0.0, card.capability < (7, 0), "{card:?}");
            assert!(card.fp16 == 0.0 || card.fp16 >= 1.9 * card.fp32, "{card:?}");
        }
        assert!(CARDS.is_sorted_by_key(|card| card.memory as u64));
    }
}
