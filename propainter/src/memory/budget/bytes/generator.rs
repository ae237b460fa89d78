//! The generator's encoder, transformer and decoder.

use std::ops::Range;

use super::{Machine, Sizes};
use crate::{
    Rect,
    memory::budget::Plan,
    networks::{
        generator::{
            GPU_TILE, TILE,
            attention_plan::{BlockScope, KEYS_AT_ONCE},
            decoder::ReceptiveField,
            encoder,
            token_grid::{POOL, ROLLED, TokenGrid, WINDOW},
            transformer::block_scopes,
        },
        strips::strips,
    },
};

/// Numbers of a frame's patches per token: 128 channels, and 40 in the feed-forward.
const PATCHES: u64 = 128 * 49;
const EXPANDED: u64 = 40 * 49;
const CHANNELS: u64 = 512;
const HEADS: u64 = 4;
/// Bytes of shapes and lists.
const SMALL: u64 = 16 << 10;
/// Bytes of an index on the device.
const INDEX: u64 = 8;

impl Sizes {
    pub fn encoding(&self, plan: &Plan) -> u64 {
        let height = self.height as usize;
        let spans =
            strips(height / 4, plan.encoder_rows).map(|rows| encoder::frame_rows(height, rows));
        let most = spans.map(|rows| rows.len()).max().unwrap_or(0);
        if most == height {
            return self.features_of(self.height);
        }
        // The frame and its features so far.
        let held = 5 * self.n * self.layer(1) + self.features();
        held + self.features_of(most.next_multiple_of(4) as u64)
    }

    /// Returns the bytes of encoding so many rows.
    fn features_of(&self, rows: u64) -> u64 {
        let [px, half, quarter] = [1, 2, 4].map(|scale| (self.width / scale) * (rows / scale));
        // 256 channels that each grouped layer reads again.
        if self.machine.is_gpu() {
            // The bytes of the frame and its masks, and the first layer.
            let input = 5 * px + 5 * self.n * px + self.n * 64 * half;
            let down = self.n * 2 * 64 * half;
            let layer = (256 + 384 + 512) * quarter * self.n;
            return input.max(down).max(layer) + SMALL;
        }
        // Beside them the previous layer and both joined, or both joined and the result.
        let again = 256 * quarter * self.n;
        let joined = |own: u64| (own + 256 + own) * quarter * self.n;
        // Grouped convolutions sum in 32 bits.
        let layer = |own: u64, out: u64| self.op_in_32_bits((256 + own + out) * quarter);
        // The first layer, at half size.
        let input = 2 * 20 * px + self.op(64 * half);
        let down = self.op(2 * 64 * half);
        let moments = [joined(512), layer(384, 512), layer(512, 384), down, input];
        again + moments.into_iter().max().unwrap_or(0) + SMALL
    }

    /// Returns the bytes of decoding one frame, its pixels included. Its features are counted where
    /// they are held.
    pub fn decoding(&self, plan: &Plan) -> u64 {
        let height = (self.height / 4) as usize;
        let strips = strips(height, plan.decoder_rows);
        if plan.decoder_rows == 0 || plan.decoder_rows >= height {
            // At full size with 64 channels.
            let full = match self.machine {
                Machine::Cpu { .. } => 64 * self.px,
                // Several frames at once, if they are small.
                Machine::Gpu(_) => (TILE as u64).max(64 * self.layer(1)),
            };
            return self.op(2 * full) + self.lines(64 * self.height) + SMALL;
        }
        let strip = |rows: Range<usize>| {
            let size = [height, (self.width / 4) as usize];
            let out = Rect::new([4 * rows.start..4 * rows.end, 0..4 * size[1]]);
            let reach = ReceptiveField::of(size, &out);
            let [half, full] = [&reach.half, &reach.full].map(|area| area.pixels() as u64);
            let upsampled = self.op(64 * (half + full));
            let convolved = self.op(2 * 128 * half);
            let [half_lines, full_lines] =
                [128 * reach.half.rows.len(), 64 * reach.full.rows.len()];
            let at_half = convolved + self.lines(half_lines as u64);
            let at_full = self.op(2 * 64 * full) + self.lines(full_lines as u64);
            upsampled.max(at_half).max(at_full)
        };
        let most = strips.map(strip).max().unwrap_or(0);
        most + self.features() + 3 * self.n * self.layer(1) + SMALL
    }

    /// Returns the bytes of the list of output positions of a convolution's threads, for so many
    /// lines.
    fn lines(&self, lines: u64) -> u64 {
        match self.machine {
            Machine::Cpu { .. } => 20 * lines * self.width.div_ceil(512),
            Machine::Gpu(_) => 0,
        }
    }

    /// Returns the bytes of the largest allocation of encoding a frame, its tokens included.
    pub fn largest_of_encoding(&self, plan: &Plan) -> u64 {
        let height = self.height as usize;
        let spans =
            strips(height / 4, plan.encoder_rows).map(|rows| encoder::frame_rows(height, rows));
        let rows = spans.map(|rows| rows.len() as u64).max().unwrap_or(0);
        let [half, quarter] = [2, 4].map(|scale| (self.width / scale) * (rows / scale));
        self.n * (64 * half).max(768 * quarter)
    }

