//! The most that this process took of the host's memory.

use std::fs;

/// Most bytes that were resident at once since the process started, or since
/// [`reset_peak`]; `None` where the system does not tell (other than Linux).
pub fn peak_resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Starts a new peak. Where the system does not allow it the old one goes on.
pub fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}
