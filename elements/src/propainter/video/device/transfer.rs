//! The transfer of rows between buffers in the memory of a device and the host.

use std::fmt;

/// Rows of a plane in a buffer, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Offset of the first row.
    pub start: usize,
    pub stride: usize,
    pub width: usize,
    pub count: usize,
}

impl Rows {
    /// Returns the end of the last row; `None` if it overflows.
    pub fn end(self) -> Option<usize> {
        let before = self.count.saturating_sub(1).checked_mul(self.stride)?;
        self.start.checked_add(before)?.checked_add(self.width)
    }
}

/// Copies rows between buffers of a device and the host.
pub trait DeviceTransfer: fmt::Debug + Send + Sync {
    /// Reads rows into `out`, which has `width · count` bytes without padding.
    ///
    /// # Errors
    /// The buffer is in other memory or too small, or the device fails.
    fn read(&self, buffer: &gst::BufferRef, rows: Rows, out: &mut [u8]) -> Result<(), String>;

    /// Writes rows from `from`, which has `width · count` bytes without padding.
    ///
    /// # Errors
    /// See [`DeviceTransfer::read`].
    fn write(&self, buffer: &mut gst::BufferRef, rows: Rows, from: &[u8]) -> Result<(), String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_rows_is_the_end_of_the_last_row_and_never_overflows() {
        let rows = |start, stride, width, count| Rows {
            start,
            stride,
            width,
            count,
        };
        assert_eq!(rows(10, 100, 30, 3).end(), Some(240));
        assert_eq!(rows(10, 100, 30, 1).end(), Some(40));
        assert_eq!(rows(0, usize::MAX, 1, 3).end(), None);
        assert_eq!(rows(usize::MAX, 1, 1, 1).end(), None);
    }
}
