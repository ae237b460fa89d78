//! Makes the pieces of a fill go over into each other and into the picture around: where two
//! meet, what each would show on the other's side says by how much they differ, and the
//! difference is spread away from the seam.

use super::resample;
use crate::classical::{
    fields::{
        grid::{CELL, grown},
        membrane::membrane,
    },
    hole::region::Region,
    temporal::source::{PIXELS, Source, Window},
};

/// Differences beyond this are edges of the picture, not of the fill.
const LIMIT: f32 = 60.0;
/// Differences up to this do not show.
const SLIGHT: f32 = 2.0;
/// Pull back to the colours as sampled: a correction reaches about ten pixels.
const PULL: f32 = 0.01;
/// Nodes around a seam that a correction may change.
const REACH: usize = 5;
const SWEEPS: usize = 10;
/// Over-relaxation, for quick settling.
const OVER: f32 = 1.5;

/// No hole here.
const KNOWN: u32 = u32::MAX;
/// Hole, but nothing that could be matched.
const NOTHING: u32 = u32::MAX - 1;

/// Bit of a label for sources that are earlier fills.
const INHERITED: u32 = 1;
/// To the four neighbours.
const STEPS: [(isize, isize); 4] = [(-1, 0), (1, 0), (0, -1), (0, 1)];

fn labelled(source: &Source) -> u32 {
    let kind = if source.inherited() { INHERITED } else { 0 };
    2 * source.frame as u32 + kind
}

