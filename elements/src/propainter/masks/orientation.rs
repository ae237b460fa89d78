//! Rotations and flips: the orientation tag of a stream and the Exif data of an image.

use gst::prelude::*;
use gst_video::VideoOrientationMethod;
use image::metadata::Orientation as ExifOrientation;

/// Largest number of upstream elements that are searched.
const FAR: usize = 100;

/// One of the eight orientations of an image, as a matrix that maps a point, relative to the centre
/// and with y downwards, to the place where players show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation([[i8; 2]; 2]);

impl Orientation {
    pub const IDENTITY: Self = Self([[1, 0], [0, 1]]);
    const ROTATE_90: Self = Self([[0, -1], [1, 0]]);
    const ROTATE_180: Self = Self([[-1, 0], [0, -1]]);
    const ROTATE_270: Self = Self([[0, 1], [-1, 0]]);
    const FLIP_HORIZONTAL: Self = Self([[-1, 0], [0, 1]]);
    const FLIP_VERTICAL: Self = Self([[1, 0], [0, -1]]);
    const TRANSPOSE: Self = Self([[0, 1], [1, 0]]);
    const ANTI_TRANSPOSE: Self = Self([[0, -1], [-1, 0]]);

    /// Returns how players show a stream with these tags; `None` if the tags do not say.
    pub fn from_tags(tags: &gst::TagListRef) -> Option<Self> {
        Some(match VideoOrientationMethod::from_tag(tags)? {
            VideoOrientationMethod::_90r => Self::ROTATE_90,
            VideoOrientationMethod::_180 => Self::ROTATE_180,
            VideoOrientationMethod::_90l => Self::ROTATE_270,
            VideoOrientationMethod::Horiz => Self::FLIP_HORIZONTAL,
            VideoOrientationMethod::Vert => Self::FLIP_VERTICAL,
            VideoOrientationMethod::UlLr => Self::TRANSPOSE,
            VideoOrientationMethod::UrLl => Self::ANTI_TRANSPOSE,
            _ => Self::IDENTITY,
        })
    }

    /// Returns the orientation of the video at `pad`; see [`from_tags`](Self::from_tags). An element
    /// upstream may have rotated the video and left the tags as they were (`videoflip` before
    /// GStreamer 1.24): then it is the identity.
    pub fn of_pad(pad: &gst::Pad, tags: &gst::TagListRef) -> Option<Self> {
        let orientation = Self::from_tags(tags)?;
        let applied = orientation != Self::IDENTITY
            && elements_before(pad).any(|element| applies_tags(&element));
        Some(if applied { Self::IDENTITY } else { orientation })
    }

    /// Returns how viewers show an image with this Exif orientation.
    pub fn from_exif(orientation: ExifOrientation) -> Self {
        match orientation {
            ExifOrientation::NoTransforms => Self::IDENTITY,
            ExifOrientation::Rotate90 => Self::ROTATE_90,
            ExifOrientation::Rotate180 => Self::ROTATE_180,
            ExifOrientation::Rotate270 => Self::ROTATE_270,
            ExifOrientation::FlipHorizontal => Self::FLIP_HORIZONTAL,
            ExifOrientation::FlipVertical => Self::FLIP_VERTICAL,
            ExifOrientation::Rotate90FlipH => Self::TRANSPOSE,
            ExifOrientation::Rotate270FlipH => Self::ANTI_TRANSPOSE,
        }
    }

    /// Returns the orientation that undoes this one.
    pub fn inverse(self) -> Self {
        let [[a, b], [c, d]] = self.0;
        Self([[a, c], [b, d]])
    }

    /// Returns the orientation that applies `first`, then this one.
    pub fn after(self, first: Self) -> Self {
        let entry =
            |row: [i8; 2], column: usize| row[0] * first.0[0][column] + row[1] * first.0[1][column];
        Self(self.0.map(|row| [entry(row, 0), entry(row, 1)]))
    }

