//! Gray pictures, and where they are cut into hole and rest. Their luma is kept, so that a
//! still picture can be cut anew when `mask-threshold` or `mask-invert` changes.

use std::sync::Arc;

use propainter::Mask;

/// Luma in full range, row by row.
#[derive(Debug, PartialEq, Eq)]
pub struct Gray {
    width: usize,
    height: usize,
    luma: Vec<u8>,
}

impl Gray {
    pub fn new(width: usize, height: usize, luma: Vec<u8>) -> Self {
        Self {
            width,
            height,
            luma,
        }
    }

    fn cut(&self, cut: Cut) -> Mask {
        let hole = self.luma.iter().map(|&luma| u8::from(cut.is_hole(luma)));
        Mask::from_luma(self.width, self.height, hole.collect())
    }
}

/// Which luma is hole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    pub threshold: u8,
    /// What is not above the threshold, in place of what is.
    pub invert: bool,
}

impl Cut {
    fn is_hole(self, luma: u8) -> bool {
        (luma > self.threshold) != self.invert
    }
}

/// Cuts pictures, and the same one in the same way once only.
#[derive(Default)]
pub struct Cutter(Option<(Arc<Gray>, Cut, Arc<Mask>)>);

impl Cutter {
    pub fn cut(&mut self, gray: &Arc<Gray>, cut: Cut) -> Arc<Mask> {
        let last = self.0.as_ref();
        if let Some((_, _, mask)) = last.filter(|(g, c, _)| Arc::ptr_eq(g, gray) && *c == cut) {
            return mask.clone();
        }
        let mask = Arc::new(gray.cut(cut));
        self.0 = Some((gray.clone(), cut, mask.clone()));
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_the_threshold_is_hole_or_what_is_not() {
        let gray = Arc::new(Gray::new(5, 1, vec![0, 1, 127, 128, 255]));
        let mut cutter = Cutter::default();
        for (threshold, hole) in [
            (0, [0, 1, 1, 1, 1]),
            (1, [0, 0, 1, 1, 1]),
            (127, [0, 0, 0, 1, 1]),
            (254, [0, 0, 0, 0, 1]),
            (255, [0, 0, 0, 0, 0]),
        ] {
            for invert in [false, true] {
                let cut = Cut { threshold, invert };
                let mask = cutter.cut(&gray, cut);
                assert_eq!(mask.hole(), hole.map(|h| h ^ u8::from(invert)));
                assert!(Arc::ptr_eq(&mask, &cutter.cut(&gray, cut)), "cut once");
            }
        }
    }
}
