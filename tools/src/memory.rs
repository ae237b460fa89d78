//! What this process takes of the host's memory.

use std::fs;

/// Most bytes that were resident at once since the process started; `None` where the
/// system does not tell (other than Linux).
pub fn peak_resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}