/// A region's fill, pixel by pixel over its rectangle.
pub struct Canvas<'a> {
    window: &'a Window<'a>,
    region: &'a Region,
    width: usize,
    height: usize,
    sources: &'a [[Source; PIXELS]],
    /// Per pixel: which source, or [`KNOWN`] or [`NOTHING`].
    index: Vec<u32>,
    /// Per pixel: which frame it is from, and whether inherited; as `index` where from none.
    label: Vec<u32>,
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
        let mut label = index.clone();
        for (slot, (&cell, sources)) in region.cells.iter().zip(sources).enumerate() {
            let (x, y) = (cell as usize % region.width, cell as usize / region.width);
            for (p, source) in sources.iter().enumerate() {
                if source.cost.is_finite() {
                    let at = (y * CELL + p / CELL) * width + x * CELL + p % CELL;
                    index[at] = (slot * PIXELS + p) as u32;
                    label[at] = labelled(source);
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
            label,
            index,
            values,
        }
    }

    /// Matches what other frames show, then what earlier fills left.
    pub fn settle(&mut self) {
        self.join(0);
        if self.inherit() {
            self.join(INHERITED);
        }
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
    fn known(&self, at: usize) -> [f32; 3] {
        let (x, y) = (at % self.width, at / self.width);
        let at = (self.region.y * CELL + y) * self.window.hole.width() + self.region.x * CELL + x;
        let rgb = &self.window.held().frame.rgb()[3 * at..3 * at + 3];
        [rgb[0], rgb[1], rgb[2]].map(f32::from)
    }

    /// What a pixel's source shows one step from it; `None` where it shows nothing itself.
    fn beyond(&self, at: usize, (dx, dy): (isize, isize)) -> Option<[f32; 3]> {
        let i = self.index[at] as usize;
        let source = &self.sources[i / PIXELS][i % PIXELS];
        let there = &self.window.frames[source.frame];
        let (x, y) = (source.x + dx as f32, source.y + dy as f32);
        (source.inherited() || there.shows(x, y)).then(|| {
            let colour = resample::cubic(&there.frame, x, y);
            std::array::from_fn(|c| colour[c] + source.colour[c] + self.shift[at][c])
        })
    }

    /// The pixel beside (x, y).
    fn beside(&self, x: usize, y: usize, (dx, dy): (isize, isize)) -> Option<usize> {
        let (x, y) = (x.wrapping_add_signed(dx), y.wrapping_add_signed(dy));
        (x < self.width && y < self.height).then(|| y * self.width + x)
    }

    /// Matches the pixels of one kind of source, [`INHERITED`] or 0, among each other and to
    /// the known picture.
    fn join(&mut self, kind: u32) {
        let (width, height) = (self.width, self.height);
        let own = |label: u32| label < NOTHING && label & INHERITED == kind;
        // Per pixel, what its neighbours ask it to change by.
        let mut asked = vec![[0.0f32; 3]; width * height];
        let mut seams = vec![false; self.region.width * self.region.height];
        let mut any = false;
        for (at, asked) in asked.iter_mut().enumerate() {
            let label = self.label[at];
            if !own(label) {
                continue;
            }
            let (x, y) = (at % width, at / width);
            for step in STEPS {
                let Some(beside) = self.beside(x, y, step) else {
                    continue;
                };
                let other = self.label[beside];
                if other == label || !(other == KNOWN || own(other)) {
                    continue;
                }
                let Some(difference) = self.difference(at, beside, step) else {
                    continue;
                };
                for (sum, d) in asked.iter_mut().zip(difference) {
                    *sum += d.clamp(-LIMIT, LIMIT);
                }
                if difference.iter().any(|d| d.abs() > SLIGHT) {
                    seams[y / CELL * self.region.width + x / CELL] = true;
                    any = true;
                }
            }
        }
        if !any {
            return;
        }
        let near = grown(&seams, self.region.width, self.region.height, REACH);
        let mut shift = vec![[0.0f32; 3]; asked.len()];
        let movable: Vec<u32> = (0..asked.len())
            .filter(|&at| {
                own(self.label[at])
                    && near[at / width / CELL * self.region.width + at % width / CELL]
            })
            .map(|at| at as u32)
            .collect();
        for sweep in 0..SWEEPS {
            let relax = |&at: &u32| {
                let at = at as usize;
                let (x, y) = (at % self.width, at / self.width);
                let (mut sum, mut count) = (asked[at], PULL);
                for beside in STEPS.iter().filter_map(|&step| self.beside(x, y, step)) {
                    if self.label[beside] != NOTHING {
                        (0..3).for_each(|c| sum[c] += shift[beside][c]);
                        count += 1.0;
                    }
                }
                let from = shift[at];
                shift[at] = std::array::from_fn(|c| from[c] + OVER * (sum[c] / count - from[c]));
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

    /// By how much pixel `at` would have to change more than the one beside it, known or of
    /// another source, for the two to go over into each other.
    fn difference(&self, at: usize, beside: usize, (dx, dy): (isize, isize)) -> Option<[f32; 3]> {
        let ahead = self.beyond(at, (dx, dy));
        if self.label[beside] == KNOWN {
            return ahead.map(|ahead| gap(self.known(beside), ahead));
        }
        let (own, theirs) = (self.value(at), self.value(beside));
        let behind = self.beyond(beside, (-dx, -dy));
        Some(match (ahead, behind) {
            (Some(ahead), Some(behind)) => {
                let (a, b) = (gap(theirs, ahead), gap(behind, own));
                std::array::from_fn(|c| 0.5 * (a[c] + b[c]))
            }
            (Some(ahead), None) => gap(theirs, ahead),
            (None, Some(behind)) => gap(behind, own),
            (None, None) => gap(theirs, own),
        })
    }

    /// Shifts inherited pixels smoothly to what is known or shown around them; false where
    /// there are none.
    fn inherit(&mut self) -> bool {
        let count = self.width * self.height;
        let free: Vec<u32> = (0..count as u32)
            .filter(|&at| {
                let label = self.label[at as usize];
                label < NOTHING && label & INHERITED != 0
            })
            .collect();
        if free.is_empty() {
            return false;
        }
        let mut sums = vec![[0.0f32; 3]; count];
        let mut counts = vec![0.0f32; count];
        for &at in &free {
            let at = at as usize;
            let (x, y) = (at % self.width, at / self.width);
            for step in STEPS {
                let Some(beside) = self.beside(x, y, step) else {
                    continue;
                };
                let there = match self.label[beside] {
                    KNOWN => self.known(beside),
                    NOTHING => continue,
                    label if label & INHERITED == 0 => self.value(beside),
                    _ => continue,
                };
                if let Some(beyond) = self.beyond(at, step) {
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
