//! The error of a buffer that does not fit its caps.

use std::fmt;

/// Why a buffer is no picture of its caps.
#[derive(Debug, PartialEq, Eq)]
pub struct BadPicture(pub String);

impl fmt::Display for BadPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
