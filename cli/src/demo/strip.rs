//! The image that compares frames: before above after.

use std::path::Path;

use propainter::Frame;

use super::DemoError;

/// Pixels of white between two frames.
const GAP: usize = 4;

/// Writes a PNG file with one column for each pair of frames: before above, after below.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, pairs: &[(Frame, Frame)]) -> Result<(), DemoError> {
    let Some((first, _)) = pairs.first() else {
        return Ok(());
    };
    let (width, height) = (first.width(), first.height());
    let total = (pairs.len() * (width + GAP) - GAP, 2 * height + GAP);
    let mut strip =
        image::RgbImage::from_pixel(total.0 as u32, total.1 as u32, image::Rgb([255; 3]));
    for (column, (before, after)) in pairs.iter().enumerate() {
        let fits = |frame: &&Frame| (frame.width(), frame.height()) == (width, height);
        for (row, frame) in [before, after].into_iter().filter(fits).enumerate() {
            let (left, top) = (column * (width + GAP), row * (height + GAP));
            for (i, pixel) in frame.rgb().chunks_exact(3).enumerate() {
                let (x, y) = ((left + i % width) as u32, (top + i / width) as u32);
                strip.put_pixel(x, y, image::Rgb([pixel[0], pixel[1], pixel[2]]));
            }
        }
    }
    strip
        .save_with_format(path, image::ImageFormat::Png)
        .map_err(|error| DemoError::Image(path.to_owned(), error))
}