    /// Returns whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        self.0[0][0] == 0
    }

    /// Returns the size of an image of size `width` by `height` after the rotation.
    pub fn size(self, (width, height): (usize, usize)) -> (usize, usize) {
        if self.swaps_sides() {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// Returns the size and the pixels of the rotated image. `of` has the pixels of the image of
    /// `size`, row by row; each is mapped by `pixel`.
    pub fn apply(
        self,
        of: &[u8],
        size: (usize, usize),
        pixel: impl Fn(u8) -> u8,
    ) -> ((usize, usize), Vec<u8>) {
        let (width, height) = self.size(size);
        if self == Self::IDENTITY {
            return (size, of.iter().map(|&value| pixel(value)).collect());
        }
        let back = self.inverse().0;
        // Twice the distance from the centre is an integer.
        let source = |x: usize, y: usize| {
            let [x, y] =
                [(x, width), (y, height)].map(|(at, side)| 2 * at as isize + 1 - side as isize);
            let [x, y] = back.map(|[a, b]| isize::from(a) * x + isize::from(b) * y);
            let [x, y] = [(x, size.0), (y, size.1)].map(|(at, side)| (at + side as isize - 1) / 2);
            (y * size.0 as isize + x) as usize
        };
        let mut out = Vec::with_capacity(of.len());
        for y in 0..height {
            out.extend((0..width).map(|x| pixel(of[source(x, y)])));
        }
        ((width, height), out)
    }
}

impl Default for Orientation {
    fn default() -> Self {
        Self::IDENTITY
    }
}

/// Returns the elements that a pad's video comes through, the nearest first, up to one that joins
/// streams.
fn elements_before(pad: &gst::Pad) -> impl Iterator<Item = gst::Element> {
    let before = |pad: &gst::Pad| source(pad)?.parent_element();
    std::iter::successors(before(pad), move |element| match &element.sink_pads()[..] {
        [only] => before(only),
        _ => None,
    })
    .take(FAR)
}

/// Returns the pad of an element that a sink pad is linked to, across the borders of bins.
fn source(sink: &gst::Pad) -> Option<gst::Pad> {
    let mut pad = sink.peer()?;
    for _ in 0..FAR {
        pad = if let Some(ghost) = pad.downcast_ref::<gst::GhostPad>() {
            ghost.target()?
        } else if let Some(border) = pad.parent().and_downcast::<gst::GhostPad>() {
            border.peer()?
        } else {
            return Some(pad);
        };
    }
    None
}

/// Returns whether an element rotates video, or may do so by its tags.
fn applies_tags(element: &gst::Element) -> bool {
    let (name, identity) = ("video-direction", VideoOrientationMethod::Identity);
    element.has_property_with_type(name, VideoOrientationMethod::static_type())
        && element.property::<VideoOrientationMethod>(name) != identity
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Orientation; 8] = [
        Orientation::IDENTITY,
        Orientation::ROTATE_90,
        Orientation::ROTATE_180,
        Orientation::ROTATE_270,
        Orientation::FLIP_HORIZONTAL,
        Orientation::FLIP_VERTICAL,
        Orientation::TRANSPOSE,
        Orientation::ANTI_TRANSPOSE,
    ];

    fn rotated(orientation: Orientation) -> ((usize, usize), Vec<u8>) {
        // 1 2 3
        // 4 5 6
        orientation.apply(&[1, 2, 3, 4, 5, 6], (3, 2), |value| value)
    }

    #[test]
    fn pixels_go_where_a_player_shows_them() {
        let expected: [((usize, usize), [u8; 6]); 8] = [
            ((3, 2), [1, 2, 3, 4, 5, 6]),
            ((2, 3), [4, 1, 5, 2, 6, 3]),
            ((3, 2), [6, 5, 4, 3, 2, 1]),
            ((2, 3), [3, 6, 2, 5, 1, 4]),
            ((3, 2), [3, 2, 1, 6, 5, 4]),
            ((3, 2), [4, 5, 6, 1, 2, 3]),
            ((2, 3), [1, 4, 2, 5, 3, 6]),
            ((2, 3), [6, 3, 5, 2, 4, 1]),
        ];
        for (orientation, (size, pixels)) in ALL.into_iter().zip(expected) {
            assert_eq!(
                rotated(orientation),
                (size, pixels.to_vec()),
                "{orientation:?}"
            );
        }
    }

    #[test]
    fn the_inverse_brings_everything_back() {
        for orientation in ALL {
            assert_eq!(
                orientation.inverse().after(orientation),
                Orientation::IDENTITY
            );
            let (size, pixels) = rotated(orientation);
            let back = orientation.inverse().apply(&pixels, size, |value| value);
            assert_eq!(back, ((3, 2), vec![1, 2, 3, 4, 5, 6]));
        }
    }

    #[test]
    fn one_orientation_after_another_is_their_product() {
        for first in ALL {
            for second in ALL {
                let (size, pixels) = rotated(first);
                let both = second.apply(&pixels, size, |value| value);
                assert_eq!(both, rotated(second.after(first)), "{second:?} {first:?}");
            }
        }
    }

    #[test]
    fn tags_tell_how_players_show_a_stream() {
        gst::init().unwrap();
        let of = |text: &str| {
            let mut tags = gst::TagList::new();
            let add = tags.make_mut();
            add.add::<gst::tags::ImageOrientation>(&text, gst::TagMergeMode::Replace);
            Orientation::from_tags(&tags)
        };
        let names = [
            ("rotate-0", Orientation::IDENTITY),
            ("rotate-90", Orientation::ROTATE_90),
            ("rotate-180", Orientation::ROTATE_180),
            ("rotate-270", Orientation::ROTATE_270),
            ("flip-rotate-0", Orientation::FLIP_HORIZONTAL),
            ("flip-rotate-180", Orientation::FLIP_VERTICAL),
        ];
        for (name, orientation) in names {
            assert_eq!(of(name), Some(orientation), "{name}");
        }
        let diagonals = ["flip-rotate-90", "flip-rotate-270"].map(of);
        assert!(
            diagonals
                .iter()
                .all(|turn| turn.is_some_and(Orientation::swaps_sides))
        );
        assert_ne!(diagonals[0], diagonals[1]);
        assert_eq!(Orientation::from_tags(&gst::TagList::new()), None);
    }
}
