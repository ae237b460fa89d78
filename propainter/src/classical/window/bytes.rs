//! The byte model: the bytes that a window of frames takes, and those that filling one of them
//! takes besides. The caller gives the footprint of the hole.

use super::footprint::HoleFootprint;
use crate::memory::Outside;

/// Frames that a window looks ahead, and keeps behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowLengths {
    pub ahead: usize,
    pub past: usize,
}

/// Everything the model depends on but the hole and the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    /// Processing size, multiples of 8.
    pub width: u64,
    pub height: u64,
    /// Pixels of a frame as it is pushed.
    pub source: u64,
    /// Whether a frame is processed at another size than its own.
    pub scaled: bool,
    /// Bytes that are kept of each frame as it was pushed.
    pub kept: u64,
    /// Whether the fill fades into the frame as it was pushed.
    pub fades: bool,
    /// Whether a frame has a border that is filled.
    pub border: bool,
    pub outside: Outside,
}

impl Frames {
    fn pixels(&self) -> u64 {
        self.width * self.height
    }

    /// Nodes of the flow.
    fn nodes(&self) -> u64 {
        self.width.div_ceil(4) * self.height.div_ceil(4)
    }

    /// A frame in the window: its pixels and, where it has a hole, its surroundings and the flows
    /// both ways with their coarser level.
    pub fn held(&self, hole: &HoleFootprint) -> u64 {
        let rows = 16 * (self.height + 2 * self.height.div_ceil(4));
        let coarse = self.width.div_ceil(8) * self.height.div_ceil(8);
        let coarse = if hole.stored_nodes > 0 { 8 * coarse } else { 0 };
        3 * self.pixels() + hole.source_map_bytes + 2 * (12 * hole.stored_nodes + coarse) + rows
    }

    /// What is there whatever the window: pyramids of the last two frames, masks as they came and
    /// as they are processed, a frame on its way in or out.
    fn always(&self) -> u64 {
        let level = |halvings: u32| {
            let side = |side: u64| (side >> halvings) + 33;
            2 * side(self.width) * side(self.height)
        };
        let pyramid: u64 = (0..6).map(level).sum();
        let masks = self.source + 3 * self.pixels();
        let passing = match (self.scaled, self.fades) {
            // The fill at the frame's size, the frame and its hole.
            (true, _) => 7 * self.source + self.pixels(),
            // A frame that was kept is copied before it is filled.
            (false, true) => 4 * self.source,
            (false, false) => self.source,
        };
        self.outside.always + 2 * pyramid + masks + passing + (256 << 10)
    }

    /// Filling a frame, or measuring the flow of a new one.
    fn work(&self, hole: &HoleFootprint) -> u64 {
        // Both ways: nodes as they are found, twice; weights, trust, starts and coarser levels.
        let flow = 2 * (175 * hole.measured_nodes + 30 * self.nodes());
        // Sources and colours of each pixel with the canvas that matches its pieces; or what is
        // known of them, and patches and smooth fills of what no frame shows, for which 39 bytes
        // were counted.
        let seen = 44 * hole.cell_pixels + 60 * hole.region_pixels;
        let unseen = 90 * hole.cell_pixels + 50 * hole.surrounding_pixels;
        // After that: masks and depths of all pixels, lists of those of the border, and the picture
        // with its coarser levels.
        let extension = match self.border {
            true => 12 * self.pixels() + 48 * hole.cell_pixels,
            false => 0,
        };
        flow.max(seen).max(unseen).max(extension)
    }

    /// A window's bytes where its frames have such holes.
    pub fn needs(&self, window: WindowLengths, hole: &HoleFootprint) -> u64 {
        let (held, count) = (self.held(hole), |frames: usize| frames as u64);
        let outside = self.outside.frame + self.kept;
        self.always()
            + self.work(hole)
            + count(window.ahead + 1) * (held + outside)
            + count(window.past) * held
    }

    /// The window, no longer than `wish`, that stays within a budget: as much past as future,
    /// as far as both are wished for.
    ///
    /// # Errors
    /// What the shortest window needs, where that is more.
    pub fn fit(
        &self,
        budget: u64,
        wish: WindowLengths,
        hole: &HoleFootprint,
    ) -> Result<WindowLengths, u64> {
        let least = WindowLengths {
            ahead: wish.ahead.min(1),
            past: wish.past.min(1),
        };
        let needed = self.needs(least, hole);
        if needed > budget {
            return Err(needed);
        }
        let fits = |window: WindowLengths| self.needs(window, hole) <= budget;
        let mut window = least;
        let (mut ahead, mut past) = (true, true);
        while ahead || past {
            let longer = WindowLengths {
                ahead: window.ahead + 1,
                ..window
            };
            ahead = ahead && window.ahead < wish.ahead && fits(longer);
            if ahead {
                window = longer;
            }
            let longer = WindowLengths {
                past: window.past + 1,
                ..window
            };
            past = past && window.past < wish.past && fits(longer);
            if past {
                window = longer;
            }
        }
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Frames {
        Frames {
            width: 1280,
            height: 720,
            source: 1280 * 720,
            scaled: false,
            kept: 0,
            fades: false,
            border: false,
            outside: Outside {
                frame: 1280 * 720 * 3 / 2,
                always: 40_000_000,
                ..Outside::default()
            },
        }
    }

    const LOGO: HoleFootprint = HoleFootprint {
        source_map_bytes: 40_000,
        measured_nodes: 4_000,
        stored_nodes: 9_000,
        cell_pixels: 32_000,
        region_pixels: 50_000,
        surrounding_pixels: 90_000,
    };

    #[test]
    fn the_longest_window_that_fits_is_taken_and_an_error_says_what_is_enough() {
        let (frames, wish) = (
            frames(),
            WindowLengths {
                ahead: 40,
                past: 40,
            },
        );
        let all = frames.needs(wish, &LOGO);
        assert_eq!(frames.fit(all, wish, &LOGO), Ok(wish));
        let mut last = wish;
        for budget in (1..40).rev().map(|part| all / 40 * part) {
            match frames.fit(budget, wish, &LOGO) {
                Ok(window) => {
                    assert!(frames.needs(window, &LOGO) <= budget);
                    assert!(window.ahead <= last.ahead && window.past <= last.past);
                    assert!(window.ahead.abs_diff(window.past) <= 1, "{window:?}");
                    last = window;
                }
                Err(needed) => {
                    assert!(needed > budget);
                    let least = WindowLengths { ahead: 1, past: 1 };
                    assert_eq!(frames.fit(needed, wish, &LOGO), Ok(least));
                }
            }
        }
    }

    #[test]
    fn a_short_future_is_kept_and_the_past_gives_way() {
        let frames = frames();
        let wish = WindowLengths {
            ahead: 10,
            past: 70,
        };
        let budget = frames.needs(WindowLengths { past: 25, ..wish }, &LOGO);
        let window = frames.fit(budget, wish, &LOGO);
        assert_eq!(window, Ok(WindowLengths { past: 25, ..wish }));
    }
}
