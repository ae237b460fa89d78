//! What a user must know before fetching the official weights.

use std::io;

use super::Console;

const NOTICE: &str = "\
The official weights of ProPainter are not part of this project. Their authors (S-Lab,
Nanyang Technological University) publish them under the NTU S-Lab License 1.0, which
allows use and redistribution for non-commercial purposes only; anything commercial needs
their written permission beforehand. The licence itself is what counts:
https://github.com/sczhou/ProPainter/blob/main/LICENSE";

/// Shows the notice and asks, unless the terms were `accepted` beforehand.
pub(super) fn accept(console: &mut Console<'_>, accepted: bool) -> io::Result<bool> {
    console.say(NOTICE)?;
    if accepted {
        return Ok(true);
    }
    console.confirm("Do you accept these terms?")
}
