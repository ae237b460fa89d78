//! What random numbers are drawn for.

use crate::random::{Random, random};

/// What random numbers are drawn for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    /// The clips that are kept apart.
    Apart,
    /// The order of an epoch.
    Order,
    /// A sample that is trained on.
    Trained,
    /// A sample for validation.
    Validated,
}

/// Returns the random numbers of the `number`th of a subject.
pub(super) fn random_of(seed: u64, subject: Subject, number: u64) -> Random {
    random(&[seed, subject as u64, number])
}
