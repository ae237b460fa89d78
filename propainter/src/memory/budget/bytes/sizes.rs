//! The quantities that the sums consist of: elements and bytes of what a frame has in a layer.

use super::Machine;

/// The quantities that the sums consist of.
pub struct Sizes {
    pub machine: Machine,
    pub width: u64,
    pub height: u64,
    /// Pixels of a frame.
    pub px: u64,
    pub masked: u64,
    pub source: u64,
    /// Bytes of a stored number of completion and generator.
    pub n: u64,
    /// Bytes of a number in their computations.
    pub w: u64,
}

impl Sizes {
    /// Returns the elements of a row of `width` elements of `bytes` bytes, as the device pads it.
    pub fn row(&self, width: u64, bytes: u64) -> u64 {
        if !self.machine.is_gpu() || width <= 1 {
            return width;
        }
        // CUDA's rows start at multiples of a power of two.
        let row = width * bytes;
        row.next_multiple_of(row.next_power_of_two().clamp(16, 512)) / bytes
    }

    /// Returns the elements of a layer's plane at 1/`scale`. Our kernels store layers without padding.
    pub fn layer(&self, scale: u64) -> u64 {
        (self.width / scale) * (self.height / scale)
    }

    /// Returns the elements of a plane of the frame at 1/`scale`, each of `bytes` bytes.
    pub fn plane(&self, scale: u64, bytes: u64) -> u64 {
        self.row(self.width / scale, bytes) * (self.height / scale)
    }

    /// Returns the bytes of a frame's features for the generator: 128 channels at 1/4.
    pub fn features(&self) -> u64 {
        128 * self.n * self.layer(4)
    }

    /// Returns the number of tokens of a frame.
    pub fn grid(&self) -> u64 {
        let [rows, columns] = self.token_grid();
        rows * columns
    }

    /// Returns the rows and columns of tokens.
    pub fn token_grid(&self) -> [u64; 2] {
        [self.height, self.width].map(|side| (side / 4 - 1) / 3 + 1)
    }

    /// Returns the bytes of a frame's tokens, 512 channels.
    pub fn tokens(&self) -> u64 {
        512 * self.n * self.grid()
    }

    /// Returns the bytes of an operation on so many stored numbers: the numbers, and their copy in
    /// the type that is computed in.
    pub fn op(&self, numbers: u64) -> u64 {
        let wide = if self.n == self.w { 0 } else { self.w };
        (self.n + wide) * numbers
    }

    /// Returns the bytes as [`op`](Self::op) does, for an operation that computes in 32 bits on
    /// every device.
    pub fn op_in_32_bits(&self, numbers: u64) -> u64 {
        let wide = if self.n == 4 { 0 } else { 4 };
        (self.n + wide) * numbers
    }

    /// Returns the bytes of a deformable convolution of `channels` to 128 over so many pixels, from
    /// 432 channels that give the sampling positions and weights. Its input is held too.
    pub fn deform(&self, channels: u64, scale: u64) -> u64 {
        let pixels = self.layer(scale);
        let raw = 432 * pixels;
        let aligned = 128 * self.n * pixels;
        match self.machine {
            Machine::Cpu { .. } => self.op(raw) + self.op((channels + 128) * pixels) + aligned,
            Machine::Gpu(_) => self.op_in_32_bits(raw) + (channels + 128) * self.n * pixels,
        }
    }
}
