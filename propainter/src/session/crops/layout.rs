//! Lays out the crops of a frame's holes: how many, how large, and where.

use std::ops::Range;

use super::around;
use crate::{Config, Rect, resize};

/// The smallest size of a crop, (width, height): the size that the networks were trained on.
pub const MIN_SIZE: (usize, usize) = (432, 240);
/// Maximum number of crops at once.
pub const MAX_CROPS: usize = 4;
/// Maximum number of holes for which several crops are considered.
const MAX_HOLES: usize = 24;
/// Maximum number of pixels at which a crop is processed; a larger crop is scaled down.
const MAX_PIXELS: usize = 4 * MIN_SIZE.0 * MIN_SIZE.1;
/// Limits of the context on each side of a hole, which is half the hole's shorter side.
const CONTEXT: (usize, usize) = (88, 160);
/// Context that must be left when a hole grows or moves.
const MIN_CONTEXT: usize = 16;
/// A crop may move by at most its side divided by this; beyond, another crop replaces it.
const MAX_MOVE: usize = 4;
/// Share of the whole frame's cost, in percent, from which on crops do not pay off.
const MAX_COST: usize = 75;

/// A crop and its processing size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crop {
    pub rect: Rect,
    /// Width and height.
    pub processing: (usize, usize),
}

impl Crop {
    /// Returns the whole frame, as it is processed without crops.
    pub fn whole(config: &Config) -> Self {
        Self {
            rect: Rect::whole([config.height, config.width]),
            processing: config.processing_size(),
        }
    }

    /// Returns a crop around a hole, with context.
    fn around(config: &Config, hole: &Rect) -> Self {
        let [height, width] = hole.size();
        let context = (width.min(height) / 2).clamp(CONTEXT.0, CONTEXT.1);
        let span = |hole: &Range<usize>, min: usize, frame: usize| {
            let length = (hole.len() + 2 * context).max(min);
            let length = length.next_multiple_of(8).min(frame);
            let start = (hole.start + hole.len() / 2).saturating_sub(length / 2);
            let start = start.min(frame - length);
            start..start + length
        };
        let rect = Rect::new([
            span(&hole.rows, MIN_SIZE.1, config.height),
            span(&hole.columns, MIN_SIZE.0, config.width),
        ]);
        let size = (rect.columns.len(), rect.rows.len());
        let fits = |wanted: Option<usize>, side: usize| {
            wanted.map_or(1.0, |wanted| wanted as f64 / side as f64)
        };
        let ratio = config
            .resize_ratio
            .min(fits(config.processing_width, size.0))
            .min(fits(config.processing_height, size.1));
        let max_ratio = (MAX_PIXELS as f64 / rect.pixels() as f64).sqrt();
        Self {
            rect,
            processing: resize::processing_size(size, (None, None), ratio.min(max_ratio)),
        }
    }

    fn cost(&self) -> usize {
        self.processing.0 * self.processing.1
    }

    /// Returns whether the other crop has the same sizes.
    pub fn is_alike(&self, other: &Self) -> bool {
        let sizes = |crop: &Self| (crop.rect.size(), crop.processing);
        sizes(self) == sizes(other)
    }

    /// Returns the crop moved just far enough to contain `hole` with context; `None` if it is too
    /// small for that, or would have to move too far at once.
    pub fn following(&self, hole: &Rect, (width, height): (usize, usize)) -> Option<Self> {
        let rect = Rect::new([
            follow(&self.rect.rows, &hole.rows, height)?,
            follow(&self.rect.columns, &hole.columns, width)?,
        ]);
        let too_far = |to: &Range<usize>, from: &Range<usize>| {
            to.start.abs_diff(from.start) > to.len() / MAX_MOVE
        };
        let jumps =
            too_far(&rect.rows, &self.rect.rows) || too_far(&rect.columns, &self.rect.columns);
        (!jumps).then_some(Self { rect, ..*self })
    }
}

/// Moves `span` within `0..limit` so that it contains `hole`. Leaves a quarter of the remaining
/// length free on either side, so that the crop stays in place when the mask jitters.
fn follow(span: &Range<usize>, hole: &Range<usize>, limit: usize) -> Option<Range<usize>> {
    let length = span.len();
    if length == limit {
        return Some(0..limit);
    }
    let free = length.checked_sub(hole.len())?;
    let context = free / 4;
    // The frame's own edge needs no context.
    let from = hole.start.saturating_sub(context);
    let to = (hole.end + context).min(limit);
    let start = span.start;
    (free >= 2 * MIN_CONTEXT).then(|| {
        let start = start.clamp(to.saturating_sub(length), from.min(limit - length));
        start..start + length
    })
}

/// A crop and the holes that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub crop: Crop,
    pub holes: Vec<Rect>,
}

