//! The licence of the official weights, which a user must accept before downloading them.

use std::io;

use crate::Console;

const NOTICE: &str = "\
The official weights of ProPainter are not part of this project. Their authors (S-Lab,
Nanyang Technological University) publish them under the NTU S-Lab License 1.0, which
allows use and redistribution for non-commercial purposes only; commercial use requires
their prior written permission. This is a summary; the licence itself is binding:
https://github.com/sczhou/ProPainter/blob/main/LICENSE";

/// Shows the notice and asks, unless the terms were `accepted` beforehand. Returns whether they are
/// accepted.
///
/// # Errors
/// The console cannot be read or written.
pub(super) fn accept(console: &mut Console<'_>, accepted: bool) -> io::Result<bool> {
    console.say(NOTICE)?;
    if accepted {
        return Ok(true);
    }
    console.confirm("Do you accept these terms?")
}
