//! What a canvas takes over from the buffer of its frame.

use gst_video::{VideoCropMeta, VideoRegionOfInterestMeta};
use propainter::Border;

/// Copies timestamps, flags and metas to the buffer of a canvas. Rectangles move with the frame.
pub fn copy(from: &gst::BufferRef, to: &mut gst::BufferRef, border: Border) {
    let flags =
        gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META;
    // It fails only for a range of memory, and none is copied.
    let _ = from.copy_into(to, flags, ..);
    to.unset_flags(gst::BufferFlags::TAG_MEMORY);
    let offset = |at: u32, by: usize| at.saturating_add(u32::try_from(by).unwrap_or(u32::MAX));
    let moved = |(x, y, width, height): (u32, u32, u32, u32)| {
        (offset(x, border.left), offset(y, border.top), width, height)
    };
    for mut region in to.iter_meta_mut::<VideoRegionOfInterestMeta>() {
        let rect = region.rect();
        region.set_rect(moved(rect));
    }
    // Cropping describes the memory, so it is not copied with the other metas.
    let crop = from.meta::<VideoCropMeta>().map(|crop| crop.rect());
    if let Some(rect) = crop.map(moved) {
        match to.meta_mut::<VideoCropMeta>() {
            Some(mut crop) => crop.set_rect(rect),
            None => drop(VideoCropMeta::add(to, rect)),
        }
    }
}