/// Lays out at most `max` crops whose total area is small; returns the whole frame instead if
/// that costs little more.
pub fn lay_out(config: &Config, holes: &[Rect], max: usize) -> Vec<Placed> {
    let whole = Placed {
        crop: Crop::whole(config),
        holes: holes.to_vec(),
    };
    let max = if holes.len() > MAX_HOLES {
        1
    } else {
        max.clamp(1, MAX_CROPS)
    };
    let mut groups: Vec<Vec<Rect>> = match max {
        1 => vec![holes.to_vec()],
        _ => holes.iter().map(|hole| vec![hole.clone()]).collect(),
    };
    let (x, y) = (config.width / 2, config.height / 2);
    let middle = Rect::new([y..y + 1, x..x + 1]);
    let crop = |group: &[Rect]| Crop::around(config, &around(group).unwrap_or(middle.clone()));
    if groups.is_empty() {
        groups.push(vec![]);
    }
    loop {
        let pairs = (0..groups.len()).flat_map(|a| (a + 1..groups.len()).map(move |b| (a, b)));
        let added = |&(a, b): &(usize, usize)| {
            let both = [&groups[a][..], &groups[b][..]].concat();
            let (joined, apart) = (crop(&both), [crop(&groups[a]), crop(&groups[b])]);
            // Compared in the frame's own pixels: a crop that is scaled down is cheap, but worse.
            let apart: usize = apart.iter().map(|crop| crop.rect.pixels()).sum();
            joined.rect.pixels() as i64 - apart as i64
        };
        let Some((added, (a, b))) = pairs.map(|pair| (added(&pair), pair)).min() else {
            break;
        };
        if added > 0 && groups.len() <= max {
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
    if 100 * cost < MAX_COST * whole.crop.cost() {
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
        Rect::new([y..y + height, x..x + width])
    }

    fn costs(holes: &[Rect]) -> Vec<f64> {
        let placed = lay_out(&config(), holes, MAX_CROPS);
        for Placed { crop, holes } in &placed {
            for hole in holes {
                assert_eq!(crop.rect.intersection(hole), *hole, "{crop:?}");
            }
            assert!(crop.rect.columns.end <= HD.0 && crop.rect.rows.end <= HD.1);
        }
        let least = (MIN_SIZE.0 * MIN_SIZE.1) as f64;
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
        let both = [logo.clone(), ticker];
        let (a, b) = (costs(&both[..1]), costs(&both[1..]));
        assert_eq!(costs(&both), [a[0], b[0]]);
        assert_eq!(costs(&[logo, rect(1650, 160, 30, 30)]).len(), 1);
        let many: Vec<_> = (0..12)
            .map(|i| rect(i * 150, (i % 4) * 300, 9, 9))
            .collect();
        assert!(costs(&many).len() <= MAX_CROPS);
        assert_eq!(costs(&[]).len(), 1);
    }

    #[test]
    fn what_is_mostly_hole_is_seen_whole_and_no_larger_than_the_networks_like() {
        let small = Config::new(432, 240);
        let placed = lay_out(&small, &[rect(10, 10, 20, 20)], MAX_CROPS);
        assert_eq!(placed[0].crop, Crop::whole(&small));
        let half = costs(&[rect(200, 100, 1500, 900)]);
        assert!(half.len() == 1 && half[0] <= 4.0, "{half:?}");
        let odd = Config::new(1919, 1079);
        let placed = lay_out(&odd, &[rect(0, 1000, 1919, 60)], MAX_CROPS);
        assert_eq!(placed[0].crop.rect.columns.len(), 1919);
    }

    #[test]
    fn a_wanted_size_is_the_most_that_a_crop_is_seen_at() {
        let config = Config {
            processing_width: Some(320),
            ..config()
        };
        let placed = lay_out(&config, &[rect(500, 500, 240, 120)], MAX_CROPS);
        assert_eq!(placed[0].crop.processing.0, 320);
    }

    #[test]
    fn a_crop_stays_where_a_hole_trembles_and_goes_with_one_that_moves() {
        let start = lay_out(&config(), &[rect(800, 400, 100, 60)], 1)[0]
            .crop
            .clone();
        for (x, y) in [(790, 395), (815, 408), (780, 402)] {
            let moved = start.following(&rect(x, y, 100, 60), HD);
            assert_eq!(moved.as_ref(), Some(&start));
        }
        let mut crop = start.clone();
        for step in 0..200 {
            let hole = rect(800 + 5 * step, 400, 100, 60);
            let moved = crop.following(&hole, HD).unwrap();
            assert_eq!(moved.rect.rows, start.rect.rows);
            let step = moved.rect.columns.start - crop.rect.columns.start;
            assert!((0..=5).contains(&step));
            assert_eq!(moved.rect.intersection(&hole), hole);
            crop = moved;
        }
        assert_eq!(start.following(&rect(100, 100, 420, 60), HD), None);
    }

    #[test]
    fn at_the_edge_of_the_picture_a_hole_needs_no_context() {
        let start = lay_out(&config(), &[rect(0, 0, 100, 60)], 1)[0]
            .crop
            .clone();
        assert_eq!((start.rect.columns.start, start.rect.rows.start), (0, 0));
        let corner = (1820, 1020);
        let corner_hole = rect(corner.0, corner.1, 100, 60);
        assert_eq!(
            start.following(&corner_hole, HD),
            None,
            "too far for one step"
        );
        let mut crop = start.clone();
        for step in 1..=20 {
            let hole = rect(corner.0 * step / 20, corner.1 * step / 20, 100, 60);
            crop = crop.following(&hole, HD).unwrap();
        }
        assert_eq!((crop.rect.columns.end, crop.rect.rows.end), HD);
    }
}
