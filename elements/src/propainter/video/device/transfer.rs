//! What a device does for frames in its memory: it reads planes, and writes bits into them.

use std::{ffi::c_void, fmt};

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
    /// Returns the number of bytes without those between the rows.
    pub fn size(self) -> usize {
        self.width * self.count
    }

    /// Returns the end of the last row; `None` if it overflows.
    pub fn end(self) -> Option<usize> {
        let before = self.count.saturating_sub(1).checked_mul(self.stride)?;
        self.start.checked_add(before)?.checked_add(self.width)
    }
}

/// Bytes on their way from a device. When this is dropped, the device no longer reads them.
pub trait Download: fmt::Debug + Send + Sync {
    /// Returns the bytes of all rows, without padding; waits for them if they are not there yet.
    ///
    /// # Errors
    /// The device fails.
    fn bytes(&self) -> Result<&[u8], String>;
}

/// Samples on their way within a device. When this is dropped, the device no longer writes them.
pub trait DeviceCopy: fmt::Debug + Send + Sync {
    /// Waits until they are there, if they are not yet.
    ///
    /// # Errors
    /// The device fails.
    fn wait(&self) -> Result<(), String>;
}

/// New bits for rows of bytes.
#[derive(Debug)]
pub struct Bits {
    /// The new bits; 0 elsewhere. The bytes of all rows, without padding.
    pub new: Vec<u8>,
    /// 1 for every bit that stays; the new bits elsewhere.
    pub kept: Vec<u8>,
}

/// Reads and writes buffers of a device.
pub trait DeviceTransfer: fmt::Debug + Send + Sync {
    /// Begins to read rows, after the work that the device has for the buffer.
    ///
    /// # Errors
    /// The buffer is in other memory or too small, or the device fails.
    fn read(&self, buffer: &gst::BufferRef, rows: &[Rows]) -> Result<Box<dyn Download>, String>;

    /// Returns whether the buffer belongs to a `CUcontext`.
    ///
    /// # Errors
    /// The buffer is in other memory.
    fn is_in(&self, buffer: &gst::BufferRef, context: *mut c_void) -> Result<bool, String>;

    /// Begins to copy rows to `target`, an address in the buffer's context with room for them, after the
    /// work that the device has for the buffer.
    ///
    /// # Errors
    /// See [`DeviceTransfer::read`].
    fn copy(
        &self,
        buffer: &gst::BufferRef,
        rows: &[Rows],
        target: u64,
    ) -> Result<Box<dyn DeviceCopy>, String>;

    /// Writes into rows. The buffer is complete when this returns.
    ///
    /// # Errors
    /// See [`DeviceTransfer::read`].
    fn write(&self, buffer: &mut gst::BufferRef, rows: &[Rows], bits: &Bits) -> Result<(), String>;
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
        assert_eq!(rows(10, 100, 30, 3).size(), 90);
    }
}
