//! One of the targets of `propainter_tests::fuzz`, by `PROPAINTER_FUZZ`, under libFuzzer; see
//! `scripts/fuzz.sh`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use propainter_tests::{
    allocation::Counting,
    fuzz::{Target, target},
};

#[global_allocator]
static COUNTING: Counting = Counting;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("PROPAINTER_FUZZ").unwrap_or_default();
    target(&name).expect("PROPAINTER_FUZZ names a target")
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
