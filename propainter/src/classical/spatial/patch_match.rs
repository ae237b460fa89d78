//! PatchMatch on one level of an image: the nearest-neighbour field is found by propagation and
//! random search (Barnes et al. 2009), and overlapping patches vote for the colours.

use super::image::FillImage;
use crate::{
    Cancel, Error,
    classical::{effort::Effort, fields::pull_push},
};

/// Distance in pixels from the centre of a patch to its sides.
pub const RADIUS: usize = 3;
/// Side of a patch in pixels.
pub const PATCH_SIDE: usize = 2 * RADIUS + 1;
/// Number of targets that are searched without a look at the clock.
const BLOCK: usize = 512;
/// Number of pixels of a patch.
const PATCH_PIXELS: i32 = (PATCH_SIDE * PATCH_SIDE) as i32;
/// Distance of two patches that is negligible beside noise.
const NEGLIGIBLE: f32 = 400.0;

/// The nearest-neighbour field: for each patch that touches the unknown pixels, the centre of the
/// most similar known patch. It is indexed by the centre of the patch, and `u32::MAX` for all other
/// patches.
pub struct NearestNeighbourField {
    width: usize,
    pub(super) centres: Vec<u32>,
}

/// The state of the fill of one level.
pub struct PatchMatch<'a> {
    pub(super) image: &'a FillImage,
    pub pixels: Vec<[u8; 4]>,
    /// Centres of the patches that touch unknown pixels, row by row.
    pub(super) targets: Vec<u32>,
    /// Whether the patch around each pixel is completely known.
    known: Vec<bool>,
    /// Centres of the known patches.
    pub(super) sources: Vec<u32>,
    /// The nearest-neighbour field found so far.
    pub field: NearestNeighbourField,
    /// Distance of each target to its nearest neighbour.
    cost: Vec<u32>,
    /// Weight of the vote of the patch around each pixel: the deeper in the hole, the less is known.
    confidence: Vec<f32>,
    /// State of the xorshift generator.
    random: u64,
}

/// Returns the weight of a patch at this depth in pixels.
fn confidence(depth: u32) -> f32 {
    let near = 1.0 / (1.0 + 0.6 * depth as f32);
    near * near
}

impl<'a> PatchMatch<'a> {
    /// Prepares the fill of an image.
    pub fn new(image: &'a FillImage) -> Self {
        let (width, height) = (image.width, image.height);
        // A summed-area table of the unknown pixels, to count those in rectangles.
        let mut sums = vec![0u32; (width + 1) * (height + 1)];
        for y in 0..height {
            let mut line = 0;
            for x in 0..width {
                line += u32::from(image.unknown[y * width + x]);
                sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + line;
            }
        }
        let mut known = vec![false; width * height];
        let (mut targets, mut sources) = (Vec::new(), Vec::new());
        for y in RADIUS..height.saturating_sub(RADIUS) {
            for x in RADIUS..width.saturating_sub(RADIUS) {
                let at = |x: usize, y: usize| sums[y * (width + 1) + x];
                let (left, right, top, bottom) =
                    (x - RADIUS, x + RADIUS + 1, y - RADIUS, y + RADIUS + 1);
                let count = at(right, bottom) + at(left, top) - at(left, bottom) - at(right, top);
                let i = y * width + x;
                known[i] = count == 0;
                if count == 0 {
                    sources.push(i as u32);
                } else {
                    targets.push(i as u32);
                }
            }
        }
        Self {
            image,
            pixels: image.pixels.clone(),
            targets,
            known,
            sources,
            field: NearestNeighbourField {
                width,
                centres: vec![u32::MAX; width * height],
            },
            cost: vec![u32::MAX; width * height],
            confidence: image.depths().into_iter().map(confidence).collect(),
            random: 0x9E37_79B9_7F4A_7C15,
        }
    }

    /// Returns whether there is one known patch or more for two unknown ones.
    pub fn has_choice(&self) -> bool {
        2 * self.sources.len() >= self.targets.len()
    }

