//! Images as video frames, and the other way round.

use gst::glib::BoolError;
use gst_video::{VideoFormat, VideoFrameRef, VideoInfo, prelude::*};
use image::{ColorType, DynamicImage, ImageBuffer, Luma, Rgb, Rgba};

/// Returns the format of frames that holds an image without loss.
pub fn format(image: &DynamicImage) -> VideoFormat {
    match image.color() {
        ColorType::L8 => VideoFormat::Gray8,
        ColorType::L16 => VideoFormat::Gray16Le,
        ColorType::Rgb8 => VideoFormat::Rgb,
        ColorType::La8 | ColorType::Rgba8 => VideoFormat::Rgba,
        _ => VideoFormat::Argb64,
    }
}

/// Returns an image as a frame of the same size.
///
/// # Errors
/// There is no memory for it.
pub fn buffer(image: DynamicImage, info: &VideoInfo) -> Result<gst::Buffer, BoolError> {
    let pixels = match info.format() {
        VideoFormat::Gray8 => image.into_luma8().into_raw(),
        VideoFormat::Gray16Le => {
            let samples = image.into_luma16().into_raw();
            samples.into_iter().flat_map(u16::to_le_bytes).collect()
        }
        VideoFormat::Rgba => image.into_rgba8().into_raw(),
        VideoFormat::Argb64 => {
            let pixels = image.into_rgba16();
            let argb = pixels
                .pixels()
                .flat_map(|Rgba([r, g, b, a])| [*a, *r, *g, *b]);
            argb.flat_map(u16::to_ne_bytes).collect()
        }
        _ => image.into_rgb8().into_raw(),
    };
    let mut buffer = gst::Buffer::with_size(info.size())?;
    let made = buffer.make_mut();
    let mut frame = VideoFrameRef::from_buffer_ref_writable(made, info)?;
    let (stride, rows) = (
        info.stride()[0].unsigned_abs() as usize,
        info.height() as usize,
    );
    let row = pixels.len() / rows.max(1);
    let to = frame
        .plane_data_mut(0)
        .map_err(|error| gst::glib::bool_error!("{error}"))?;
    for (to, from) in to
        .chunks_mut(stride.max(1))
        .zip(pixels.chunks_exact(row.max(1)))
    {
        to[..row].copy_from_slice(from);
    }
    drop(frame);
    Ok(buffer)
}

/// Returns a frame in such a format as an image; with `has_alpha` that of 16 bits keeps its
/// transparency.
pub fn image(frame: &VideoFrameRef<&gst::BufferRef>, has_alpha: bool) -> Option<DynamicImage> {
    let (width, height) = (frame.width(), frame.height());
    let stride = frame.plane_stride()[0].unsigned_abs() as usize;
    let row = width as usize * frame.comp_pstride(0).unsigned_abs() as usize;
    let rows = frame
        .plane_data(0)
        .ok()?
        .chunks(stride.max(1))
        .take(height as usize);
    let bytes: Vec<u8> = rows
        .flat_map(|line| &line[..row.min(line.len())])
        .copied()
        .collect();
    let words = |of: fn([u8; 2]) -> u16| -> Vec<u16> {
        bytes
            .chunks_exact(2)
            .map(|pair| of([pair[0], pair[1]]))
            .collect()
    };
    Some(match frame.format() {
        VideoFormat::Rgb => DynamicImage::ImageRgb8(ImageBuffer::from_raw(width, height, bytes)?),
        VideoFormat::Rgba => DynamicImage::ImageRgba8(ImageBuffer::from_raw(width, height, bytes)?),
        VideoFormat::Gray8 => {
            DynamicImage::ImageLuma8(ImageBuffer::from_raw(width, height, bytes)?)
        }
        VideoFormat::Gray16Le => {
            let samples = words(u16::from_le_bytes);
            let image: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_raw(width, height, samples)?;
            DynamicImage::ImageLuma16(image)
        }
        VideoFormat::Argb64 => {
            let argb = words(u16::from_ne_bytes);
            let pixels = argb.chunks_exact(4);
            if has_alpha {
                let rgba = pixels.flat_map(|p| [p[1], p[2], p[3], p[0]]).collect();
                let image: ImageBuffer<Rgba<u16>, _> = ImageBuffer::from_raw(width, height, rgba)?;
                return Some(DynamicImage::ImageRgba16(image));
            }
            let rgb = pixels.flat_map(|p| [p[1], p[2], p[3]]).collect();
            let image: ImageBuffer<Rgb<u16>, _> = ImageBuffer::from_raw(width, height, rgb)?;
            DynamicImage::ImageRgb16(image)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_frames_and_images_again() {
        gst::init().unwrap();
        let (width, height) = (13, 7);
        let rgba = image::RgbaImage::from_fn(width, height, |x, y| {
            Rgba([x as u8 * 9, y as u8 * 20, (x * y) as u8, 255 - x as u8])
        });
        let image = DynamicImage::ImageRgba8(rgba);
        for image in [
            DynamicImage::ImageLuma8(image.to_luma8()),
            DynamicImage::ImageRgb8(image.to_rgb8()),
            image.clone(),
            DynamicImage::ImageLuma16(image.to_luma16()),
            DynamicImage::ImageRgb16(image.to_rgb16()),
            DynamicImage::ImageRgba16(image.to_rgba16()),
        ] {
            let info = VideoInfo::builder(format(&image), width, height)
                .build()
                .unwrap();
            let buffer = buffer(image.clone(), &info).unwrap();
            let frame = VideoFrameRef::from_buffer_ref_readable(&buffer, &info).unwrap();
            let again = super::image(&frame, image.color().has_alpha()).unwrap();
            assert_eq!(again, image, "{:?}", image.color());
        }
    }
}
