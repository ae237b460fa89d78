//! Matches what earlier fills left to the picture that now stands beside it.

use std::collections::VecDeque;

use super::{fill::Source, grid::CELL, held::Held, membrane::membrane, region::Region, sample};

/// Differences beyond this are edges of the picture, not of the fill.
const LIMIT: f32 = 60.0;

/// Sources and colours of a region's cells, pixel by pixel.
pub struct Colours<'a> {
    pub sources: &'a [[Source; CELL * CELL]],
    pub values: Vec<[[f32; 3]; CELL * CELL]>,
}

/// Shifts the colours of inherited pixels so that they go over into their surroundings: along
/// the edge, what the inherited picture would show one pixel further is compared with what is
/// there, and the difference spread inwards.
pub fn settle(frames: &VecDeque<Held>, now: usize, region: &Region, colours: &mut Colours) {
    let sources = colours.sources;
    if !sources.iter().flatten().any(Source::inherited) {
        return;
    }
    let (width, height) = (region.width * CELL, region.height * CELL);
    let mut slots = vec![u32::MAX; region.width * region.height];
    for (slot, &cell) in region.cells.iter().enumerate() {
        slots[cell as usize] = slot as u32;
    }
    let within = |x: usize, y: usize| (y % CELL) * CELL + x % CELL;
    let slot = |x: usize, y: usize| slots[y / CELL * region.width + x / CELL] as usize;
    let held = &frames[now];
    let settled = |x: usize, y: usize| -> Option<[f32; 3]> {
        let at = (region.y * CELL + y) * held.frame.width() + region.x * CELL + x;
        if held.hole.hole()[at] == 0 {
            let rgb = &held.frame.rgb()[3 * at..3 * at + 3];
            return Some([rgb[0], rgb[1], rgb[2]].map(f32::from));
        }
        let source = &sources.get(slot(x, y))?[within(x, y)];
        let shown = source.cost.is_finite() && !source.inherited();
        shown.then(|| colours.values[slot(x, y)][within(x, y)])
    };
    let mut sums = vec![[0.0; 3]; width * height];
    let mut counts = vec![0.0f32; width * height];
    let mut free = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let Some(source) = sources.get(slot(x, y)).map(|cell| &cell[within(x, y)]) else {
                continue;
            };
            if !source.inherited() {
                continue;
            }
            free.push((y * width + x) as u32);
            for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
                let (nx, ny) = (x.wrapping_add_signed(dx), y.wrapping_add_signed(dy));
                if nx >= width || ny >= height {
                    continue;
                }
                if let Some(there) = settled(nx, ny) {
                    let (sx, sy) = (source.x + dx as f32, source.y + dy as f32);
                    let said = sample::cubic(&frames[source.frame].frame, sx, sy);
                    let at = ny * width + nx;
                    for c in 0..3 {
                        sums[at][c] += there[c] - said[c] - source.colour[c];
                    }
                    counts[at] += 1.0;
                }
            }
        }
    }
    for (sum, &count) in sums.iter_mut().zip(&counts) {
        *sum = sum.map(|s| (s / count.max(1.0)).clamp(-LIMIT, LIMIT));
    }
    let fixed: Vec<u8> = counts.iter().map(|&count| u8::from(count > 0.0)).collect();
    membrane((width, height), &mut sums, &fixed, &free);
    for i in free {
        let (x, y) = (i as usize % width, i as usize / width);
        let colour = &mut colours.values[slot(x, y)][within(x, y)];
        (0..3).for_each(|c| colour[c] += sums[i as usize][c]);
    }
}
