//! How a mask is laid on a frame: as it is stored, or rotated back if it was drawn on the image
//! that players show.

use crate::propainter::masks::orientation::Orientation;

/// Aspects that differ by no more than this fraction are the same: sizes are rounded to whole
/// pixels and blocks.
const SAME: f64 = 0.03;

/// If the two ways differ by less than this, neither fits better than the other.
const ALIKE: f64 = 0.01;

/// The size of an image, the shape of its pixels, and how players show it.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Width and height in pixels.
    pub size: (usize, usize),
    /// Pixel aspect ratio, width to height; 0 where it is not known.
    pub pixel_aspect: (u32, u32),
    pub orientation: Orientation,
}

/// Returns a pixel aspect ratio, width to height, with 0 in place of a number that is not positive.
pub fn pixel_aspect(ratio: gst::Fraction) -> (u32, u32) {
    let positive = |number| u32::try_from(number).unwrap_or(0);
    (positive(ratio.numer()), positive(ratio.denom()))
}

/// How a mask fits a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// As it is stored.
    AsStored,
    /// After the rotation that the orientation tags imply.
    Rotated,
    /// After that rotation, although it would fit as it is stored, too.
    RotatedByTag,
    /// Not at all: the aspects differ either way.
    Stretched,
}

/// Returns how to rotate a mask for a frame. The mask is assumed to be drawn on the image that
/// players show, unless its aspect tells that it was drawn on the image as it is stored.
pub fn fit(mask: Geometry, frame: Geometry) -> (Orientation, Fit) {
    let back = frame.orientation.inverse().after(mask.orientation);
    let as_stored = distance(mask, Orientation::IDENTITY, frame);
    if back == Orientation::IDENTITY {
        let fit = if as_stored <= SAME {
            Fit::AsStored
        } else {
            Fit::Stretched
        };
        return (back, fit);
    }
    let rotated = distance(mask, back, frame);
    let nearest = as_stored.min(rotated);
    match as_stored - rotated {
        _ if nearest > SAME && as_stored <= rotated => (Orientation::IDENTITY, Fit::Stretched),
        _ if nearest > SAME => (back, Fit::Stretched),
        difference if difference.abs() < ALIKE => (back, Fit::RotatedByTag),
        difference if difference > 0.0 => (back, Fit::Rotated),
        _ => (Orientation::IDENTITY, Fit::AsStored),
    }
}

/// Returns how far apart the aspects are, in pixels or as shown, whichever is nearer: a mask may
/// have been drawn on either.
fn distance(mask: Geometry, orientation: Orientation, frame: Geometry) -> f64 {
    let ratio = |of: (f64, f64)| of.0 / of.1;
    let pixels =
        |(width, height): (usize, usize)| (width as f64).max(1.0) / (height as f64).max(1.0);
    let pixel_aspect = |(width, height): (u32, u32)| match (width, height) {
        (0, _) | (_, 0) => 1.0,
        (width, height) => ratio((width.into(), height.into())),
    };
    let aspect = pixels(orientation.size(mask.size));
    let shown = aspect
        * match orientation.swaps_sides() {
            false => pixel_aspect(mask.pixel_aspect),
            true => 1.0 / pixel_aspect(mask.pixel_aspect),
        };
    let stored = pixels(frame.size);
    let apart = |a: f64, b: f64| (a / b).ln().abs();
    apart(aspect, stored).min(apart(shown, stored * pixel_aspect(frame.pixel_aspect)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orientation(name: &str) -> Orientation {
        gst::init().unwrap();
        let mut tags = gst::TagList::new();
        tags.make_mut()
            .add::<gst::tags::ImageOrientation>(&name, gst::TagMergeMode::Replace);
        Orientation::from_tags(&tags).unwrap()
    }

    fn geometry(size: (usize, usize), name: &str) -> Geometry {
        Geometry {
            size,
            pixel_aspect: (1, 1),
            orientation: orientation(name),
        }
    }

    #[test]
    fn without_tags_a_mask_stays_and_its_aspect_is_checked() {
        let cases = [
            ((1920, 1080), (1920, 1080), Fit::AsStored),
            ((1920, 1080), (480, 270), Fit::AsStored),
            ((1920, 1080), (432, 240), Fit::AsStored),
            ((1920, 1080), (1920, 1088), Fit::AsStored),
            ((1920, 1080), (640, 480), Fit::Stretched),
            ((1920, 1080), (1080, 1920), Fit::Stretched),
        ];
        for (frame, mask, expected) in cases {
            let found = fit(geometry(mask, "rotate-0"), geometry(frame, "rotate-0"));
            assert_eq!(
                found,
                (Orientation::IDENTITY, expected),
                "{mask:?} on {frame:?}"
            );
        }
    }

    #[test]
    fn a_mask_drawn_on_the_rotated_image_is_rotated_back() {
        for name in [
            "rotate-90",
            "rotate-270",
            "flip-rotate-90",
            "flip-rotate-270",
        ] {
            let frame = geometry((320, 240), name);
            let back = orientation(name).inverse();
            for mask in [(240, 320), (480, 640), (135, 180)] {
                let found = fit(geometry(mask, "rotate-0"), frame);
                assert_eq!(found, (back, Fit::Rotated), "{name} {mask:?}");
            }
            let stored = fit(geometry((320, 240), "rotate-0"), frame);
            assert_eq!(stored, (Orientation::IDENTITY, Fit::AsStored), "{name}");
            let square = fit(geometry((100, 100), "rotate-0"), geometry((200, 200), name));
            assert_eq!(square, (back, Fit::RotatedByTag), "{name}");
            let other = fit(geometry((200, 320), "rotate-0"), frame);
            assert_eq!(other, (back, Fit::Stretched), "the nearer way");
        }
        for name in ["rotate-180", "flip-rotate-0", "flip-rotate-180"] {
            let found = fit(geometry((64, 48), "rotate-0"), geometry((320, 240), name));
            assert_eq!(
                found,
                (orientation(name).inverse(), Fit::RotatedByTag),
                "{name}"
            );
        }
    }

    #[test]
    fn a_mask_with_the_frames_own_tag_stays() {
        for name in ["rotate-90", "rotate-180", "rotate-270", "flip-rotate-90"] {
            let found = fit(geometry((320, 240), name), geometry((320, 240), name));
            assert_eq!(found, (Orientation::IDENTITY, Fit::AsStored), "{name}");
        }
    }

    #[test]
    fn a_mask_may_be_drawn_on_pixels_that_are_not_square() {
        let frame = Geometry {
            pixel_aspect: (64, 45),
            ..geometry((720, 576), "rotate-0")
        };
        for mask in [(720, 576), (1024, 576)] {
            let found = fit(geometry(mask, "rotate-0"), frame);
            assert_eq!(found.1, Fit::AsStored, "{mask:?}");
        }
        assert_eq!(
            fit(geometry((768, 432), "rotate-0"), frame).1,
            Fit::AsStored
        );
        assert_eq!(
            fit(geometry((500, 500), "rotate-0"), frame).1,
            Fit::Stretched
        );
    }
}
