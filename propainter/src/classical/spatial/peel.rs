//! The first fill of the coarsest level, layer by layer from the border inwards (onion peeling, as in
//! Newson et al. 2014), so that edges that reach the hole go on into it.

use super::patch_match::{PATCH_SIDE, PatchMatch, RADIUS};

impl PatchMatch<'_> {
    /// Fills the unknown pixels from the border inwards, layer by layer. Each pixel is copied from
    /// the centre of the patch that is most similar where the patch around it is known, of as many as
    /// `comparisons` in all allow.
    pub fn peel(&mut self, comparisons: usize) {
        let (width, height) = (self.image.width, self.image.height);
        let mut left: Vec<bool> = self.image.unknown.clone();
        let mut pending: Vec<usize> = (0..left.len()).filter(|&i| left[i]).collect();
        // A thin hole is peeled at full size, where there are too many patches to compare all.
        let step = (pending.len() * self.sources.len())
            .div_ceil(comparisons)
            .max(1);
        while !pending.is_empty() && !self.sources.is_empty() {
            let known_around = |i: usize| {
                let (x, y) = (i % width, i / width);
                let rows = y.saturating_sub(1)..(y + 2).min(height);
                rows.flat_map(|y| (x.saturating_sub(1)..(x + 2).min(width)).map(move |x| (x, y)))
                    .filter(|&(x, y)| !left[y * width + x])
                    .count()
            };
            let layer: Vec<usize> = pending
                .iter()
                .copied()
                .filter(|&i| known_around(i) >= 2)
                .collect();
            if layer.is_empty() {
                break;
            }
            let mut next = Vec::with_capacity(layer.len());
            for &i in &layer {
                let clamp = |t: usize, side: usize| t.clamp(RADIUS, side - RADIUS - 1);
                let target = clamp(i / width, height) * width + clamp(i % width, width);
                let first = target - RADIUS * width - RADIUS;
                let offsets: Vec<usize> = (0..PATCH_SIDE)
                    .flat_map(|row| (0..PATCH_SIDE).map(move |x| row * width + x))
                    .filter(|step| !left[first + step])
                    .collect();
                let mut best = (u32::MAX, 0);
                for &source in self.sources.iter().step_by(step) {
                    let from = source as usize - RADIUS * width - RADIUS;
                    let (mut sums, mut squares) = ([0i32; 3], 0i32);
                    for step in &offsets {
                        let (a, b) = (self.pixels[first + step], self.pixels[from + step]);
                        for c in 0..3 {
                            let d = i32::from(a[c]) - i32::from(b[c]);
                            sums[c] += d;
                            squares += d * d;
                        }
                    }
                    let shift: i32 = sums
                        .iter()
                        .map(|s| s * s / offsets.len().max(1) as i32)
                        .sum();
                    let cost = (squares - shift + shift / 4) as u32;
                    if cost < best.0 {
                        best = (cost, source as usize);
                    }
                }
                let at = (best.1 as isize + i as isize - target as isize) as usize;
                next.push(self.pixels[at]);
                let n = target;
                self.field.centres[n] = best.1 as u32;
            }
            for (&i, pixel) in layer.iter().zip(next) {
                self.pixels[i] = pixel;
                left[i] = false;
            }
            pending.retain(|&i| left[i]);
        }
        for n in 0..self.targets.len() {
            let target = self.targets[n] as usize;
            let source = match self.field.centres[target] {
                u32::MAX => self.random_source(),
                source => Some(source as usize),
            };
            if let Some(source) = source {
                self.assign(target, source);
            }
        }
    }
}
