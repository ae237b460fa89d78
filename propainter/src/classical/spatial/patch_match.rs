//! Patch fill on one level of a picture: nearest known patches by propagation and random
//! trials (Barnes et al. 2009, "PatchMatch"), laid over each other.

use crate::classical::fields::{membrane::membrane, pull_push::spread};

/// Patches reach this far from their centre.
const REACH: usize = 3;
const SIDE: usize = 2 * REACH + 1;
/// Pixels of a patch.
const AREA: i32 = (SIDE * SIDE) as i32;
/// One level of the crop: RGB and a zero, so that a pixel is four bytes.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[u8; 4]>,
    /// Where it is to be filled.
    pub unknown: Vec<bool>,
}

/// For each patch of a level (by centre) that touches the unknown, the known patch most like
/// it; `u32::MAX` elsewhere.
pub struct Nearest {
    width: usize,
    centre: Vec<u32>,
}

/// A level being filled.
pub struct Work<'a> {
    picture: &'a Picture,
    pub pixels: Vec<[u8; 4]>,
    /// Centres whose patch touches the unknown, row by row.
    targets: Vec<u32>,
    /// Centres whose patch is known.
    known: Vec<bool>,
    sources: Vec<u32>,
    pub nearest: Nearest,
    /// Squared difference to the nearest, per centre.
    cost: Vec<u32>,
    random: u64,
}

impl<'a> Work<'a> {
    /// Number of patches that touch the unknown.
    pub fn size(&self) -> usize {
        self.targets.len()
    }

    pub fn new(picture: &'a Picture) -> Self {
        let (width, height) = (picture.width, picture.height);
        // Unknown pixels up to and including each column and row, to ask for rectangles.
        let mut sums = vec![0u32; (width + 1) * (height + 1)];
        for y in 0..height {
            let mut line = 0;
            for x in 0..width {
                line += u32::from(picture.unknown[y * width + x]);
                sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + line;
            }
        }
        let mut known = vec![false; width * height];
        let (mut targets, mut sources) = (Vec::new(), Vec::new());
        for y in REACH..height.saturating_sub(REACH) {
            for x in REACH..width.saturating_sub(REACH) {
                let at = |x: usize, y: usize| sums[y * (width + 1) + x];
                let (left, right, top, bottom) =
                    (x - REACH, x + REACH + 1, y - REACH, y + REACH + 1);
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
            picture,
            pixels: picture.pixels.clone(),
            targets,
            known,
            sources,
            nearest: Nearest {
                width,
                centre: vec![u32::MAX; width * height],
            },
            cost: vec![u32::MAX; width * height],
            random: 0x9E37_79B9_7F4A_7C15,
        }
    }

    /// Starts from a smooth surface through the known pixels; grey where there are none.
    pub fn membrane(&mut self) {
        let picture = self.picture;
        let values: Vec<[f32; 3]> = picture
            .pixels
            .iter()
            .map(|p| [f32::from(p[0]), f32::from(p[1]), f32::from(p[2])])
            .collect();
        let weights: Vec<f32> = picture
            .unknown
            .iter()
            .map(|&unknown| if unknown { 0.0 } else { 1.0 })
            .collect();
        let field = spread(picture.width, picture.height, &values, &weights);
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            if picture.unknown[i] {
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
            if let Some(source) = self.any_source() {
                self.take(self.targets[n] as usize, source);
            }
        }
    }

    /// Starts from the next coarser level's patches.
    pub fn refine(&mut self, pixels: &[[u8; 4]], coarse: &Nearest) {
        let (width, height) = (self.picture.width, self.picture.height);
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            if self.picture.unknown[i] {
                *pixel = pixels[i / width / 2 * coarse.width + i % width / 2];
            }
        }
        let rows = coarse.centre.len() / coarse.width;
        for n in 0..self.targets.len() {
            let target = self.targets[n] as usize;
            let (x, y) = (target % width, target / width);
            let clamp =
                |t: usize, side: usize| (t / 2).max(REACH).min(side.saturating_sub(REACH + 1));
            let (cx, cy) = (clamp(x, coarse.width), clamp(y, rows));
            let from = coarse.centre[cy * coarse.width + cx] as usize;
            let source = (from < coarse.centre.len()).then(|| {
                let fine = |t: isize, c: usize, from: usize, side: usize| {
                    let t = 2 * from as isize + t - 2 * c as isize;
                    t.clamp(REACH as isize, (side - REACH - 1) as isize) as usize
                };
                fine(y as isize, cy, from / coarse.width, height) * width
                    + fine(x as isize, cx, from % coarse.width, width)
            });
            match source
                .filter(|&source| self.known[source])
                .or_else(|| self.any_source())
            {
                Some(source) => self.take(target, source),
                None => return,
            }
        }
        self.vote();
    }

    fn take(&mut self, target: usize, source: usize) {
        self.nearest.centre[target] = source as u32;
        self.cost[target] = self.difference(target, source);
    }

