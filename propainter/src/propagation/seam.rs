//! Makes the pieces of a fill go over into each other and into the picture around: where two
//! meet, what each would show on the other's side says by how much they differ, and the
//! difference is spread away from the seam.

use super::{
    fill::{PIXELS, Source, Window},
    flow::grown,
    grid::CELL,
    membrane::membrane,
    region::Region,
    sample,
};

/// Differences beyond this are edges of the picture, not of the fill.
const LIMIT: f32 = 60.0;
/// Differences up to this do not show.
const SLIGHT: f32 = 2.0;
/// Pull back to the colours as sampled: a correction reaches about ten pixels.
const PULL: f32 = 0.01;
/// Nodes around a seam that a correction may change.
const REACH: usize = 5;
const SWEEPS: usize = 16;

/// No hole here.
const KNOWN: u32 = u32::MAX;
/// Hole, but nothing that could be matched.
const NOTHING: u32 = u32::MAX - 1;

/// A region's fill, pixel by pixel over its rectangle.
pub struct Canvas<'a> {
    window: &'a Window<'a>,
    region: &'a Region,
    width: usize,
    height: usize,
    sources: &'a [[Source; PIXELS]],
    /// Per pixel: which source, or [`KNOWN`] or [`NOTHING`].
    index: Vec<u32>,
    /// What matching has added so far.
    shift: Vec<[f32; 3]>,
    /// Colours by cell and pixel, as `sources`.
    pub values: Vec<[[f32; 3]; PIXELS]>,
}

impl<'a> Canvas<'a> {
    pub fn new(
        window: &'a Window<'a>,
        region: &'a Region,
        sources: &'a [[Source; PIXELS]],
        values: Vec<[[f32; 3]; PIXELS]>,
    ) -> Self {
        let (width, height) = (region.width * CELL, region.height * CELL);
        let mut index = Vec::with_capacity(width * height);
        for y in 0..height {
            let first = (region.y * CELL + y) * window.hole.width() + region.x * CELL;
            let hole = &window.hole.hole()[first..first + width];
            index.extend(hole.iter().map(|&h| if h == 0 { KNOWN } else { NOTHING }));
        }
        for (slot, (&cell, sources)) in region.cells.iter().zip(sources).enumerate() {
            let (x, y) = (cell as usize % region.width, cell as usize / region.width);
            for (p, source) in sources.iter().enumerate() {
                if source.cost.is_finite() {
                    let at = (y * CELL + p / CELL) * width + x * CELL + p % CELL;
                    index[at] = (slot * PIXELS + p) as u32;
                }
            }
        }
        Self {
            window,
            region,
            width,
            height,
            sources,
            shift: vec![[0.0; 3]; index.len()],
            index,
            values,
        }
    }

    /// Matches what other frames show, then what earlier fills left.
    pub fn settle(&mut self) {
        self.join(|source| !source.inherited());
        if self.inherit() {
            self.join(Source::inherited);
        }
    }

