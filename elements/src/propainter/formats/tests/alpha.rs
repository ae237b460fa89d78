//! Holes by alpha.

use super::*;

/// One pixel for each alpha.
fn ramp(format: VideoFormat) -> (Arc<Converter>, gst::Buffer) {
    gst::init().unwrap();
    let info = info(format, (256, 1));
    let pixels = (0..=255u8).flat_map(|alpha| [9, 8, 7, alpha]);
    let buffer = gst::Buffer::from_mut_slice(pixels.collect::<Vec<_>>());
    (Arc::new(Converter::new(&info).unwrap()), buffer)
}

#[test]
fn what_lets_more_than_the_threshold_through_is_hole_and_becomes_opaque() {
    for format in [VideoFormat::Rgba, VideoFormat::Bgra] {
        for threshold in [0u8, 1, 100, 254, 255] {
            let (converter, buffer) = ramp(format);
            let converter = converter.see_through(Some(threshold));
            let hole = converter.transparent(&buffer).unwrap();
            let expected: Vec<u8> = (0..256)
                .map(|alpha| u8::from(255 - alpha > i32::from(threshold)))
                .collect();
            match &hole {
                Some(hole) => assert_eq!(hole.hole(), expected),
                None => assert_eq!(threshold, 255),
            }
            // The hole is larger than what alpha says; the first two pixels are no hole.
            let mut wide = vec![1; 256];
            wide[..2].fill(0);
            let done = Done {
                frame: Frame::new(256, 1, vec![50; 3 * 256]),
                hole: Mask::from_luma(256, 1, wide),
            };
            let mut out = buffer.copy_deep().unwrap();
            converter.write(out.get_mut().unwrap(), &done).unwrap();
            for (i, pixel) in bytes(&out).chunks(4).enumerate() {
                let alpha = i as u8;
                let expected = match (i, 255 - alpha > threshold) {
                    (0 | 1, _) => [9, 8, 7, alpha],
                    (_, true) => [50, 50, 50, 255],
                    (_, false) => [50, 50, 50, alpha],
                };
                assert_eq!(pixel, expected, "{format} {threshold}");
            }
        }
    }
}

#[test]
fn without_alpha_or_a_threshold_nothing_is_transparent() {
    let (converter, buffer) = ramp(VideoFormat::Rgba);
    assert_eq!(converter.transparent(&buffer).unwrap(), None);
    for format in [VideoFormat::Bgrx, VideoFormat::Rgbx] {
        let (converter, buffer) = ramp(format);
        let same = converter.see_through(Some(0));
        assert!(Arc::ptr_eq(&converter, &same));
        assert_eq!(same.transparent(&buffer).unwrap(), None);
    }
}
