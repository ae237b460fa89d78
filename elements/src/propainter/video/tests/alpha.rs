//! Holes by alpha.

use super::{spots::*, *};

fn with_alpha() -> impl Iterator<Item = VideoFormat> {
    gst::init().unwrap();
    let alpha = |&format: &VideoFormat| info(format, (1, 1)).n_components() == 4;
    FORMATS.into_iter().filter(alpha)
}

/// One pixel for each alpha of up to 10 bits, and a choice of those of more.
fn ramp(format: VideoFormat) -> (Arc<Converter>, gst::Buffer, Vec<u32>) {
    gst::init().unwrap();
    let most = (1u32 << info(format, (1, 1)).comp_depth(3)) - 1;
    let alphas: Vec<u32> = match most {
        0..1024 => (0..=most).collect(),
        _ => (0..1024).chain((most - 1023)..=most).collect(),
    };
    let info = info(format, (alphas.len() as u32, 2));
    let mut source = buffer(&info, 0, 3);
    let spots = spots(&info, &source, 3);
    let mut map = source.get_mut().unwrap().map_writable().unwrap();
    for (spot, &alpha) in spots.iter().zip(alphas.iter().chain(&alphas)) {
        spot.put(&mut map, alpha);
    }
    drop(map);
    (Arc::new(Converter::new(&info).unwrap()), source, alphas)
}

#[test]
fn what_lets_more_than_the_threshold_through_is_hole_and_becomes_opaque() {
    for format in with_alpha() {
        for threshold in [0u8, 1, 100, 254, 255] {
            let (converter, source, alphas) = ramp(format);
            let info = converter.info().clone();
            let converter = converter.with_alpha_threshold(Some(threshold));
            let hole = converter.alpha_mask(&source).unwrap();
            let (width, most) = (alphas.len(), (1u32 << info.comp_depth(3)) - 1);
            let is_hole = |alpha: u32| (most - alpha) * 255 > u32::from(threshold) * most;
            let row = alphas.iter().map(|&alpha| u8::from(is_hole(alpha)));
            let expected: Vec<u8> = row.clone().chain(row).collect();
            match &hole {
                Some(hole) => assert_eq!(hole.hole(), expected, "{format} {threshold}"),
                None => assert_eq!(threshold, 255),
            }
            // The hole is larger than what alpha says; the first two columns are no hole.
            let mut wide = vec![1; 2 * width];
            for row in wide.chunks_mut(width) {
                row[..2].fill(0);
            }
            let done = InpaintedFrame {
                frame: Frame::new(width, 2, vec![50; 6 * width]),
                hole: Mask::from_luma(width, 2, wide),
            };
            let mut out = source.copy_deep().unwrap();
            converter.write(out.get_mut().unwrap(), &done).unwrap();
            let (mut before, mut after) = (bytes(&source), bytes(&out));
            for spot in spots(&info, &source, 3) {
                let alpha = spot.get(&before);
                let opaque = spot.is_hole(&done.hole) && is_hole(alpha);
                let expected = if opaque { most } else { alpha };
                assert_eq!(spot.get(&after), expected, "{format} {threshold}");
                spot.put(&mut after, alpha);
            }
            // Colours change where the hole is, and nothing else.
            for component in 0..3 {
                for spot in spots(&info, &source, component) {
                    if spot.is_hole(&done.hole) {
                        spot.put(&mut before, 0);
                        spot.put(&mut after, 0);
                    }
                }
            }
            assert!(before == after, "{format} {threshold}");
        }
    }
}

#[test]
fn without_alpha_or_a_threshold_nothing_is_transparent() {
    for format in with_alpha() {
        let (converter, source, _) = ramp(format);
        assert!(converter.has_alpha());
        assert_eq!(converter.alpha_mask(&source).unwrap(), None);
    }
    for format in [VideoFormat::Bgrx, VideoFormat::Xrgb, VideoFormat::I420] {
        let info = info(format, (16, 8));
        let converter = Arc::new(Converter::new(&info).unwrap());
        let same = converter.with_alpha_threshold(Some(0));
        assert!(Arc::ptr_eq(&converter, &same));
        assert!(!same.has_alpha());
        let source = buffer(&info, 0, 3);
        assert_eq!(same.alpha_mask(&source).unwrap(), None);
    }
}
