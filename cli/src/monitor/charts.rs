//! Bars and curves of characters.

/// Returns a bar of `width` characters that shows `used` of `all`, with a mark at `peak`.
pub fn bar(used: u64, peak: u64, all: u64, width: usize) -> String {
    let at = |bytes: u64| match all {
        0 => 0,
        all => ((bytes as f64 / all as f64 * width as f64).round() as usize).min(width),
    };
    let (used, peak) = (at(used), at(peak));
    let cell = |i| match i {
        i if i < used => '█',
        i if i + 1 == peak => '▏',
        _ => '·',
    };
    (0..width).map(cell).collect()
}

/// Returns the values as a line of small columns; `top` and more fill a column.
pub fn sparkline(values: impl IntoIterator<Item = u64>, top: u64) -> String {
    const COLUMNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let column = |value: u64| {
        let share = value.min(top) as f64 / top.max(1) as f64;
        COLUMNS[(share * 7.0).round() as usize]
    };
    values.into_iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_columns_stay_within_their_ends() {
        assert_eq!(bar(5, 8, 10, 10), "█████··▏··");
        assert_eq!(bar(20, 30, 10, 4), "████");
        assert_eq!(bar(5, 5, 0, 3), "···");
        assert_eq!(sparkline([0, 5, 10, 99], 10), "▁▅██");
        assert_eq!(sparkline([1], 0), "▁");
    }
}