    fn source(&self, at: usize) -> Option<&'a Source> {
        let i = self.index[at] as usize;
        self.sources.get(i / PIXELS).map(|cell| &cell[i % PIXELS])
    }

    fn value(&self, at: usize) -> [f32; 3] {
        let i = self.index[at] as usize;
        self.values[i / PIXELS][i % PIXELS]
    }

    fn change(&mut self, at: usize, by: [f32; 3]) {
        let i = self.index[at] as usize;
        let value = &mut self.values[i / PIXELS][i % PIXELS];
        for c in 0..3 {
            value[c] += by[c];
            self.shift[at][c] += by[c];
        }
    }

    /// The known picture at a pixel.
    fn known(&self, x: usize, y: usize) -> [f32; 3] {
        let at = (self.region.y * CELL + y) * self.window.held().frame.width()
            + self.region.x * CELL
            + x;
        let rgb = &self.window.held().frame.rgb()[3 * at..3 * at + 3];
        [rgb[0], rgb[1], rgb[2]].map(f32::from)
    }

    /// What a pixel's source shows `step` from it; `None` where it shows nothing itself.
    fn beyond(&self, at: usize, source: &Source, step: (f32, f32)) -> Option<[f32; 3]> {
        let there = &self.window.frames[source.frame];
        let (x, y) = (source.x + step.0, source.y + step.1);
        (source.inherited() || there.shows(x, y)).then(|| {
            let colour = sample::cubic(&there.frame, x, y);
            std::array::from_fn(|c| colour[c] + source.colour[c] + self.shift[at][c])
        })
    }

    /// The pixel beside (x, y), with its place.
    fn beside(&self, x: usize, y: usize, (dx, dy): (isize, isize)) -> Option<(usize, usize)> {
        let (x, y) = (x.wrapping_add_signed(dx), y.wrapping_add_signed(dy));
        (x < self.width && y < self.height).then_some((x, y))
    }

    /// Matches the pixels of one kind of source among each other and to the known picture.
    fn join(&mut self, kind: impl Fn(&Source) -> bool) {
        // Per pixel, what its neighbours ask it to change by.
        let mut asked = vec![[0.0f32; 3]; self.width * self.height];
        let mut seams = vec![false; self.region.width * self.region.height];
        for y in 0..self.height {
            for x in 0..self.width {
                let at = y * self.width + x;
                let Some(source) = self.source(at).filter(|source| kind(source)) else {
                    continue;
                };
                for step in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
                    let Some((nx, ny)) = self.beside(x, y, step) else {
                        continue;
                    };
                    let step = (step.0 as f32, step.1 as f32);
                    let beside = ny * self.width + nx;
                    let difference = if self.index[beside] == KNOWN {
                        self.beyond(at, source, step)
                            .map(|beyond| gap(self.known(nx, ny), beyond))
                    } else {
                        self.source(beside)
                            .filter(|other| kind(other) && other.frame != source.frame)
                            .map(|other| self.difference((at, source), (beside, other), step))
                    };
                    let Some(difference) = difference else {
                        continue;
                    };
                    for (sum, d) in asked[at].iter_mut().zip(difference) {
                        *sum += d.clamp(-LIMIT, LIMIT);
                    }
                    if difference.iter().any(|d| d.abs() > SLIGHT) {
                        seams[y / CELL * self.region.width + x / CELL] = true;
                    }
                }
            }
        }
        let near = grown(&seams, self.region.width, self.region.height, REACH);
        let mut shift = vec![[0.0f32; 3]; asked.len()];
        let movable: Vec<u32> = (0..asked.len() as u32)
            .filter(|&at| {
                let (x, y) = (at as usize % self.width, at as usize / self.width);
                near[y / CELL * self.region.width + x / CELL]
                    && self.source(at as usize).is_some_and(&kind)
            })
            .collect();
        for sweep in 0..SWEEPS {
            let relax = |&at: &u32| {
                let at = at as usize;
                let (x, y) = (at % self.width, at / self.width);
                let (mut sum, mut count) = (asked[at], PULL);
                for step in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
                    let Some((nx, ny)) = self.beside(x, y, step) else {
                        continue;
                    };
                    let beside = ny * self.width + nx;
                    if self.index[beside] != NOTHING {
                        (0..3).for_each(|c| sum[c] += shift[beside][c]);
                        count += 1.0;
                    }
                }
                shift[at] = sum.map(|s| s / count);
            };
            if sweep % 2 == 0 {
                movable.iter().for_each(relax);
            } else {
                movable.iter().rev().for_each(relax);
            }
        }
        for at in movable {
            self.change(at as usize, shift[at as usize]);
        }
    }

    /// By how much a pixel would have to change more than the one beside it, of another
    /// source, for the two to go over into each other.
    fn difference(
        &self,
        (at, source): (usize, &Source),
        (beside, other): (usize, &Source),
        step: (f32, f32),
    ) -> [f32; 3] {
        let (own, theirs) = (self.value(at), self.value(beside));
        let ahead = self.beyond(at, source, step);
        let behind = self.beyond(beside, other, (-step.0, -step.1));
        match (ahead, behind) {
            (Some(ahead), Some(behind)) => {
                let (a, b) = (gap(theirs, ahead), gap(behind, own));
                std::array::from_fn(|c| 0.5 * (a[c] + b[c]))
            }
            (Some(ahead), None) => gap(theirs, ahead),
            (None, Some(behind)) => gap(behind, own),
            (None, None) => gap(theirs, own),
        }
    }

    /// Shifts inherited pixels smoothly to what is known or shown around them; false where
    /// there are none.
    fn inherit(&mut self) -> bool {
        let count = self.width * self.height;
        let free: Vec<u32> = (0..count as u32)
            .filter(|&at| self.source(at as usize).is_some_and(Source::inherited))
            .collect();
        if free.is_empty() {
            return false;
        }
        let mut sums = vec![[0.0f32; 3]; count];
        let mut counts = vec![0.0f32; count];
        for &at in &free {
            let at = at as usize;
            let (x, y) = (at % self.width, at / self.width);
            let Some(source) = self.source(at) else {
                continue;
            };
            for step in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
                let Some((nx, ny)) = self.beside(x, y, step) else {
                    continue;
                };
                let beside = ny * self.width + nx;
                let there = match self.source(beside) {
                    Some(other) if !other.inherited() => self.value(beside),
                    None if self.index[beside] == KNOWN => self.known(nx, ny),
                    _ => continue,
                };
                let step = (step.0 as f32, step.1 as f32);
                if let Some(beyond) = self.beyond(at, source, step) {
                    (0..3).for_each(|c| sums[beside][c] += there[c] - beyond[c]);
                    counts[beside] += 1.0;
                }
            }
        }
        for (sum, &count) in sums.iter_mut().zip(&counts) {
            *sum = sum.map(|s| (s / count.max(1.0)).clamp(-LIMIT, LIMIT));
        }
        let fixed: Vec<u8> = counts.iter().map(|&count| u8::from(count > 0.0)).collect();
        membrane((self.width, self.height), &mut sums, &fixed, &free);
        for at in free {
            self.change(at as usize, sums[at as usize]);
        }
        true
    }
}

fn gap(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|c| a[c] - b[c])
}
