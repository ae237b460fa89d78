//! Grayscale masks and the threshold that makes holes of them. The luma is kept, so that a still
//! image can be compared anew when `mask-threshold` or `mask-invert` changes.

use std::sync::Arc;

use propainter::Mask;

use crate::propainter::masks::{fit::Geometry, orientation::Orientation};

/// A grayscale mask: luma in full range, row by row.
#[derive(Debug, PartialEq, Eq)]
pub struct GrayMask {
    width: usize,
    height: usize,
    luma: Vec<u8>,
    info: GrayMaskInfo,
}

/// What is known of a grayscale mask besides its luma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrayMaskInfo {
    /// Luma up to this value may be the noise of a codec on black.
    pub noise: u8,
    /// How players and viewers show the mask.
    pub orientation: Orientation,
    /// Pixel aspect ratio, width to height; 0 where it is not known.
    pub pixel_aspect: (u32, u32),
    /// The mask is the only one of its source.
    pub still: bool,
    /// The mask had alpha that is not used.
    pub unused_alpha: bool,
}

impl GrayMask {
    /// Returns the mask with this luma, row by row without padding.
    pub fn new(width: usize, height: usize, luma: Vec<u8>, info: GrayMaskInfo) -> Self {
        Self {
            width,
            height,
            luma,
            info,
        }
    }

    /// Returns what is known of the mask besides its luma.
    pub fn info(&self) -> &GrayMaskInfo {
        &self.info
    }

    #[cfg(test)]
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }

    /// Returns the size and the orientation of the mask.
    pub fn geometry(&self) -> Geometry {
        Geometry {
            size: (self.width, self.height),
            pixel_aspect: self.info.pixel_aspect,
            orientation: self.info.orientation,
        }
    }

    fn binarize(&self, threshold: Threshold, orientation: Orientation) -> Mask {
        let hole = |luma| u8::from(threshold.is_hole(luma, self.info.noise));
        let size = (self.width, self.height);
        let ((width, height), hole) = orientation.apply(&self.luma, size, hole);
        Mask::from_luma(width, height, hole)
    }
}

/// Which luma is hole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Threshold {
    /// Luma above it is hole.
    pub level: u8,
    /// All other luma is hole instead.
    pub invert: bool,
}

impl Threshold {
    /// Returns whether luma is hole. Level 0 stands for all luma but black and the `noise` on it.
    fn is_hole(self, luma: u8, noise: u8) -> bool {
        let level = match self.level {
            0 => noise,
            level => level,
        };
        (luma > level) != self.invert
    }
}

/// How much of a frame a mask covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    Empty,
    Partial,
    Full,
}

impl Coverage {
    /// Returns how much of a frame `mask` covers.
    pub fn of(mask: &Mask) -> Self {
        match (mask.hole().contains(&1), mask.hole().contains(&0)) {
            (false, _) => Self::Empty,
            (true, true) => Self::Partial,
            (true, false) => Self::Full,
        }
    }
}

/// Applies thresholds, and the same one to the same mask only once.
#[derive(Default)]
pub struct ThresholdCache(Option<CachedMask>);

struct CachedMask {
    from: (Arc<GrayMask>, Threshold, Orientation),
    mask: Arc<Mask>,
    coverage: Coverage,
}

impl ThresholdCache {
    /// Returns the mask that `threshold` makes of `gray`, laid on the frame by `orientation`.
    pub fn apply(
        &mut self,
        gray: &Arc<GrayMask>,
        threshold: Threshold,
        orientation: Orientation,
    ) -> (Arc<Mask>, Coverage) {
        let same = |cached: &&CachedMask| {
            let (of, by, oriented) = &cached.from;
            Arc::ptr_eq(of, gray) && (*by, *oriented) == (threshold, orientation)
        };
        if let Some(cached) = self.0.as_ref().filter(same) {
            return (cached.mask.clone(), cached.coverage);
        }
        let mask = Arc::new(gray.binarize(threshold, orientation));
        let cached = self.0.insert(CachedMask {
            from: (gray.clone(), threshold, orientation),
            coverage: Coverage::of(&mask),
            mask,
        });
        (cached.mask.clone(), cached.coverage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_above_the_threshold_is_hole_or_inverted_all_other_luma() {
        let gray = Arc::new(GrayMask::new(
            5,
            1,
            vec![0, 1, 127, 128, 255],
            GrayMaskInfo::default(),
        ));
        let mut cache = ThresholdCache::default();
        for (level, hole) in [
            (0, [0, 1, 1, 1, 1]),
            (1, [0, 0, 1, 1, 1]),
            (127, [0, 0, 0, 1, 1]),
            (254, [0, 0, 0, 0, 1]),
            (255, [0, 0, 0, 0, 0]),
        ] {
            for invert in [false, true] {
                let threshold = Threshold { level, invert };
                let (mask, coverage) = cache.apply(&gray, threshold, Orientation::IDENTITY);
                assert_eq!(mask.hole(), hole.map(|h| h ^ u8::from(invert)));
                let (again, _) = cache.apply(&gray, threshold, Orientation::IDENTITY);
                assert!(Arc::ptr_eq(&mask, &again), "computed once");
                let expected = match (level, invert) {
                    (255, false) => Coverage::Empty,
                    (255, true) => Coverage::Full,
                    _ => Coverage::Partial,
                };
                assert_eq!(coverage, expected);
            }
        }
    }

    #[test]
    fn codec_noise_is_black_unless_a_threshold_is_set() {
        let info = GrayMaskInfo {
            noise: 63,
            ..GrayMaskInfo::default()
        };
        let gray = Arc::new(GrayMask::new(4, 1, vec![0, 63, 64, 255], info));
        let mut cache = ThresholdCache::default();
        for (level, invert, hole) in [
            (0, false, [0, 0, 1, 1]),
            (0, true, [1, 1, 0, 0]),
            (1, false, [0, 1, 1, 1]),
            (100, false, [0, 0, 0, 1]),
        ] {
            let threshold = Threshold { level, invert };
            let (mask, _) = cache.apply(&gray, threshold, Orientation::IDENTITY);
            assert_eq!(mask.hole(), hole, "{level} {invert}");
        }
    }
}
