//! Which of the last frames were late.

/// Number of frames that are remembered.
pub const WINDOW: u32 = 50;

/// The last frames, one bit each; the last frame is the lowest bit.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecentFrames(u64);

impl RecentFrames {
    /// Notes a frame and returns how many of the last [`WINDOW`] frames were late.
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
        let mut recent = RecentFrames::default();
        assert_eq!((0..3).map(|_| recent.push(true)).last(), Some(3));
        let after: Vec<_> = (0..WINDOW).map(|_| recent.push(false)).collect();
        assert_eq!(after[WINDOW as usize - 4], 3);
        assert_eq!(after[WINDOW as usize - 1], 0);
    }
}
