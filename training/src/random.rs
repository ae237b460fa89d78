//! Random numbers: one seed makes a whole run.

use chacha20::ChaCha8Rng;
use rand::SeedableRng;

/// The generator of all random numbers. Its sequence is the same on every machine.
pub type Random = ChaCha8Rng;

/// Returns the generator number `stream` of a seed. Streams of one seed are independent, so a sample
/// that has a stream of its own is the same whichever thread makes it, and whenever.
pub fn stream(seed: u64, stream: u64) -> Random {
    let mut random = Random::seed_from_u64(seed);
    random.set_stream(stream);
    random
}