    /// Initialises the unknown pixels by pull–push interpolation (grey if no pixel is known), and
    /// the field at random.
    pub fn initialise(&mut self) {
        let image = self.image;
        let values: Vec<[f32; 3]> = image
            .pixels
            .iter()
            .map(|p| [f32::from(p[0]), f32::from(p[1]), f32::from(p[2])])
            .collect();
        let weights: Vec<f32> = image
            .unknown
            .iter()
            .map(|&unknown| if unknown { 0.0 } else { 1.0 })
            .collect();
        let field = pull_push::interpolate(image.width, image.height, &values, &weights);
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            if image.unknown[i] {
                let rgb = field.as_ref().map_or([128.0; 3], |field| field[i]);
                *pixel = [
                    rgb[0].round() as u8,
                    rgb[1].round() as u8,
                    rgb[2].round() as u8,
                    0,
                ];
            }
        }
        for n in 0..self.targets.len() {
            if let Some(source) = self.random_source() {
                self.assign(self.targets[n] as usize, source);
            }
        }
    }

    /// Initialises pixels and field from the fill of the same image with a wider hole.
    pub fn initialise_within(&mut self, pixels: &[[u8; 4]], wider: NearestNeighbourField) {
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            if self.image.unknown[i] {
                *pixel = pixels[i];
            }
        }
        self.field = wider;
        for n in 0..self.targets.len() {
            let target = self.targets[n] as usize;
            match self.field.centres[target] {
                u32::MAX => {
                    if let Some(source) = self.random_source() {
                        self.assign(target, source);
                    }
                }
                source => self.assign(target, source as usize),
            }
        }
    }

    /// Initialises pixels and field from the next coarser level.
    pub fn initialise_from(&mut self, pixels: &[[u8; 4]], coarse: &NearestNeighbourField) {
        let (width, height) = (self.image.width, self.image.height);
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            if self.image.unknown[i] {
                *pixel = pixels[i / width / 2 * coarse.width + i % width / 2];
            }
        }
        let rows = coarse.centres.len() / coarse.width;
        for n in 0..self.targets.len() {
            let target = self.targets[n] as usize;
            let (x, y) = (target % width, target / width);
            let clamp =
                |t: usize, side: usize| (t / 2).max(RADIUS).min(side.saturating_sub(RADIUS + 1));
            let (cx, cy) = (clamp(x, coarse.width), clamp(y, rows));
            let from = coarse.centres[cy * coarse.width + cx] as usize;
            let source = (from < coarse.centres.len()).then(|| {
                let fine = |t: isize, c: usize, from: usize, side: usize| {
                    let t = 2 * from as isize + t - 2 * c as isize;
                    t.clamp(RADIUS as isize, (side - RADIUS - 1) as isize) as usize
                };
                fine(y as isize, cy, from / coarse.width, height) * width
                    + fine(x as isize, cx, from % coarse.width, width)
            });
            match source
                .filter(|&source| self.known[source])
                .or_else(|| self.random_source())
            {
                Some(source) => self.assign(target, source),
                None => return,
            }
        }
        self.vote();
    }

    /// Searches and votes in turn, for as long as the effort allows.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Cancelled`] if `cancel` is set meanwhile.
    pub fn improve(
        &mut self,
        rounds: usize,
        effort: &Effort,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        for round in 0..rounds {
            cancel.check()?;
            if effort.patches_are_over() {
                break;
            }
            self.search(round, effort);
            self.vote();
        }
        Ok(())
    }

    /// Sets the nearest neighbour of a target.
    pub(super) fn assign(&mut self, target: usize, source: usize) {
        self.field.centres[target] = source as u32;
        self.cost[target] = self.distance(target, source);
    }

    /// Searches all targets once by propagation and random search, for as long as the effort allows.
    /// Odd rounds run backwards.
    pub fn search(&mut self, round: usize, effort: &Effort) {
        if self.sources.is_empty() {
            return;
        }
        for n in 0..self.targets.len() {
            let target = self.targets[n] as usize;
            if self.field.centres[target] != u32::MAX {
                self.cost[target] = self.distance(target, self.field.centres[target] as usize);
            }
        }
        let width = self.image.width as isize;
        let back = if round.is_multiple_of(2) { 1 } else { -1 };
        let count = self.targets.len();
        for n in 0..count {
            if n % BLOCK == BLOCK - 1 && effort.patches_are_over() {
                return;
            }
            let n = if back == 1 { n } else { count - 1 - n };
            let target = self.targets[n] as usize;
            for step in [back, back * width] {
                let neighbour = (target as isize - step) as usize;
                let from = self.field.centres[neighbour];
                if from != u32::MAX {
                    self.try_candidate(target, from as isize + step);
                }
            }
            let mut radius = self.image.width.max(self.image.height) as isize;
            while radius >= 1 {
                let from = self.field.centres[target] as isize;
                let (dx, dy) = (self.random_offset(radius), self.random_offset(radius));
                let x = from % width + dx;
                if (0..width).contains(&x) {
                    self.try_candidate(target, from + dx + dy * width);
                }
                radius /= 2;
            }
        }
    }

    /// Takes a candidate if it is a known patch that is closer to the target.
    fn try_candidate(&mut self, target: usize, source: isize) {
        let Some(&true) = usize::try_from(source).ok().and_then(|s| self.known.get(s)) else {
            return;
        };
        let source = source as usize;
        let cost = self.distance(target, source);
        if cost < self.cost[target] {
            self.cost[target] = cost;
            self.field.centres[target] = source as u32;
        }
    }

    /// Returns the distance of two patches: their squared difference, in which a constant colour
    /// offset counts for one quarter.
    fn distance(&self, target: usize, source: usize) -> u32 {
        let (sums, squares) = self.differences(target, source);
        let shift: i32 = sums.iter().map(|s| s * s / PATCH_PIXELS).sum();
        (squares - shift + shift / 4) as u32
    }

    /// Returns the sums per channel of target minus source over two patches, and of all squares.
    fn differences(&self, target: usize, source: usize) -> ([i32; 4], i32) {
        let width = self.image.width;
        let first = RADIUS * width + RADIUS;
        let (mut sums, mut squares) = ([0; 4], [0; 4]);
        for row in 0..PATCH_SIDE {
            let a = &self.pixels[target - first + row * width..][..PATCH_SIDE];
            let b = &self.pixels[source - first + row * width..][..PATCH_SIDE];
            for (a, b) in a.iter().zip(b) {
                for c in 0..4 {
                    let d = i32::from(a[c]) - i32::from(b[c]);
                    sums[c] += d;
                    squares[c] += d * d;
                }
            }
        }
        (sums, squares.iter().sum())
    }

    /// Sets each unknown pixel to the weighted mean of the patches that cover it.
    pub fn vote(&mut self) {
        for (at, vote) in self.votes() {
            if self.image.unknown[at] {
                self.pixels[at] = vote.map(|v| (v + 0.5) as u8);
            }
        }
    }

    /// Returns the known pixels beside the hole, and how much more the fill shows there than they do.
    pub fn border(&self) -> Vec<(usize, [f32; 3])> {
        let image = self.image;
        let beside =
            |at: usize| !image.unknown[at] && image.beside(at).any(|beside| image.unknown[beside]);
        let votes = self.votes().into_iter().filter(|&(at, _)| beside(at));
        votes
            .map(|(at, vote)| {
                let pixel = image.pixels[at];
                (at, std::array::from_fn(|c| vote[c] - f32::from(pixel[c])))
            })
            .collect()
    }

    /// Returns the weighted mean of the patches that cover each pixel, with its index. Similar
    /// patches weigh more.
    fn votes(&self) -> Vec<(usize, [f32; 4])> {
        if self.sources.is_empty() || self.targets.is_empty() {
            return Vec::new();
        }
        let (width, height) = (self.image.width, self.image.height);
        let mut sums = vec![[0.0f32; 4]; width * height];
        for &target in &self.targets {
            let target = target as usize;
            let from = self.field.centres[target] as usize;
            let likeness = NEGLIGIBLE / (NEGLIGIBLE + self.cost[target] as f32);
            let weight = likeness * likeness * self.confidence[target];
            let shift = self
                .differences(target, from)
                .0
                .map(|s| s as f32 / PATCH_PIXELS as f32);
            let first = RADIUS * width + RADIUS;
            for row in 0..PATCH_SIDE {
                let sums = &mut sums[target - first + row * width..][..PATCH_SIDE];
                let pixels = &self.pixels[from - first + row * width..][..PATCH_SIDE];
                for (sum, pixel) in sums.iter_mut().zip(pixels) {
                    for c in 0..3 {
                        sum[c] += weight * (f32::from(pixel[c]) + shift[c]);
                    }
                    sum[3] += weight;
                }
            }
        }
        let covered = sums.into_iter().enumerate().filter(|(_, sum)| sum[3] > 0.0);
        covered
            .map(|(at, sum)| (at, [sum[0] / sum[3], sum[1] / sum[3], sum[2] / sum[3], 0.0]))
            .collect()
    }

    /// Returns a random known patch.
    pub(super) fn random_source(&mut self) -> Option<usize> {
        let count = self.sources.len() as u64;
        let n = self.next_random().checked_rem(count)?;
        Some(self.sources[n as usize] as usize)
    }

    /// Returns a random offset of at most `radius` in either direction.
    fn random_offset(&mut self, radius: isize) -> isize {
        (self.next_random() % (2 * radius as u64 + 1)) as isize - radius
    }

    /// Returns the next number of the xorshift generator.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }
}
