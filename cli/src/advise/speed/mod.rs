//! How long machines take.
//!
//! - [`work`]: the operations and bytes of a clip
//! - [`time`]: from work to seconds
//! - [`check_report`]: what was measured on a card

pub mod check_report;
pub mod time;
pub mod work;
