//! The tiles of a convolution's output, one task each.

use super::padded::OutputTile;

/// The tiles of images of one size, which are all cut at the same rows and columns.
pub struct Tiling {
    /// For each axis, the start of each part and the end of the last one.
    cuts: [Vec<usize>; 2],
    images: usize,
}

impl Tiling {
    /// Cuts `images` images of `size` into tiles of at most about `tile` rows and columns. The number
    /// of tiles keeps all threads busy to the end. Tiles begin at multiples of `unit`.
    pub fn new(size: [usize; 2], images: usize, tile: [usize; 2], unit: [usize; 2]) -> Self {
        let units = [0, 1].map(|axis| size[axis].div_ceil(unit[axis]));
        let [mut down, across] =
            [0, 1].map(|axis| units[axis].div_ceil((tile[axis] / unit[axis]).max(1)));
        let threads = rayon::current_num_threads();
        let count = |down: usize| images * across * down;
        while count(down) < 8 * threads && !count(down).is_multiple_of(threads) && down < units[0] {
            down += 1;
        }
        let cuts = |axis: usize, parts: usize| {
            let cut = |i: usize| (i * units[axis] / parts * unit[axis]).min(size[axis]);
            (0..=parts).map(cut).collect()
        };
        Self {
            cuts: [cuts(0, down), cuts(1, across)],
            images,
        }
    }

    /// Returns the largest number of rows and of columns of a tile.
    pub fn largest(&self) -> [usize; 2] {
        self.cuts.each_ref().map(|cuts| {
            let sizes = cuts.windows(2).map(|cut| cut[1] - cut[0]);
            sizes.max().unwrap_or(0)
        })
    }

    /// Returns the number of parts along an axis.
    fn parts(&self, axis: usize) -> usize {
        self.cuts[axis].len() - 1
    }

    /// Returns the image that tile number `tile` belongs to, and its place there.
    pub fn place(&self, tile: usize) -> (usize, OutputTile) {
        let (down, across) = (self.parts(0), self.parts(1));
        let place = [tile / across % down, tile % across];
        let start = [0, 1].map(|axis| self.cuts[axis][place[axis]]);
        let end = [0, 1].map(|axis| self.cuts[axis][place[axis] + 1]);
        let size = [end[0] - start[0], end[1] - start[1]];
        (tile / (down * across), OutputTile { start, size })
    }

    /// Splits `out`, with `channels` planes an image, into the lines of each tile, ordered (channel,
    /// row).
    pub fn tiles<'a>(&self, out: &'a mut [f32], channels: usize) -> Vec<Vec<&'a mut [f32]>> {
        let (down, across) = (self.parts(0), self.parts(1));
        let width = self.cuts[1][across];
        let mut tiles: Vec<Vec<&mut [f32]>> = Vec::new();
        tiles.resize_with(self.images * down * across, || {
            Vec::with_capacity(channels * self.largest()[0])
        });
        let mut lines = out.chunks_exact_mut(width);
        for image in 0..self.images {
            for _ in 0..channels {
                for (y, rows) in self.cuts[0].windows(2).enumerate() {
                    for _ in rows[0]..rows[1] {
                        let mut line = lines.next().unwrap_or_default();
                        for (x, columns) in self.cuts[1].windows(2).enumerate() {
                            let (piece, rest) = line.split_at_mut(columns[1] - columns[0]);
                            tiles[(image * down + y) * across + x].push(piece);
                            line = rest;
                        }
                    }
                }
            }
        }
        tiles
    }
}
