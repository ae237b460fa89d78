//! Which crops a frame's holes are seen in: how many, how large, and where.

use super::{around, boxes::Rect};
use crate::{Config, resize};

/// The least size of a crop: what the networks were trained on.
pub const LEAST: (usize, usize) = (432, 240);
/// Most pixels at which a crop is processed; a larger one is seen smaller.
const MOST: usize = 4 * LEAST.0 * LEAST.1;
/// Context on each side of a hole: half its shorter side, within these.
const CONTEXT: (usize, usize) = (88, 160);
/// Context that must be left where the hole grows or moves.
const TIGHT: usize = 16;
/// A crop that would have to move by more than one such part of its side is another one.
const LEAP: usize = 4;
/// Most crops at once, and most holes for which several are thought of.
const CROPS: usize = 4;
const HOLES: usize = 24;
/// Share of the whole frame's cost, in percent, from which on crops are not worth it.
const WORTH: usize = 75;

/// A crop and the size it is processed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    pub rect: Rect,
    /// Width and height.
    pub processing: (usize, usize),
}

impl Crop {
    /// The whole frame, as it is processed without crops.
    pub fn whole(config: &Config) -> Self {
        let size = (config.width, config.height);
        let wanted = (config.processing_width, config.processing_height);
        Self {
            rect: Rect {
                x: 0,
                y: 0,
                width: size.0,
                height: size.1,
            },
            processing: resize::processing_size(size, wanted, config.resize_ratio),
        }
    }

    /// Around a hole, with context.
    fn around(config: &Config, hole: &Rect) -> Self {
        let context = (hole.width.min(hole.height) / 2).clamp(CONTEXT.0, CONTEXT.1);
        let side = |hole: usize, least: usize, most: usize| {
            (hole + 2 * context)
                .max(least)
                .next_multiple_of(8)
                .min(most)
        };
        let size = (
            side(hole.width, LEAST.0, config.width),
            side(hole.height, LEAST.1, config.height),
        );
        let place = |start: usize, length: usize, crop: usize, most: usize| {
            (start + length / 2)
                .saturating_sub(crop / 2)
                .min(most - crop)
        };
        let rect = Rect {
            x: place(hole.x, hole.width, size.0, config.width),
            y: place(hole.y, hole.height, size.1, config.height),
            width: size.0,
            height: size.1,
        };
        let fits = |wanted: Option<usize>, side: usize| {
            wanted.map_or(1.0, |wanted| wanted as f64 / side as f64)
        };
        let ratio = config
            .resize_ratio
            .min(fits(config.processing_width, size.0))
            .min(fits(config.processing_height, size.1));
        let most = (MOST as f64 / rect.area() as f64).sqrt();
        Self {
            rect,
            processing: resize::processing_size(size, (None, None), ratio.min(most)),
        }
    }

    fn cost(&self) -> usize {
        self.processing.0 * self.processing.1
    }

    /// Whether the other one is of the same sizes.
    pub fn is_alike(&self, other: &Self) -> bool {
        let sizes = |crop: &Self| (crop.rect.width, crop.rect.height, crop.processing);
        sizes(self) == sizes(other)
    }

    /// The crop moved as little as lets it hold `hole` with context; `None` where it is too
    /// small for that, or would have to leap.
    pub fn following(&self, hole: &Rect, (width, height): (usize, usize)) -> Option<Self> {
        let rect = Rect {
            x: follow(self.rect.x, self.rect.width, (hole.x, hole.right()), width)?,
            y: follow(
                self.rect.y,
                self.rect.height,
                (hole.y, hole.bottom()),
                height,
            )?,
            ..self.rect
        };
        let leaps = rect.x.abs_diff(self.rect.x) > rect.width / LEAP
            || rect.y.abs_diff(self.rect.y) > rect.height / LEAP;
        (!leaps).then_some(Self { rect, ..*self })
    }
}

/// Where a span of `length` within `0..limit` begins that holds the span `from..to`. A quarter
/// of what is left over stays free on either side, so that a hole that trembles moves nothing.
fn follow(start: usize, length: usize, (from, to): (usize, usize), limit: usize) -> Option<usize> {
    if length == limit {
        return Some(0);
    }
    let free = length.checked_sub(to - from)?;
    let context = free / 4;
    // The picture's own edge needs no context.
    let (from, to) = (from.saturating_sub(context), (to + context).min(limit));
    (free >= 2 * TIGHT).then(|| start.clamp(to.saturating_sub(length), from.min(limit - length)))
}

/// The crops for holes, each with those it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub crop: Crop,
    pub holes: Vec<Rect>,
}