    /// Returns the bytes of the largest allocation of a window.
    pub fn largest_of_window(&self, locals: u64, references: u64, plan: &Plan) -> u64 {
        let frames = locals + references;
        let grid = self.grid();
        let at_once = (self.tile() / (grid * EXPANDED)).clamp(1, frames);
        let expanded = self.n * at_once * grid * EXPANDED;
        // Queries, keys and values of all tokens; half of the frames give pooled keys.
        let rows = frames * grid + 1 + frames.div_ceil(2) * self.pooled();
        let table = 3 * rows * CHANNELS * self.n;
        let decoded = self.decoding(plan) / 2;
        let sampled = self.n * 432 * self.layer(4);
        let moments = [locals * self.features(), expanded, table, decoded, sampled];
        moments.into_iter().max().unwrap_or(0)
    }

    pub fn tokenising(&self) -> u64 {
        self.split(1) + self.tokens()
    }

    /// Returns the bytes of the patches of so many frames and their tokens.
    fn split(&self, frames: u64) -> u64 {
        if self.machine.is_gpu() {
            // No patch lies in memory.
            return frames * self.tokens();
        }
        let patches = frames * self.grid() * PATCHES;
        let cast = if self.n == self.w {
            0
        } else {
            self.n * patches
        };
        self.w * patches + cast + frames * self.grid() * CHANNELS * self.w + self.packing()
    }

    /// Returns the bytes of the rows that a linear layer's threads repack.
    fn packing(&self) -> u64 {
        match self.machine {
            Machine::Cpu { threads, .. } => threads * (64 * 1024 * 4 + 8192),
            Machine::Gpu(_) => 0,
        }
    }

    pub fn window(&self, locals: u64, references: u64, plan: &Plan) -> u64 {
        let frames = locals + references;
        let [full, quarter] = [1, 4].map(|scale| self.plane(scale, 4));
        let (feature, token) = (self.features(), self.tokens());
        // The masks and flows at 1/4.
        let guides = locals * 8 * quarter + locals * 16 * quarter;
        // The references wait until they are joined with the local frames.
        let waiting = references * token;

        // The features, the states of both passes, and the alignment of one step.
        let step = self.deform(128, 4);
        let mut propagation = waiting + 3 * locals * feature + step;
        if self.machine.is_gpu() {
            // All frames are joined at once: the features, the states, and a layer between.
            propagation = propagation.max(waiting + 4 * locals * feature);
        }

        let local = locals * feature;
        let at_once = match self.machine {
            Machine::Cpu { .. } => (self.tile() / (self.grid() * PATCHES)).clamp(1, locals),
            Machine::Gpu(_) => locals,
        };
        let split = waiting + local + locals * token + self.split(at_once);
        let joined = waiting + local + locals * token + frames * token;

        let mut routes = 0;
        let mut blocks = 0;
        let mut known: Vec<BlockScope> = Vec::new();
        let read: Vec<_> = (0..locals as usize).collect();
        let [rows, columns] = self.token_grid().map(|side| side as usize);
        let grid = TokenGrid { rows, columns };
        for roles in block_scopes(grid, frames as usize, (&read, &grid.whole()), 8) {
            if !known.contains(&roles) {
                routes += self.routes(&roles);
                known.push(roles.clone());
            }
            blocks = blocks.max(routes + self.block(&roles));
        }
        let transformer = local + blocks;

        // One frame after the other, and the frames decoded so far.
        let decoder = local
            + locals * token
            + self
                .decoding(plan)
                .max(self.op(self.grid() * PATCHES + 2 * 128 * self.layer(4)) + self.packing())
            + locals * 3 * self.px
            + 12 * full;
        let moments = [propagation, split, joined, transformer, decoder];
        guides + moments.into_iter().max().unwrap_or(0)
    }

    /// Returns the rows and columns of attention windows of a frame.
    fn windows(&self) -> [u64; 2] {
        let [rows, columns] = self.token_grid();
        [
            rows.div_ceil(WINDOW[0] as u64),
            columns.div_ceil(WINDOW[1] as u64),
        ]
    }

    /// Returns the most elements of a stage's widest tensor.
    fn tile(&self) -> u64 {
        match self.machine {
            Machine::Cpu { .. } => TILE as u64,
            Machine::Gpu(_) => GPU_TILE as u64,
        }
    }

    /// Returns the numbers of windows that see a hole and that see none.
    fn parted(&self) -> [u64; 2] {
        let all = self.windows()[0] * self.windows()[1];
        let masked = (all * self.masked).div_ceil(100);
        [masked, all - masked]
    }

    fn pooled(&self) -> u64 {
        let [down, across] = self.windows();
        let pool = POOL as u64;
        (down * WINDOW[0] as u64 / pool) * (across * WINDOW[1] as u64 / pool)
    }

    /// Returns the number of keys that a window with a hole sees.
    fn keys(&self, roles: &BlockScope) -> u64 {
        roles.keys.len() as u64 * (area() + ROLLED as u64 + self.pooled())
    }

