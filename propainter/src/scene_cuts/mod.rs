//! Detection of scene cuts.
//!
//! Each frame is reduced to a luma thumbnail of 64 cells on the longer side, and the local mean is
//! subtracted. The remaining structure keeps its shape in fades and exposure changes; only its
//! contrast varies. The thumbnail is divided into blocks. Each block with structure is compared
//! with the previous thumbnail by normalised cross-correlation, which is invariant to contrast.
//!
//! The displacement with the highest sum of correlations, up to an eighth of the longer side, is
//! taken as the camera motion. Each block may deviate slightly from it or stand still. The
//! difference of two frames is one minus the mean of the blocks' best correlations. It is near 0 in
//! pans, in slow zooms and around moving objects, and far above across a cut. Cells inside the hole
//! are ignored.
//!
//! A frame without structure (a white flash, a fade to black) cannot be compared. The next frame
//! with structure is compared with the last one before.

mod thumbnail;

use self::thumbnail::{Motion, Thumbnail};
use crate::{Frame, Mask};

/// A detector of scene cuts in a stream of frames.
#[derive(Clone, Debug)]
pub struct Detector {
    /// Difference above which two frames belong to different scenes.
    threshold: f64,
    /// Length of the shortest scene in frames.
    shortest: usize,
    /// Thumbnail of the last frame with structure.
    previous: Option<Thumbnail>,
    /// The last camera motion.
    motion: Motion,
    /// Frames since the current scene began.
    since: usize,
}

impl Detector {
    /// Creates a detector. `threshold` is a difference within 0 to 1. A cut that would end a scene
    /// of fewer than `shortest` frames is ignored.
    pub fn new(threshold: f64, shortest: usize) -> Self {
        Self {
            threshold,
            shortest,
            previous: None,
            motion: Motion::STILL,
            since: 0,
        }
    }

    /// Returns whether `frame` begins a new scene. `hole`, of any size, marks the pixels to ignore.
    pub fn begins(&mut self, frame: &Frame, hole: &Mask) -> bool {
        let difference = self.difference(frame, hole);
        let cut = difference.is_some_and(|d| d > self.threshold) && self.since >= self.shortest;
        self.since = if cut { 1 } else { self.since + 1 };
        cut
    }

    /// Returns the difference of `frame` from the last frame with structure, 0 to 1, or `None` if
    /// they cannot be compared.
    pub fn difference(&mut self, frame: &Frame, hole: &Mask) -> Option<f64> {
        let now = Thumbnail::new(frame, hole);
        if !now.has_structure() {
            return None;
        }
        let before = self.previous.replace(now);
        let (now, before) = (self.previous.as_ref()?, before?);
        let (difference, motion) = now.difference(&before, self.motion)?;
        self.motion = motion;
        Some(difference)
    }

    /// Forgets all frames, for the start of another stream.
    pub fn flush(&mut self) {
        self.previous = None;
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
    fn pixels_inside_the_hole_are_ignored() {
        let (a, b) = (Scene::new(192, 128, 3), Scene::new(192, 128, 8));
        // The hole shows another scene and covers more than half of the frame.
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
    fn frames_without_structure_begin_no_scene() {
        let plain = |grey: u8| Frame::new(96, 56, vec![grey; 3 * 96 * 56]);
        let none = Mask::empty(96, 56);
        assert_eq!(difference(&plain(20), &plain(200), &none), None);
        let scene = Scene::new(96, 56, 3);
        let mut all = none.clone();
        all.add_rectangle(0, 0, 96, 56);
        assert_eq!(difference(&scene.frame(0), &scene.frame(1), &all), None);
        // The next frame is compared with the last one before.
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
    fn a_scene_that_is_too_short_is_ignored() {
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