    /// One sweep over all targets; odd rounds go backwards.
    pub fn search(&mut self, round: usize) {
        if self.sources.is_empty() {
            return;
        }
        for n in 0..self.targets.len() {
            let target = self.targets[n] as usize;
            if self.nearest.centre[target] != u32::MAX {
                self.cost[target] = self.difference(target, self.nearest.centre[target] as usize);
            }
        }
        let width = self.picture.width as isize;
        let back = if round.is_multiple_of(2) { 1 } else { -1 };
        let count = self.targets.len();
        for n in 0..count {
            let n = if back == 1 { n } else { count - 1 - n };
            let target = self.targets[n] as usize;
            for step in [back, back * width] {
                let neighbour = (target as isize - step) as usize;
                let from = self.nearest.centre[neighbour];
                if from != u32::MAX {
                    self.consider(target, from as isize + step);
                }
            }
            let mut radius = self.picture.width.max(self.picture.height) as isize;
            while radius >= 1 {
                let from = self.nearest.centre[target] as isize;
                let (dx, dy) = (self.draw(radius), self.draw(radius));
                let x = from % width + dx;
                if (0..width).contains(&x) {
                    self.consider(target, from + dx + dy * width);
                }
                radius /= 2;
            }
        }
    }

    fn consider(&mut self, target: usize, source: isize) {
        let Some(&true) = usize::try_from(source).ok().and_then(|s| self.known.get(s)) else {
            return;
        };
        let source = source as usize;
        let cost = self.difference(target, source);
        if cost < self.cost[target] {
            self.cost[target] = cost;
            self.nearest.centre[target] = source as u32;
        }
    }

    /// How unlike two patches are: their squared difference, of which what a shift of colour
    /// makes good counts for little.
    fn difference(&self, target: usize, source: usize) -> u32 {
        let (sums, squares) = self.sums(target, source);
        let shift: i32 = sums.iter().map(|s| s * s / AREA).sum();
        (squares - shift + shift / 8) as u32
    }

    /// Sums per channel of target − source over two patches, and of all squares.
    fn sums(&self, target: usize, source: usize) -> ([i32; 4], i32) {
        let width = self.picture.width;
        let first = REACH * width + REACH;
        let (mut sums, mut squares) = ([0; 4], [0; 4]);
        for row in 0..SIDE {
            let a = &self.pixels[target - first + row * width..][..SIDE];
            let b = &self.pixels[source - first + row * width..][..SIDE];
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

    /// Every unknown pixel becomes the mean of what the patches over it say, the better ones
    /// counting more.
    pub fn vote(&mut self) {
        for (at, said) in self.said() {
            if self.picture.unknown[at] {
                self.pixels[at] = said.map(|v| (v + 0.5) as u8);
            }
        }
    }

    /// Takes away what the fill differs by along its edge: what the patches say about known
    /// pixels there is compared with them, and the difference spread inwards.
    pub fn blend(&mut self) {
        let (width, height) = (self.picture.width, self.picture.height);
        let mut values = vec![[0.0; 3]; width * height];
        let mut fixed = vec![0; width * height];
        for (at, said) in self.said() {
            let beside = [
                at.wrapping_sub(1),
                at + 1,
                at.wrapping_sub(width),
                at + width,
            ];
            let unknown = |i: usize| self.picture.unknown.get(i) == Some(&true);
            if !unknown(at) && beside.into_iter().any(unknown) {
                let pixel = self.picture.pixels[at];
                values[at] = std::array::from_fn(|c| f32::from(pixel[c]) - said[c]);
                fixed[at] = 1;
            }
        }
        let free: Vec<u32> = (0..(width * height) as u32)
            .filter(|&i| self.picture.unknown[i as usize])
            .collect();
        membrane((width, height), &mut values, &fixed, &free);
        for i in free {
            let (pixel, value) = (&mut self.pixels[i as usize], &values[i as usize]);
            for c in 0..3 {
                pixel[c] = (f32::from(pixel[c]) + value[c] + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
    }

    /// What the nearest patches say about the pixels they cover, as (place, colour).
    fn said(&self) -> Vec<(usize, [f32; 4])> {
        if self.sources.is_empty() || self.targets.is_empty() {
            return Vec::new();
        }
        let (width, height) = (self.picture.width, self.picture.height);
        let mut costs: Vec<u32> = self
            .targets
            .iter()
            .map(|&t| self.cost[t as usize])
            .collect();
        let middle = costs.len() / 2;
        let (_, &mut typical, _) = costs.select_nth_unstable(middle);
        let scale = -1.0 / (1.0 * typical.max(400) as f32);
        let mut sums = vec![[0.0f32; 4]; width * height];
        for &target in &self.targets {
            let target = target as usize;
            let from = self.nearest.centre[target] as usize;
            let weight = (self.cost[target] as f32 * scale).exp() + 1e-6;
            let shift = self.sums(target, from).0.map(|s| s as f32 / AREA as f32);
            let first = REACH * width + REACH;
            for row in 0..SIDE {
                let sums = &mut sums[target - first + row * width..][..SIDE];
                let pixels = &self.pixels[from - first + row * width..][..SIDE];
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

    fn any_source(&mut self) -> Option<usize> {
        let count = self.sources.len() as u64;
        let n = self.next_random().checked_rem(count)?;
        Some(self.sources[n as usize] as usize)
    }

    fn draw(&mut self, radius: isize) -> isize {
        (self.next_random() % (2 * radius as u64 + 1)) as isize - radius
    }

    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }
}