    /// Returns the rows of the tables of keys and values.
    fn key_rows(&self, roles: &BlockScope) -> u64 {
        let [masked, alone] = self.parted();
        let (grid, keys) = (self.grid(), roles.keys.len() as u64);
        let own = roles.queries.len() as u64 * (alone * area()).min(grid);
        let near = if masked > 0 { keys * grid } else { 0 };
        (own + near).min(roles.frames as u64 * grid) + keys * self.pooled() + 1
    }

    /// Returns the bytes of the indices that a block gathers by.
    fn routes(&self, roles: &BlockScope) -> u64 {
        let [masked, alone] = self.parted();
        if self.machine.is_gpu() {
            // A query with the place of its result, and keys that all heads and queries share.
            let queries = roles.queries.len() as u64;
            let asked = 2 * queries * self.grid();
            let keys = masked * self.keys(roles) + alone * queries * area();
            return 4 * (asked + keys) + SMALL;
        }
        let queries = roles.queries.len() as u64;
        let asked = (masked + alone) * area() * queries;
        let keys = masked * self.keys(roles) + alone * queries * area();
        INDEX * (HEADS * (asked + keys + queries * self.grid()) + self.key_rows(roles))
    }

    fn block(&self, roles: &BlockScope) -> u64 {
        let [masked, alone] = self.parted();
        let queries = roles.queries.len() as u64;
        let x = roles.frames as u64 * self.tokens();
        let asked = queries * self.tokens();
        let row = CHANNELS * self.n;
        if self.machine.is_gpu() {
            return x + self.block_on_gpu(roles);
        }
        let table = self.key_rows(roles) * row;
        // The copy in the type that a layer computes in, beside the stored numbers.
        let extra = |bytes: u64| self.op(bytes / self.n) - bytes;
        // Attention: the normalised input, the queries and the tables; then the windows, part by
        // part.
        let normed = x + extra(2 * x) + asked + extra(asked);
        let padded = self.windows()[0] * self.windows()[1] * area();
        let pooling = roles.keys.len() as u64 * padded * CHANNELS;
        let pooling = x + asked + table + 2 * self.op(pooling);
        let tables = asked + 3 * table + extra(2 * table) + self.packing();
        let answers = padded * queries * row;
        let part = |windows: u64, asked: u64, keys: u64| {
            if windows == 0 || keys == 0 {
                return 0;
            }
            let at_once = (KEYS_AT_ONCE as u64).div_ceil(keys).min(windows);
            // The answers of earlier parts.
            let before = (windows - 1) / at_once * at_once * asked;
            let before = before.min((windows - at_once) * asked);
            row * before + self.attending(at_once, asked, keys)
        };
        let parts = part(masked, area() * queries, self.keys(roles)).max(part(
            alone * queries,
            area(),
            area(),
        ));
        let attention = asked + 2 * table + parts.max(2 * answers).max(answers + asked);
        // Feed-forward: its input, twice; the patches before and after they are averaged.
        let grid = self.grid();
        let at_once = (self.tile() / (grid * EXPANDED)).clamp(1, queries.max(1));
        let expanded = at_once * grid * EXPANDED;
        let averaged = at_once * 40 * self.layer(4);
        let feed_forward = 3 * asked
            + self.op(expanded + (2 * averaged).max(at_once * grid * CHANNELS))
            + self.packing();
        let moments = [normed, pooling, tables, attention, feed_forward];
        x + moments.into_iter().max().unwrap_or(0)
    }

    /// Returns the bytes that a block takes on a GPU beside its input.
    fn block_on_gpu(&self, roles: &BlockScope) -> u64 {
        let (grid, queries) = (self.grid(), roles.queries.len() as u64);
        let asked = queries * self.tokens();
        let pooled = roles.keys.len() as u64 * self.pooled();
        let rows = roles.frames as u64 * grid + 1 + pooled;
        // The normalised tokens; queries, keys and values of all of them; the results; and the sum.
        let table = rows * CHANNELS * self.n;
        let attention = asked + (4 * table).max(3 * table + asked).max(2 * asked);
        // The feed-forward: its input, normalised; the patches, the image and the sum.
        let at_once = (self.tile() / (grid * EXPANDED)).clamp(1, queries.max(1));
        let image = at_once * 40 * self.layer(4) * self.n;
        let patches = at_once * grid * EXPANDED * self.n;
        let feed_forward = 2 * asked + image + patches.max(asked);
        attention.max(feed_forward)
    }

    /// Returns the bytes of the attention of some windows on the CPU, with its answers: the gathered
    /// rows; each thread packs the keys and values of a head.
    fn attending(&self, windows: u64, asked: u64, keys: u64) -> u64 {
        let threads = match self.machine {
            Machine::Cpu { threads, .. } => threads,
            Machine::Gpu(_) => 0,
        };
        self.op(CHANNELS * windows * (2 * asked + 2 * keys))
            + threads * (2 * keys * 128 * 4 + 400_000)
    }
}

fn area() -> u64 {
    (WINDOW[0] * WINDOW[1]) as u64
}
