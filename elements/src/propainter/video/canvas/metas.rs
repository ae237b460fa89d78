//! What a canvas takes over from the buffer of its frame.

use gst_video::{
    VideoCropMeta, VideoOverlayComposition, VideoOverlayCompositionMeta, VideoRegionOfInterestMeta,
};
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
    for mut overlay in to.iter_meta_mut::<VideoOverlayCompositionMeta>() {
        let moved = with_offset(&overlay.overlay_owned(), border);
        if let Some(moved) = moved {
            overlay.set_overlay(&moved);
        }
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

/// Returns an overlay whose rectangles have moved with the frame; `None` if it has none.
fn with_offset(
    overlay: &VideoOverlayComposition,
    border: Border,
) -> Option<VideoOverlayComposition> {
    let by = |by: usize| i32::try_from(by).unwrap_or(i32::MAX);
    let rectangles = overlay.iter().map(|mut rectangle| {
        let (x, y, width, height) = rectangle.render_rectangle();
        let (x, y) = (
            x.saturating_add(by(border.left)),
            y.saturating_add(by(border.top)),
        );
        // A copy, as the frame has the other one.
        rectangle
            .make_mut()
            .set_render_rectangle(x, y, width, height);
        rectangle
    });
    let rectangles: Vec<_> = rectangles.collect();
    VideoOverlayComposition::new(&rectangles).ok()
}
