//! What the tests share: golden vectors, generated weights, comparisons.

pub mod golden;
