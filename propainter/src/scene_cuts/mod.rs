//! Where one scene ends and another begins.
//!
//! Both pictures are brought to a thumbnail of luma, 64 cells on the longer side, less the mean
//! around each cell: what is left is structure, which neither a fade nor a swing of exposure
//! changes but in strength. The thumbnail is cut into blocks, and each that has structure is
//! compared with the thumbnail before, by correlation, which strength does not change either. The
//! displacement, up to an eighth of the longer side, at which most is found again is the
//! camera's; each block may then be a little off it, or where it was. The difference of two
//! pictures is one less the mean of the blocks' best correlations: 0 where all is found again, as
//! in pans, slow zooms and around moving objects; far above where nothing is. Cells in the hole do
//! not count.
//!
//! A picture without structure (a white flash, a fade's black) says nothing: the next one that
//! has some is compared with the last one that had.

mod thumbnail;

use self::thumbnail::Thumbnail;
use crate::{Frame, Mask};

/// Looks at a stream's frames, one by one.
#[derive(Clone, Debug)]
pub struct Detector {
    /// The difference from which on two frames are of two scenes.
    threshold: f64,
    /// Frames of the shortest scene.
    shortest: usize,
    /// The last picture with structure.
    before: Option<Thumbnail>,
    /// Frames since the scene began.
    since: usize,
}

impl Detector {
    /// `threshold` is within 0 to 1. A scene of fewer than `shortest` frames is none: it goes
    /// with the one after it.
    pub fn new(threshold: f64, shortest: usize) -> Self {
        Self {
            threshold,
            shortest,
            before: None,
            since: 0,
        }
    }

    /// Whether `frame` begins a scene. `hole`, of any size, is where it shows something else.
    pub fn begins(&mut self, frame: &Frame, hole: &Mask) -> bool {
        let difference = self.difference(frame, hole);
        let cut = difference.is_some_and(|d| d > self.threshold) && self.since >= self.shortest;
        self.since = if cut { 1 } else { self.since + 1 };
        cut
    }

    /// How different `frame` is from the last one that had structure, 0 to 1; `None` where
    /// nothing can be compared.
    pub fn difference(&mut self, frame: &Frame, hole: &Mask) -> Option<f64> {
        let now = Thumbnail::new(frame, hole);
        if !now.telling() {
            return None;
        }
        let before = self.before.replace(now);
        let (now, before) = (self.before.as_ref()?, before?);
        now.difference(&before)
    }

    /// Forgets all frames: another stream begins.
    pub fn flush(&mut self) {
        self.before = None;
        self.since = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Scene;

    fn difference(a: &Frame, b: &Frame, hole: &Mask) -> Option<f64> {
        let mut detector = Detector::new(0.45, 3);
        assert_eq!(detector.difference(a, hole), None, "there is none before");
        detector.difference(b, hole)
    }

    #[test]
    fn two_scenes_differ_and_one_does_not() {
        let (a, b) = (Scene::new(192, 128, 3), Scene::new(192, 128, 8));
        let none = Mask::empty(192, 128);
        let within = difference(&a.frame(4), &a.frame(5), &none);
        let between = difference(&a.frame(4), &b.frame(5), &none);
        println!("within {within:?}, between {between:?}");
        assert!(within.is_some_and(|d| d < 0.2) && between.is_some_and(|d| d > 0.45));
        assert_eq!(difference(&a.frame(4), &a.frame(4), &none), Some(0.0));
    }

    #[test]
    fn what_the_hole_shows_does_not_count() {
        let (a, b) = (Scene::new(192, 128, 3), Scene::new(192, 128, 8));
        // The hole shows another scene, and covers the half of the picture and more.
        let mut hole = Mask::empty(96, 64);
        hole.add_rectangle(10, 6, 70, 50);
        let wide = hole.resized(192, 128);
        let (clean, mut covered) = (a.truth(0), a.truth(0));
        let other = b.truth(0);
        let pixels = covered.rgb_mut().chunks_exact_mut(3);
        for ((pixel, other), &hole) in pixels.zip(other.rgb().chunks_exact(3)).zip(wide.hole()) {
            if hole == 1 {
                pixel.copy_from_slice(other);
            }
        }
        let counted = difference(&clean, &covered, &Mask::empty(192, 128));
        let known = difference(&clean, &covered, &hole);
        println!("counted {counted:?}, known {known:?}");
        assert!(counted.is_some_and(|d| d > 0.2) && known.is_some_and(|d| d < 0.02));
    }

    #[test]
    fn pictures_that_say_nothing_are_no_scene() {
        let plain = |grey: u8| Frame::new(96, 56, vec![grey; 3 * 96 * 56]);
        let none = Mask::empty(96, 56);
        assert_eq!(difference(&plain(20), &plain(200), &none), None);
        let scene = Scene::new(96, 56, 3);
        let mut all = none.clone();
        all.add_rectangle(0, 0, 96, 56);
        assert_eq!(difference(&scene.frame(0), &scene.frame(1), &all), None);
        // What comes after is compared with what was before.
        let mut detector = Detector::new(0.45, 3);
        detector.difference(&scene.frame(0), &none);
        assert_eq!(detector.difference(&plain(255), &none), None);
        let after = detector.difference(&scene.frame(2), &none);
        assert!(after.is_some_and(|d| d < 0.3), "{after:?}");
        for (width, height) in [(1, 1), (2, 3), (300, 2), (3, 500)] {
            let scene = Scene::new(width, height, 1);
            let none = Mask::empty(width, height);
            let found = difference(&scene.frame(0), &scene.frame(0), &none);
            assert!(
                found.is_none_or(|d| d < 0.01),
                "{width}x{height}: {found:?}"
            );
        }
    }

    #[test]
    fn a_scene_that_is_too_short_is_none() {
        let scenes = [3, 8, 5].map(|seed| Scene::new(192, 128, seed));
        let begun = |lengths: [usize; 3]| {
            let mut detector = Detector::new(0.45, 4);
            let none = Mask::empty(192, 128);
            let frames = scenes.iter().zip(lengths);
            let frames = frames.flat_map(|(scene, length)| (0..length).map(|t| scene.frame(t)));
            let begins = frames.map(|frame| detector.begins(&frame, &none));
            let begins: Vec<bool> = begins.collect();
            let all = begins.iter().enumerate().filter(|(_, begins)| **begins);
            all.map(|(t, _)| t).collect::<Vec<_>>()
        };
        assert_eq!(begun([5, 4, 5]), [5, 9]);
        assert_eq!(begun([5, 3, 5]), [5]);
        assert_eq!(begun([3, 4, 5]), [7]);
    }
}
