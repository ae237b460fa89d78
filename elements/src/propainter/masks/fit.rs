//! How a mask lies on a frame: as it is, or turned back where it was drawn on the picture that
//! players show.

use crate::propainter::masks::orientation::Turn;

/// Two aspects are the same up to this part: sizes are rounded to whole pixels and blocks.
const SAME: f64 = 0.03;

/// Less than this apart, neither way fits better than the other.
const ALIKE: f64 = 0.01;

/// A picture's size, the shape of its pixels, and what a player does with it.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub size: (usize, usize),
    /// Width to height of a pixel; 0 where it is not known.
    pub pixel: (u32, u32),
    pub shown: Turn,
}

/// Whether that is plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    AsItIs,
    Turned,
    /// Turned, though as it is it would fit as well.
    TurnedOnTrust,
    /// The aspects differ however it is turned.
    Stretched,
}

/// How to turn a mask for a frame. A mask is taken as drawn on the picture that is shown,
/// unless its aspect says that it was drawn on the picture that is stored.
pub fn fit(mask: Shape, frame: Shape) -> (Turn, Fit) {
    let back = frame.shown.inverse().after(mask.shown);
    let as_it_is = distance(mask, Turn::NONE, frame);
    if back == Turn::NONE {
        let fit = if as_it_is <= SAME {
            Fit::AsItIs
        } else {
            Fit::Stretched
        };
        return (back, fit);
    }
    let turned = distance(mask, back, frame);
    let nearest = as_it_is.min(turned);
    match as_it_is - turned {
        _ if nearest > SAME && as_it_is <= turned => (Turn::NONE, Fit::Stretched),
        _ if nearest > SAME => (back, Fit::Stretched),
        difference if difference.abs() < ALIKE => (back, Fit::TurnedOnTrust),
        difference if difference > 0.0 => (back, Fit::Turned),
        _ => (Turn::NONE, Fit::AsItIs),
    }
}

/// How far apart the aspects are, by pixels or as shown, whichever is nearer: a mask may have
/// been drawn on either.
fn distance(mask: Shape, turn: Turn, frame: Shape) -> f64 {
    let ratio = |of: (f64, f64)| of.0 / of.1;
    let pixels =
        |(width, height): (usize, usize)| (width as f64).max(1.0) / (height as f64).max(1.0);
    let pixel = |(width, height): (u32, u32)| match (width, height) {
        (0, _) | (_, 0) => 1.0,
        (width, height) => ratio((width.into(), height.into())),
    };
    let aspect = pixels(turn.size(mask.size));
    let shown = aspect
        * match turn.swaps() {
            false => pixel(mask.pixel),
            true => 1.0 / pixel(mask.pixel),
        };
    let stored = pixels(frame.size);
    let apart = |a: f64, b: f64| (a / b).ln().abs();
    apart(aspect, stored).min(apart(shown, stored * pixel(frame.pixel)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(name: &str) -> Turn {
        gst::init().unwrap();
        let mut tags = gst::TagList::new();
        tags.make_mut()
            .add::<gst::tags::ImageOrientation>(&name, gst::TagMergeMode::Replace);
        Turn::from_tags(&tags).unwrap()
    }

    fn shape(size: (usize, usize), name: &str) -> Shape {
        Shape {
            size,
            pixel: (1, 1),
            shown: turn(name),
        }
    }

    #[test]
    fn without_tags_a_mask_stays_and_its_aspect_is_judged() {
        let cases = [
            ((1920, 1080), (1920, 1080), Fit::AsItIs),
            ((1920, 1080), (480, 270), Fit::AsItIs),
            ((1920, 1080), (432, 240), Fit::AsItIs),
            ((1920, 1080), (1920, 1088), Fit::AsItIs),
            ((1920, 1080), (640, 480), Fit::Stretched),
            ((1920, 1080), (1080, 1920), Fit::Stretched),
        ];
        for (frame, mask, expected) in cases {
            let found = fit(shape(mask, "rotate-0"), shape(frame, "rotate-0"));
            assert_eq!(found, (Turn::NONE, expected), "{mask:?} on {frame:?}");
        }
    }

    #[test]
    fn a_mask_drawn_on_the_turned_picture_is_turned_back() {
        for name in [
            "rotate-90",
            "rotate-270",
            "flip-rotate-90",
            "flip-rotate-270",
        ] {
            let frame = shape((320, 240), name);
            let back = turn(name).inverse();
            for mask in [(240, 320), (480, 640), (135, 180)] {
                let found = fit(shape(mask, "rotate-0"), frame);
                assert_eq!(found, (back, Fit::Turned), "{name} {mask:?}");
            }
            let stored = fit(shape((320, 240), "rotate-0"), frame);
            assert_eq!(stored, (Turn::NONE, Fit::AsItIs), "{name}");
            let square = fit(shape((100, 100), "rotate-0"), shape((200, 200), name));
            assert_eq!(square, (back, Fit::TurnedOnTrust), "{name}");
            let other = fit(shape((200, 320), "rotate-0"), frame);
            assert_eq!(other, (back, Fit::Stretched), "the nearer way");
        }
        for name in ["rotate-180", "flip-rotate-0", "flip-rotate-180"] {
            let found = fit(shape((64, 48), "rotate-0"), shape((320, 240), name));
            assert_eq!(found, (turn(name).inverse(), Fit::TurnedOnTrust), "{name}");
        }
    }

    #[test]
    fn a_mask_with_the_frames_own_tag_stays() {
        for name in ["rotate-90", "rotate-180", "rotate-270", "flip-rotate-90"] {
            let found = fit(shape((320, 240), name), shape((320, 240), name));
            assert_eq!(found, (Turn::NONE, Fit::AsItIs), "{name}");
        }
    }

    #[test]
    fn a_mask_may_be_drawn_on_pixels_that_are_not_square() {
        let frame = Shape {
            pixel: (64, 45),
            ..shape((720, 576), "rotate-0")
        };
        for mask in [(720, 576), (1024, 576)] {
            let found = fit(shape(mask, "rotate-0"), frame);
            assert_eq!(found.1, Fit::AsItIs, "{mask:?}");
        }
        assert_eq!(fit(shape((768, 432), "rotate-0"), frame).1, Fit::AsItIs);
        assert_eq!(fit(shape((500, 500), "rotate-0"), frame).1, Fit::Stretched);
    }
}
