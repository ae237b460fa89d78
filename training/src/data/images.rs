//! Frames that are image files, and how frames come to the training size.

use std::{
    fs,
    path::{Path, PathBuf},
};

use image::ImageReader;
use propainter::Frame;

use super::{DataError, Size};

/// Extensions of the images that are read, in lower case.
const IMAGE: [&str; 12] = [
    "bmp", "gif", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp",
];

/// Returns whether the extension of a file is one of the `known` ones.
pub(super) fn has_extension(file: &Path, known: &[&str]) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| known.contains(&extension.to_lowercase().as_str()))
}

/// Returns what lies in a folder, in the order of the names; hidden files are left out.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let read = fs::read_dir(folder).map_err(DataError::read(folder))?;
    let paths: Result<Vec<_>, _> = read.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(DataError::read(folder))?;
    paths.retain(|path| !stem(path).starts_with('.'));
    paths.sort_by_cached_key(|path| order(path));
    Ok(paths)
}

/// Returns the images in a folder, in the order of their numbers.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn images_in(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut files = entries(folder)?;
    files.retain(|file| has_extension(file, &IMAGE));
    Ok(files)
}

/// Returns the name of a file without its extension.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Returns what files are ordered by: digits count as numbers, so that 10 comes after 9.
fn order(path: &Path) -> (Vec<(String, u128)>, String) {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut parts = Vec::new();
    let mut rest = name.as_str();
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (text, after) = rest.split_at(digits);
        let end = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (number, after) = after.split_at(end);
        parts.push((text.to_owned(), number.parse().unwrap_or(u128::MAX)));
        rest = after;
    }
    (parts, name)
}

/// Reads an image at the training size.
///
/// # Errors
/// The file cannot be read or is no image.
pub fn read_image(file: &Path, size: Size) -> Result<Frame, DataError> {
    let reader = ImageReader::open(file).and_then(ImageReader::with_guessed_format);
    let image = reader.map_err(DataError::read(file))?.decode();
    let image = image
        .map_err(|error| DataError::file(file, error.to_string()))?
        .into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    if width == 0 || height == 0 {
        return Err(DataError::file(file, "the image has no pixels"));
    }
    Ok(resized(&Frame::new(width, height, image.into_raw()), size))
}

/// Scales a frame by bilinear interpolation between pixel centres, without antialiasing and without
/// keeping the aspect ratio, as OpenCV's `resize` does.
pub fn resized(frame: &Frame, size: Size) -> Frame {
    if (frame.width(), frame.height()) == (size.width, size.height) {
        return frame.clone();
    }
    let columns = taps(frame.width(), size.width);
    let stride = 3 * frame.width();
    let mut rgb = Vec::with_capacity(3 * size.pixels());
    for (above, below, down) in taps(frame.height(), size.height) {
        let row = |y: usize| &frame.rgb()[y * stride..][..stride];
        let (above, below) = (row(above), row(below));
        for &(left, right, across) in &columns {
            for channel in 0..3 {
                let mean = |row: &[u8]| {
                    let at = |x: usize| f32::from(row[3 * x + channel]);
                    at(left) + across * (at(right) - at(left))
                };
                let value = mean(above) + down * (mean(below) - mean(above));
                rgb.push(value.round() as u8);
            }
        }
    }
    Frame::new(size.width, size.height, rgb)
}

/// Returns the two source pixels of each target pixel along one axis, and the weight of the second.
pub(super) fn taps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let ratio = from as f64 / to as f64;
    let tap = |i: usize| {
        let place = ((i as f64 + 0.5) * ratio - 0.5).clamp(0.0, (from - 1) as f64);
        let first = place as usize;
        let second = (first + 1).min(from - 1);
        (first, second, (place - first as f64) as f32)
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut files = ["f10.png", "f9.png", "f2b.png", "f2a.png", "e99.png"].map(PathBuf::from);
        files.sort_by_cached_key(|path| order(path));
        assert_eq!(
            files.map(|file| file.display().to_string()),
            ["e99.png", "f2a.png", "f2b.png", "f9.png", "f10.png"]
        );
    }

    #[test]
    fn frames_are_scaled_between_pixel_centres() {
        let grey = |values: &[u8]| {
            let rgb = values.iter().flat_map(|&value| [value; 3]).collect();
            Frame::new(values.len(), 1, rgb)
        };
        let scaled = |values: &[u8], width| {
            let frame = resized(&grey(values), Size::new(width, 1));
            frame.rgb().iter().step_by(3).copied().collect::<Vec<_>>()
        };
        // Centres at −0.25, 0.25, 0.75 and 1.25 of the source.
        assert_eq!(scaled(&[0, 100], 4), [0, 25, 75, 100]);
        // Only the pixels beside the centre count: there is no antialiasing.
        assert_eq!(scaled(&[0, 0, 0, 0, 90, 0, 0, 0, 0], 3), [0, 90, 0]);
        let frame = grey(&[3, 4, 5]);
        assert_eq!(resized(&frame, Size::new(3, 1)), frame);
    }

    #[test]
    fn sizes_are_read_strictly() {
        assert_eq!("432x240".parse(), Ok(Size::new(432, 240)));
        for bad in [
            "432",
            "432x",
            "430x240",
            "8x8",
            "432x240x3",
            "-64x64",
            "99999x64",
        ] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }
}
