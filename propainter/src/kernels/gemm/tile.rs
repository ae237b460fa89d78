//! The tiles that a matrix product is divided into.

/// The part of a product that one cube computes, and how its lanes share it. A lane computes
/// `lane_rows`×`lane_columns` sums; it is a unit, or one of several lanes of a unit where the
/// device has fewer units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Output channels.
    pub rows: usize,
    /// Pixels.
    pub columns: usize,
    /// Products that are added between two barriers.
    pub depth: usize,
    /// Output channels of a lane.
    pub lane_rows: usize,
    /// Pixels of a lane.
    pub lane_columns: usize,
}

impl Tile {
    /// For most products: two warps read 256 bytes of every row of pixels, and eight reads of shared
    /// memory feed 32 multiplications.
    pub const WIDE: Self = Self {
        rows: 64,
        columns: 64,
        depth: 16,
        lane_rows: 8,
        lane_columns: 4,
    };
    /// For so few pixels or channels that wide tiles would leave multiprocessors idle.
    pub const LOW: Self = Self {
        rows: 32,
        columns: 64,
        depth: 16,
        lane_rows: 4,
        lane_columns: 4,
    };
    /// For few output channels. With twice the depth, registers spill on some architectures.
    pub const FLAT: Self = Self {
        rows: 8,
        columns: 128,
        depth: 8,
        lane_rows: 4,
        lane_columns: 4,
    };

    /// Returns the tile for a product of this size. The device runs `cubes` cubes at once.
    pub fn of(rows: usize, columns: usize, images: usize, cubes: usize) -> Self {
        let count = |tile: Self| images * rows.div_ceil(tile.rows) * columns.div_ceil(tile.columns);
        if rows <= Self::FLAT.rows {
            Self::FLAT
        } else if rows <= Self::LOW.rows || count(Self::WIDE) < cubes {
            Self::LOW
        } else {
            Self::WIDE
        }
    }

    /// For tensor cores: four warps, each of which holds four sums of 16×16.
    pub const FRAGMENTS: Self = Self {
        depth: 32,
        ..Self::WIDE
    };
    /// For few pixels or channels on tensor cores.
    pub const LOW_FRAGMENTS: Self = Self {
        depth: 32,
        ..Self::LOW
    };

    /// Returns the tile for a product of this size on tensor cores, as [`of`](Self::of) does.
    pub fn of_fragments(rows: usize, columns: usize, images: usize, cubes: usize) -> Self {
        match Self::of(rows, columns, images, cubes) {
            Self::WIDE => Self::FRAGMENTS,
            _ => Self::LOW_FRAGMENTS,
        }
    }

    /// Returns the number of lanes.
    pub const fn lanes(&self) -> usize {
        self.rows / self.lane_rows * (self.columns / self.lane_columns)
    }
}