/// Crops of least area together, at most so many; the whole frame where that costs little more.
pub fn lay_out(config: &Config, holes: &[Rect], most: usize) -> Vec<Placed> {
    let whole = Placed {
        crop: Crop::whole(config),
        holes: holes.to_vec(),
    };
    let most = if holes.len() > HOLES {
        1
    } else {
        most.clamp(1, CROPS)
    };
    let mut groups: Vec<Vec<Rect>> = match most {
        1 => vec![holes.to_vec()],
        _ => holes.iter().map(|&hole| vec![hole]).collect(),
    };
    let middle = Rect {
        x: config.width / 2,
        y: config.height / 2,
        width: 1,
        height: 1,
    };
    let crop = |group: &[Rect]| Crop::around(config, &around(group).unwrap_or(middle));
    if groups.is_empty() {
        groups.push(vec![]);
    }
    loop {
        let pairs = (0..groups.len()).flat_map(|a| (a + 1..groups.len()).map(move |b| (a, b)));
        let added = |&(a, b): &(usize, usize)| {
            let both = [&groups[a][..], &groups[b][..]].concat();
            let (joined, apart) = (crop(&both), [crop(&groups[a]), crop(&groups[b])]);
            // In the frame's own pixels: what is seen small is cheap, but worse.
            let apart: usize = apart.iter().map(|crop| crop.rect.area()).sum();
            joined.rect.area() as i64 - apart as i64
        };
        let Some((added, (a, b))) = pairs.map(|pair| (added(&pair), pair)).min() else {
            break;
        };
        if added > 0 && groups.len() <= most {
            break;
        }
        let joined = groups.remove(b);
        groups[a].extend(joined);
    }
    let placed: Vec<_> = groups
        .into_iter()
        .map(|holes| Placed {
            crop: crop(&holes),
            holes,
        })
        .collect();
    let cost: usize = placed.iter().map(|placed| placed.crop.cost()).sum();
    if 100 * cost < WORTH * whole.crop.cost() {
        placed
    } else {
        vec![whole]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: (usize, usize) = (1920, 1080);

    fn config() -> Config {
        Config::new(HD.0, HD.1)
    }

    fn rect(x: usize, y: usize, width: usize, height: usize) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    fn costs(holes: &[Rect]) -> Vec<f64> {
        let placed = lay_out(&config(), holes, CROPS);
        for Placed { crop, holes } in &placed {
            for hole in holes {
                assert_eq!(crop.rect.shared(hole), hole.area(), "{crop:?} {hole:?}");
            }
            assert!(crop.rect.right() <= HD.0 && crop.rect.bottom() <= HD.1);
        }
        let least = (LEAST.0 * LEAST.1) as f64;
        let costs = placed.iter().map(|p| p.crop.cost() as f64 / least);
        costs.collect()
    }

    #[test]
    fn a_logo_in_1080p_costs_about_what_a_small_picture_does() {
        for at in [(0, 0), (100, 60), (1680, 960), (1000, 500)] {
            let costs = costs(&[rect(at.0, at.1, 240, 120)]);
            assert!(costs.len() == 1 && costs[0] <= 1.5, "{costs:?}");
        }
    }

    #[test]
    fn holes_far_apart_have_crops_of_their_own_and_near_ones_share() {
        let (logo, ticker) = (rect(1600, 50, 200, 100), rect(100, 980, 1000, 60));
        let (a, b) = (costs(&[logo]), costs(&[ticker]));
        assert_eq!(costs(&[logo, ticker]), [a[0], b[0]]);
        assert_eq!(costs(&[logo, rect(1650, 160, 30, 30)]).len(), 1);
        let many: Vec<_> = (0..12)
            .map(|i| rect(i * 150, (i % 4) * 300, 9, 9))
            .collect();
        assert!(costs(&many).len() <= CROPS);
        assert_eq!(costs(&[]).len(), 1);
    }

    #[test]
    fn what_is_mostly_hole_is_seen_whole_and_no_larger_than_the_networks_like() {
        let small = Config::new(432, 240);
        let placed = lay_out(&small, &[rect(10, 10, 20, 20)], CROPS);
        assert_eq!(placed[0].crop, Crop::whole(&small));
        let half = costs(&[rect(200, 100, 1500, 900)]);
        assert!(half.len() == 1 && half[0] <= 4.0, "{half:?}");
        let odd = Config::new(1919, 1079);
        let placed = lay_out(&odd, &[rect(0, 1000, 1919, 60)], CROPS);
        assert_eq!(placed[0].crop.rect.width, 1919);
    }

    #[test]
    fn a_wanted_size_is_the_most_that_a_crop_is_seen_at() {
        let config = Config {
            processing_width: Some(320),
            ..config()
        };
        let placed = lay_out(&config, &[rect(500, 500, 240, 120)], CROPS);
        assert_eq!(placed[0].crop.processing.0, 320);
    }

    #[test]
    fn a_crop_stays_where_a_hole_trembles_and_goes_with_one_that_moves() {
        let start = lay_out(&config(), &[rect(800, 400, 100, 60)], 1)[0].crop;
        for (x, y) in [(790, 395), (815, 408), (780, 402)] {
            assert_eq!(start.following(&rect(x, y, 100, 60), HD), Some(start));
        }
        let mut crop = start;
        for step in 0..200 {
            let hole = rect(800 + 5 * step, 400, 100, 60);
            let moved = crop.following(&hole, HD).unwrap();
            assert_eq!(moved.rect.y, start.rect.y);
            assert!((0..=5).contains(&(moved.rect.x - crop.rect.x)));
            assert_eq!(moved.rect.shared(&hole), hole.area());
            crop = moved;
        }
        assert_eq!(start.following(&rect(100, 100, 420, 60), HD), None);
    }

    #[test]
    fn at_the_edge_of_the_picture_a_hole_needs_no_context() {
        let start = lay_out(&config(), &[rect(0, 0, 100, 60)], 1)[0].crop;
        assert_eq!((start.rect.x, start.rect.y), (0, 0));
        let corner = rect(1820, 1020, 100, 60);
        assert_eq!(start.following(&corner, HD), None, "too far for one step");
        let mut crop = start;
        for step in 1..=20 {
            let hole = rect(corner.x * step / 20, corner.y * step / 20, 100, 60);
            crop = crop.following(&hole, HD).unwrap();
        }
        assert_eq!((crop.rect.right(), crop.rect.bottom()), HD);
    }
}
