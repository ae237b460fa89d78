//! Pictures in a card's memory: what of them comes to the host, and goes back.

mod cuda;
pub mod planes;

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use gst_video::{VideoFormat, VideoInfo};

use crate::propainter::video::device::cuda::Driver;

/// The caps feature of buffers in a card's memory.
pub const FEATURE: &str = "memory:CUDAMemory";

/// What is taken of them.
pub const FORMAT: VideoFormat = VideoFormat::Nv12;

/// Rows of a plane within a buffer, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// First byte of the first row.
    pub start: usize,
    pub stride: usize,
    pub width: usize,
    pub count: usize,
}

impl Rows {
    /// The bytes from the buffer's first to the last of the last row; `None` beyond all sizes.
    pub fn end(self) -> Option<usize> {
        let before = self.count.saturating_sub(1).checked_mul(self.stride)?;
        self.start.checked_add(before)?.checked_add(self.width)
    }
}

/// Copies between buffers of a device and the host.
pub trait DeviceCopies: fmt::Debug + Send + Sync {
    /// Reads rows, packed without padding, into `out` of `width · count` bytes.
    ///
    /// # Errors
    /// What is wrong with the buffer or the device.
    fn read(&self, buffer: &gst::BufferRef, rows: Rows, out: &mut [u8]) -> Result<(), String>;

    /// Writes rows from `from`, packed without padding.
    ///
    /// # Errors
    /// As [`DeviceCopies::read`].
    fn write(&self, buffer: &mut gst::BufferRef, rows: Rows, from: &[u8]) -> Result<(), String>;
}

/// The card's driver, looked for once.
static DRIVER: LazyLock<Option<Arc<Driver>>> = LazyLock::new(|| Driver::load().map(Arc::new));

/// The copies for caps with this feature; `None` for pictures on the host, or without a card's
/// driver.
pub fn copies(caps: &gst::CapsRef) -> Option<Arc<dyn DeviceCopies>> {
    let on_card = caps.features(0)?.contains(FEATURE);
    let driver = DRIVER.clone().filter(|_| on_card)?;
    Some(driver)
}

/// What the pads offer besides pictures on the host, where the driver is there.
pub fn caps() -> Option<gst::Caps> {
    DRIVER.is_some().then(caps_of_a_card)
}

fn caps_of_a_card() -> gst::Caps {
    gst_video::VideoCapsBuilder::new()
        .features([FEATURE])
        .format(FORMAT)
        .build()
}

/// Whether these are pictures that can be taken from a device.
pub fn takes(info: &VideoInfo) -> bool {
    info.format() == FORMAT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_rows_is_that_of_the_last_and_never_overflows() {
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

    #[test]
    fn caps_of_the_host_have_no_copies_and_a_cards_name_nv12() {
        gst::init().unwrap();
        let host = gst_video::VideoCapsBuilder::new().format(FORMAT).build();
        assert!(copies(&host).is_none());
        let card = caps_of_a_card();
        assert!(card.features(0).unwrap().contains(FEATURE));
        assert_eq!(copies(&card).is_some(), caps().is_some());
        assert!(!card.can_intersect(&host), "never taken for one another");
    }
}
