//! What no frame shows: a fill from the picture around, coarse to fine, by patches that are
//! searched with propagation and random trials (Barnes et al. 2009, "PatchMatch") and laid
//! over each other; a smooth membrane starts it, and stands where there is no patch to copy.

use super::{grid::spread, membrane::membrane};
use crate::{Cancel, Error, Frame};

/// Patches reach this far from their centre.
const REACH: usize = 3;
const SIDE: usize = 2 * REACH + 1;
/// Pixels of a patch.
const AREA: i32 = (SIDE * SIDE) as i32;
/// Depth of hole, in pixels, that the coarsest level starts with.
const DEPTH: u32 = 4;
/// Pixels around the hole that patches come from: half its size within these.
const AROUND: (usize, usize) = (32, 96);

/// A rectangle of pixels.
pub struct Area {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

/// The pixels of `unknown` (1, over the whole frame) in `area`, as (place, colour).
pub fn fill(
    frame: &Frame,
    unknown: &[u8],
    area: &Area,
    cancel: &Cancel,
) -> Result<Vec<(usize, [u8; 3])>, Error> {
    let around = (area.width.max(area.height) / 2).clamp(AROUND.0, AROUND.1);
    let span = |start: usize, length: usize, limit: usize| {
        let first = start.saturating_sub(around);
        (first, (start + length + around).min(limit) - first)
    };
    let (x0, width) = span(area.x, area.width, frame.width());
    let (y0, height) = span(area.y, area.height, frame.height());
    let place = |i: usize| (y0 + i / width) * frame.width() + x0 + i % width;
    let finest = Picture {
        width,
        height,
        pixels: (0..width * height)
            .map(|i| {
                let rgb = &frame.rgb()[3 * place(i)..][..3];
                [rgb[0], rgb[1], rgb[2], 0]
            })
            .collect(),
        unknown: (0..width * height)
            .map(|i| unknown[place(i)] == 1)
            .collect(),
    };
    let filled = finest.filled(cancel)?;
    // Only this area's own: the surroundings may hold other pieces.
    let own = |i: usize| {
        let (x, y) = (x0 + i % width, y0 + i / width);
        finest.unknown[i]
            && (area.x..area.x + area.width).contains(&x)
            && (area.y..area.y + area.height).contains(&y)
    };
    Ok((0..width * height)
        .filter(|&i| own(i))
        .map(|i| (place(i), [filled[i][0], filled[i][1], filled[i][2]]))
        .collect())
}

/// One level of the crop: RGB and a zero, so that a pixel is four bytes.
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 4]>,
    unknown: Vec<bool>,
}

impl Picture {
    fn filled(&self, cancel: &Cancel) -> Result<Vec<[u8; 4]>, Error> {
        let mut levels = vec![];
        let mut depth = self.depth();
        let mut last = self;
        while depth > DEPTH && last.width.min(last.height) >= 32 {
            levels.push(last.halved());
            last = &levels[levels.len() - 1];
            depth = depth.div_ceil(2);
        }
        let mut coarse: Option<(Vec<[u8; 4]>, Nearest)> = None;
        for level in levels.iter().rev().chain([self]) {
            cancel.check()?;
            let mut work = Work::new(level);
            match &coarse {
                None => work.membrane(),
                Some((pixels, nearest)) => work.refine(pixels, nearest),
            }
            // Few rounds where there is much: the coarse levels have decided by then.
            let rounds = if work.targets.len() > 20_000 { 1 } else { 3 };
            for round in 0..rounds {
                cancel.check()?;
                work.search(round);
                work.vote();
            }
            if std::ptr::eq(level, self) {
                work.blend();
            }
            coarse = Some((work.pixels, work.nearest));
        }
        Ok(coarse.map_or_else(Vec::new, |(pixels, _)| pixels))
    }

    /// City-block distance of the deepest unknown pixel to a known one.
    fn depth(&self) -> u32 {
        let (w, h) = (self.width, self.height);
        let mut distance: Vec<u32> = self
            .unknown
            .iter()
            .map(|&unknown| if unknown { (w + h) as u32 } else { 0 })
            .collect();
        let lower = |distance: &mut [u32], i: usize, j: usize| {
            distance[i] = distance[i].min(distance[j] + 1);
        };
        for i in 0..w * h {
            if i % w > 0 {
                lower(&mut distance, i, i - 1);
            }
            if i >= w {
                lower(&mut distance, i, i - w);
            }
        }
        for i in (0..w * h).rev() {
            if i % w + 1 < w {
                lower(&mut distance, i, i + 1);
            }
            if i + w < w * h {
                lower(&mut distance, i, i + w);
            }
        }
        distance.into_iter().max().unwrap_or(0)
    }

    /// Half the size: the mean of the known ones of four, known where any is.
    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut pixels = Vec::with_capacity(width * height);
        let mut unknown = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let (mut sum, mut count) = ([0u32; 4], 0);
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let (x, y) = (2 * x + dx, 2 * y + dy);
                    if x < self.width && y < self.height && !self.unknown[y * self.width + x] {
                        let pixel = self.pixels[y * self.width + x];
                        sum.iter_mut()
                            .zip(pixel)
                            .for_each(|(s, p)| *s += u32::from(p));
                        count += 1;
                    }
                }
                pixels.push(sum.map(|s| ((s + count / 2) / count.max(1)) as u8));
                unknown.push(count < 2);
            }
        }
        Self {
            width,
            height,
            pixels,
            unknown,
        }
    }
}

/// For each patch of a level (by centre) that touches the unknown, the known patch most like
/// it; `u32::MAX` elsewhere.
struct Nearest {
    width: usize,
    centre: Vec<u32>,
}

struct Work<'a> {
    picture: &'a Picture,
    pixels: Vec<[u8; 4]>,
    /// Centres whose patch touches the unknown, row by row.
    targets: Vec<u32>,
    /// Centres whose patch is known.
    known: Vec<bool>,
    sources: Vec<u32>,
    nearest: Nearest,
    /// Squared difference to the nearest, per centre.
    cost: Vec<u32>,
    random: u64,
}

impl<'a> Work<'a> {
    fn new(picture: &'a Picture) -> Self {
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
    fn membrane(&mut self) {
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
    fn refine(&mut self, pixels: &[[u8; 4]], coarse: &Nearest) {
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
    fn search(&mut self, round: usize) {
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
    fn vote(&mut self) {
        for (at, said) in self.said() {
            if self.picture.unknown[at] {
                self.pixels[at] = said.map(|v| (v + 0.5) as u8);
            }
        }
    }

    /// Takes away what the fill differs by along its edge: what the patches say about known
    /// pixels there is compared with them, and the difference spread inwards.
    fn blend(&mut self) {
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
