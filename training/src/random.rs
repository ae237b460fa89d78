//! Random numbers: one seed makes a whole run.

use chacha20::ChaCha8Rng;
use rand::SeedableRng;

/// The generator of all random numbers. Its sequence is the same on every machine.
pub type Random = ChaCha8Rng;

/// Returns the generator of a key, such as the seed of a run, a subject and a number. Other keys have
/// independent sequences, so a sample with a key of its own is the same whichever thread makes it,
/// and whenever.
///
/// # Panics
/// If the key has more than four parts.
pub fn random(key: &[u64]) -> Random {
    assert!(key.len() <= 4, "a key of {} parts", key.len());
    let mut seed = [0; 32];
    for (bytes, part) in seed.chunks_exact_mut(8).zip(key) {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    Random::from_seed(seed)
}
