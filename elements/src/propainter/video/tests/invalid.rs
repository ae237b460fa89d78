//! Buffers that do not fit their caps.

use super::*;

#[test]
fn buffers_that_do_not_fit_their_caps_are_errors() {
    gst::init().unwrap();
    for format in FORMATS {
        let info = info(format, (16, 8));
        let converter = Converter::new(&info).unwrap();
        // Bytes after the last sample of the last row are not needed.
        let padding = match format {
            // Two groups of six pixels, and four pixels in 11 bytes.
            VideoFormat::V210 => 128 - (2 * 16 + 11),
            _ => 0,
        };
        for length in [0, 1, info.size() - padding - 1] {
            let small = gst::Buffer::from_mut_slice(vec![0u8; length]);
            let Err(error) = converter.read(&small) else {
                panic!("{format} of {length} bytes is read");
            };
            let error = error.to_string();
            assert!(error.contains("16x8"), "{error}");
        }
        // A meta that lies about a plane's place, and one of another size.
        for (width, offset, stride) in [
            (16, usize::MAX, 16),
            (16, 0, i32::MAX),
            (16, 0, -64),
            (16, 0, 0),
            (8, 0, 512),
        ] {
            let mut buffer = gst::Buffer::from_mut_slice(vec![0u8; info.size()]);
            let planes = info.n_planes() as usize;
            let meta = VideoMeta::add_full(
                buffer.get_mut().unwrap(),
                VideoFrameFlags::empty(),
                format,
                width,
                8,
                &vec![offset; planes],
                &vec![stride; planes],
            );
            if meta.is_ok() {
                assert!(
                    converter.read(&buffer).is_err(),
                    "{format} {width} {offset} {stride}"
                );
            }
        }
    }
}
