//! The most host memory that this process has used.

use std::fs;

/// Returns the most bytes that were resident at once since the process started, or since
/// [`reset_peak`]; `None` where the system does not report it (other than Linux).
pub fn peak_resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Starts a new peak. Where the system does not allow that, the old one stays.
pub fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Returns the line of a report that states the peak.
pub fn report() -> String {
    match peak_resident() {
        Some(bytes) => format!("peak memory: {:.0} MB resident", bytes as f64 / 1e6),
        None => "peak memory: not reported by this system".to_owned(),
    }
}
