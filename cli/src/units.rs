//! Bytes as text.

/// Returns `bytes` in the unit that reads best; `u64::MAX` stands for no limit.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    if bytes == u64::MAX {
        return "no limit".to_owned();
    }
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = match unit {
        0 => 0,
        _ if value < 10.0 => 2,
        _ => 1,
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_shown_in_the_unit_that_reads_best() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1023, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (512 << 20, "512.0 MiB"),
            (24 << 30, "24.0 GiB"),
            (u64::MAX - 1, "16777216.0 TiB"),
            (u64::MAX, "no limit"),
        ] {
            assert_eq!(super::bytes(bytes), text);
        }
    }
}
