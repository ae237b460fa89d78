//! The settings of the networks in a build that has none.

use super::{Fit, Wish, cards::Machine};

/// Why a plan cannot be made.
pub const MISSING: Option<&str> = Some(
    "this build has no networks, so it cannot plan for a card; `make` builds them (cargo feature \
     `networks`)",
);

/// Returns no settings: nothing is planned without networks.
///
/// # Errors
/// Always.
pub fn fit(
    _: &Machine,
    _: Wish,
    _: (usize, usize),
    _: &[(usize, usize)],
    _: u64,
) -> Result<Fit, u64> {
    Err(u64::MAX)
}
