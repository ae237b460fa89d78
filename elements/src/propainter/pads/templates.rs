//! The templates of the pads.

use gst_video::{VideoCapsBuilder, VideoFormat};

use crate::propainter::video::{device, formats::FORMATS};

/// The name of the pad for masks.
pub const MASK_PAD: &str = "mask_sink";

/// Returns the templates of the pads.
pub fn templates() -> Vec<gst::PadTemplate> {
    use gst::{PadDirection, PadPresence};
    let mut video = VideoCapsBuilder::new().format_list(FORMATS).build();
    video
        .make_mut()
        .append(device::caps().unwrap_or_else(gst::Caps::new_empty));
    let gray = VideoCapsBuilder::new().format(VideoFormat::Gray8).build();
    [
        ("sink", PadDirection::Sink, PadPresence::Always, &video),
        ("src", PadDirection::Src, PadPresence::Always, &video),
        (MASK_PAD, PadDirection::Sink, PadPresence::Request, &gray),
    ]
    .map(|(name, direction, presence, caps)| {
        gst::PadTemplate::new(name, direction, presence, caps)
            .expect("the caps are fixed in the code")
    })
    .to_vec()
}
