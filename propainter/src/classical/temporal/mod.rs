//! Propagation along motion: from which frames the pixels of a hole are copied.

mod alignment;
pub mod source;
pub mod source_search;
mod trajectory;
