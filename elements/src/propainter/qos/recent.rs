//! Which of the last frames were late.

/// Frames that are looked back on.
pub const WINDOW: u32 = 50;

/// One bit a frame, the last one lowest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent(u64);

impl Recent {
    /// Notes a frame; how many of the last [`WINDOW`] were late.
    pub fn push(&mut self, late: bool) -> u32 {
        self.0 = (self.0 << 1 | u64::from(late)) & ((1 << WINDOW) - 1);
        self.0.count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_forgotten_after_a_window() {
        let mut recent = Recent::default();
        assert_eq!((0..3).map(|_| recent.push(true)).last(), Some(3));
        let after: Vec<_> = (0..WINDOW).map(|_| recent.push(false)).collect();
        assert_eq!(after[WINDOW as usize - 4], 3);
        assert_eq!(after[WINDOW as usize - 1], 0);
    }
}
