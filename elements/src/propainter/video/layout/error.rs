//! The error of a buffer that does not fit its caps.

use std::fmt;

/// A buffer is no frame of its caps; the text says why.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidBuffer(pub String);

impl fmt::Display for InvalidBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
