//! Gray pictures, and where they are cut into hole and rest. Their luma is kept, so that a
//! still picture can be cut anew when `mask-threshold` or `mask-invert` changes.

use std::sync::Arc;

use propainter::Mask;

use crate::propainter::masks::{fit::Shape, orientation::Turn};

/// Luma in full range, row by row.
#[derive(Debug, PartialEq, Eq)]
pub struct Gray {
    width: usize,
    height: usize,
    luma: Vec<u8>,
    about: About,
}

/// What is known of a gray picture besides its luma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Up to this luma it is a codec's noise on black.
    pub noise: u8,
    /// What a player or a viewer does with it.
    pub shown: Turn,
    /// Width to height of a pixel; 0 where it is not known.
    pub pixel: (u32, u32),
    /// It is its source's only one.
    pub still: bool,
    /// It had alpha, which is not what it is made of.
    pub unused_alpha: bool,
}

impl Gray {
    pub fn new(width: usize, height: usize, luma: Vec<u8>, about: About) -> Self {
        Self {
            width,
            height,
            luma,
            about,
        }
    }

    pub fn about(&self) -> &About {
        &self.about
    }

    #[cfg(test)]
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }

    pub fn shape(&self) -> Shape {
        Shape {
            size: (self.width, self.height),
            pixel: self.about.pixel,
            shown: self.about.shown,
        }
    }

    fn cut(&self, cut: Cut, turn: Turn) -> Mask {
        let hole = |luma| u8::from(cut.is_hole(luma, self.about.noise));
        let ((width, height), hole) = turn.turned(&self.luma, (self.width, self.height), hole);
        Mask::from_luma(width, height, hole)
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
    /// A threshold of 0 means all but black, however noisy that is.
    fn is_hole(self, luma: u8, noise: u8) -> bool {
        let threshold = match self.threshold {
            0 => noise,
            threshold => threshold,
        };
        (luma > threshold) != self.invert
    }
}

/// How much of a picture is hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Nothing,
    Part,
    Everything,
}

impl Extent {
    pub fn of(mask: &Mask) -> Self {
        match (mask.hole().contains(&1), mask.hole().contains(&0)) {
            (false, _) => Self::Nothing,
            (true, true) => Self::Part,
            (true, false) => Self::Everything,
        }
    }
}

/// Cuts pictures, and the same one in the same way once only.
#[derive(Default)]
pub struct Cutter(Option<Made>);

struct Made {
    from: (Arc<Gray>, Cut, Turn),
    mask: Arc<Mask>,
    extent: Extent,
}

impl Cutter {
    pub fn cut(&mut self, gray: &Arc<Gray>, cut: Cut, turn: Turn) -> (Arc<Mask>, Extent) {
        let same = |made: &&Made| {
            let (of, by, turned) = &made.from;
            Arc::ptr_eq(of, gray) && (*by, *turned) == (cut, turn)
        };
        if let Some(made) = self.0.as_ref().filter(same) {
            return (made.mask.clone(), made.extent);
        }
        let mask = Arc::new(gray.cut(cut, turn));
        let made = self.0.insert(Made {
            from: (gray.clone(), cut, turn),
            extent: Extent::of(&mask),
            mask,
        });
        (made.mask.clone(), made.extent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_the_threshold_is_hole_or_what_is_not() {
        let gray = Arc::new(Gray::new(5, 1, vec![0, 1, 127, 128, 255], About::default()));
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
                let (mask, extent) = cutter.cut(&gray, cut, Turn::NONE);
                assert_eq!(mask.hole(), hole.map(|h| h ^ u8::from(invert)));
                let (again, _) = cutter.cut(&gray, cut, Turn::NONE);
                assert!(Arc::ptr_eq(&mask, &again), "cut once");
                let expected = match (threshold, invert) {
                    (255, false) => Extent::Nothing,
                    (255, true) => Extent::Everything,
                    _ => Extent::Part,
                };
                assert_eq!(extent, expected);
            }
        }
    }

    #[test]
    fn a_codecs_noise_is_black_unless_a_threshold_says_otherwise() {
        let about = About {
            noise: 63,
            ..About::default()
        };
        let gray = Arc::new(Gray::new(4, 1, vec![0, 63, 64, 255], about));
        let mut cutter = Cutter::default();
        for (threshold, invert, hole) in [
            (0, false, [0, 0, 1, 1]),
            (0, true, [1, 1, 0, 0]),
            (1, false, [0, 1, 1, 1]),
            (100, false, [0, 0, 0, 1]),
        ] {
            let (mask, _) = cutter.cut(&gray, Cut { threshold, invert }, Turn::NONE);
            assert_eq!(mask.hole(), hole, "{threshold} {invert}");
        }
    }
}
