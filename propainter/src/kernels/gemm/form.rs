//! What is compiled into the kernel, and what is known when it is launched.

use burn_cubecl::cubecl::{self, prelude::*};

use super::tile::Tile;

/// What is compiled into the kernel. All else is known when it is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// The tile of a cube.
    pub tile: Tile,
    /// Units of a cube; a power of two.
    pub units: usize,
    /// Inputs that are read as one.
    pub inputs: usize,
    /// The order in which products are added.
    pub order: Order,
    /// What multiplies.
    pub multiplier: Multiplier,
}

/// The order in which the products of a sum are added, and which lanes read what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Block of channels by block of channels, for each of them tap by tap. Lanes read neighbouring
    /// pixels.
    Channels,
    /// Taps and channels as one axis of at most [`LISTED`] elements: for few channels, of which
    /// blocks would be nearly empty.
    Listed,
    /// Channels of a kernel with a single tap, where the channels of a pixel are neighbours in
    /// memory. Lanes read neighbouring channels.
    Rows,
}

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Multiplier {
    /// Units, in 32 bits.
    Units,
    /// Tensor cores, whose fragments are 16×16 with this depth.
    TensorCores(usize),
}

/// The most products of a sum in [`Order::Listed`].
pub const LISTED: usize = 512;

/// Units of a warp. Only kernels for tensor cores need to know it, and only NVIDIA's devices have
/// those of this kind.
pub const WARP: usize = 32;

impl Form {
    /// Returns whether a unit is one lane, so that its loops over registers are unrolled.
    pub const fn one(&self) -> bool {
        self.lanes_each() == 1
    }

    /// Returns the lanes of a unit.
    pub const fn lanes_each(&self) -> usize {
        match self.multiplier {
            Multiplier::Units => self.tile.lanes() / self.units,
            Multiplier::TensorCores(_) => 1,
        }
    }

    /// Returns the weights that a unit reads between two barriers.
    pub const fn weights_each(&self) -> usize {
        self.tile.depth * self.tile.rows / self.units
    }

    /// Returns the pixels that a unit reads between two barriers.
    pub const fn pixels_each(&self) -> usize {
        self.tile.depth * self.tile.columns / self.units
    }

    /// Returns the columns of pixels that a unit reads.
    pub const fn own_columns(&self) -> usize {
        if self.tile.columns > self.units {
            self.tile.columns / self.units
        } else {
            1
        }
    }

    /// Returns the pixels that a unit reads in each of its columns.
    pub const fn own_rows(&self) -> usize {
        self.pixels_each() / self.own_columns()
    }

    /// Returns the rows from one pixel that a unit reads in a column to the next.
    pub const fn row_step(&self) -> usize {
        self.tile.depth / self.own_rows()
    }

    /// Returns the elements from one row of weights in shared memory to the next.
    pub const fn weight_pitch(&self) -> usize {
        self.tile.rows + self.padding()
    }

    /// Returns the elements from one row of pixels in shared memory to the next.
    pub const fn pixel_pitch(&self) -> usize {
        match self.order {
            // Units write along the channels: against conflicts of banks.
            Order::Rows if self.padding() == 0 => self.tile.columns + 4,
            _ => self.tile.columns + self.padding(),
        }
    }

    /// Returns the padding of rows that tensor cores read, against conflicts of banks.
    const fn padding(&self) -> usize {
        match self.multiplier {
            Multiplier::Units => 0,
            Multiplier::TensorCores(_) => 8,
        }
    }

    /// Returns the fragments of a warp, one below another. Two warps lie one below the other.
    pub const fn fragments_down(&self) -> usize {
        match self.multiplier {
            Multiplier::Units => 0,
            Multiplier::TensorCores(_) => self.tile.rows / 32,
        }
    }

    /// Returns the fragments of a warp side by side. Two warps lie side by side.
    pub const fn fragments_across(&self) -> usize {
        self.tile.columns / 32
    }

    /// Returns the depth of a fragment.
    pub const fn fragment_depth(&self) -> usize {
        match self.multiplier {
            Multiplier::Units => 1,
            Multiplier::TensorCores(depth) => depth,
        }
    }

    /// Returns the most products that are listed; 1 if none are.
    pub const fn listed(&self) -> usize {
        match self.order {
            Order::Listed => LISTED,
            _ => 1,
        }
    }
}

/// A window as the kernel reads it.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Window {
    pub kernel_height: usize,
    pub kernel_width: usize,
    pub stride_y: i32,
    pub stride_x: i32,
    pub padding_y: i32,
    pub padding_x: i32,
    pub dilation_y: i32,
    pub dilation_x: i32,
}
