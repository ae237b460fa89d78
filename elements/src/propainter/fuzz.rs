//! What the element does with bytes from outside, without an element around it: for fuzzing.

use std::{io::Cursor, path::PathBuf, sync::Arc};

use gst::subclass::prelude::*;
use gst_video::VideoInfo;
use propainter::{Config, Done, Error, Frame, Mask};

use crate::propainter::{
    Propainter,
    masks::{
        image_file::{Style, decode},
        image_sequence::Location,
        orientation::Turn,
        per_frame::regions_of_interest,
        threshold::{Cut, Cutter},
    },
    video::converter::{Converter, read_gray},
};

/// The hole that an image file of these bytes makes.
pub fn mask_image(bytes: &[u8], threshold: u8, invert: bool) -> Option<Arc<Mask>> {
    let picture = decode(Cursor::new(bytes)).ok()?;
    let (gray, _) = picture.into_gray(&mut Style::default(), true);
    let cut = Cut { threshold, invert };
    let (mask, _) = Cutter::default().cut(&Arc::new(gray), cut, Turn::NONE);
    Some(mask)
}

/// The file that `mask-location` names for a frame.
pub fn mask_file(location: &str, number: u64) -> PathBuf {
    Location::parse(location).file(number)
}

/// How many regions of interest of the buffer are of these types.
pub fn mask_rois(buffer: &gst::BufferRef, types: &str) -> usize {
    regions_of_interest(buffer, types).count()
}

/// The configuration that an element's properties make.
///
/// # Errors
/// A device name that means nothing.
pub fn config(element: &Propainter, live: bool) -> Result<Config, Error> {
    let imp = element.imp();
    imp.settings.lock().config((64, 48), live)
}

/// The luma of a buffer that claims to be a picture of `mask_sink`.
pub fn mask_picture(info: &VideoInfo, buffer: &gst::BufferRef) -> Option<Vec<u8>> {
    read_gray(info, buffer).ok()
}

/// The picture that a buffer claims to be, and the hole that its alpha makes; `None` for a
/// format that is not taken.
pub fn read(
    info: &VideoInfo,
    buffer: &gst::BufferRef,
    see_through: Option<u8>,
) -> Option<(Option<Frame>, Option<Mask>)> {
    let converter = Arc::new(Converter::new(info)?).see_through(see_through);
    let transparent = converter.transparent(buffer).ok().flatten();
    Some((converter.read(buffer).ok(), transparent))
}

/// Fills `hole` with one colour; whether the buffer is a picture.
pub fn write(
    info: &VideoInfo,
    buffer: &mut gst::BufferRef,
    hole: Mask,
    see_through: Option<u8>,
) -> bool {
    let Some(converter) = Converter::new(info) else {
        return false;
    };
    let converter = Arc::new(converter).see_through(see_through);
    let (width, height) = (hole.width(), hole.height());
    let frame = Frame::new(width, height, vec![77; 3 * width * height]);
    converter.write(buffer, &Done { frame, hole }).is_ok()
}
