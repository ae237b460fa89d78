//! Turns and flips of pictures: what a stream's orientation tag or an image's Exif data say.

use gst::prelude::*;
use gst_video::VideoOrientationMethod;
use image::metadata::Orientation;

/// Elements that are looked at before the element, at most.
const FAR: usize = 100;

/// One of the eight ways to lay a rectangle on itself, as a matrix that maps a point, seen from
/// the centre with y downwards, to where it comes to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn([[i8; 2]; 2]);

impl Turn {
    pub const NONE: Self = Self([[1, 0], [0, 1]]);
    const RIGHT: Self = Self([[0, -1], [1, 0]]);
    const HALF: Self = Self([[-1, 0], [0, -1]]);
    const LEFT: Self = Self([[0, 1], [-1, 0]]);
    const MIRROR: Self = Self([[-1, 0], [0, 1]]);
    const UPSIDE_DOWN: Self = Self([[1, 0], [0, -1]]);
    const TRANSPOSE: Self = Self([[0, 1], [1, 0]]);
    const ANTI_TRANSPOSE: Self = Self([[0, -1], [-1, 0]]);

    /// What a player does with the pictures of a stream with these tags; `None` where they say
    /// nothing about it.
    pub fn from_tags(tags: &gst::TagListRef) -> Option<Self> {
        Some(match VideoOrientationMethod::from_tag(tags)? {
            VideoOrientationMethod::_90r => Self::RIGHT,
            VideoOrientationMethod::_180 => Self::HALF,
            VideoOrientationMethod::_90l => Self::LEFT,
            VideoOrientationMethod::Horiz => Self::MIRROR,
            VideoOrientationMethod::Vert => Self::UPSIDE_DOWN,
            VideoOrientationMethod::UlLr => Self::TRANSPOSE,
            VideoOrientationMethod::UrLl => Self::ANTI_TRANSPOSE,
            _ => Self::NONE,
        })
    }

    /// As [`from_tags`](Self::from_tags) for the pictures that come to `pad`: tags stay as they
    /// were where an element before it has turned the pictures by them (`videoflip` before
    /// GStreamer 1.24).
    pub fn of_pad(pad: &gst::Pad, tags: &gst::TagListRef) -> Option<Self> {
        let turn = Self::from_tags(tags)?;
        let turned = turn != Self::NONE && elements_before(pad).any(|element| turns(&element));
        Some(if turned { Self::NONE } else { turn })
    }

    /// What a viewer does with an image.
    pub fn from_exif(orientation: Orientation) -> Self {
        match orientation {
            Orientation::NoTransforms => Self::NONE,
            Orientation::Rotate90 => Self::RIGHT,
            Orientation::Rotate180 => Self::HALF,
            Orientation::Rotate270 => Self::LEFT,
            Orientation::FlipHorizontal => Self::MIRROR,
            Orientation::FlipVertical => Self::UPSIDE_DOWN,
            Orientation::Rotate90FlipH => Self::TRANSPOSE,
            Orientation::Rotate270FlipH => Self::ANTI_TRANSPOSE,
        }
    }

    pub fn inverse(self) -> Self {
        let [[a, b], [c, d]] = self.0;
        Self([[a, c], [b, d]])
    }

    /// `first`, then this.
    pub fn after(self, first: Self) -> Self {
        let entry =
            |row: [i8; 2], column: usize| row[0] * first.0[0][column] + row[1] * first.0[1][column];
        Self(self.0.map(|row| [entry(row, 0), entry(row, 1)]))
    }

    /// Whether width and height change places.
    pub fn swaps(self) -> bool {
        self.0[0][0] == 0
    }

    /// The size of a turned picture.
    pub fn size(self, (width, height): (usize, usize)) -> (usize, usize) {
        if self.swaps() {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// The turned picture, whose pixels are those of `of`, each put through `pixel`.
    pub fn turned(
        self,
        of: &[u8],
        size: (usize, usize),
        pixel: impl Fn(u8) -> u8,
    ) -> ((usize, usize), Vec<u8>) {
        let (width, height) = self.size(size);
        if self == Self::NONE {
            return (size, of.iter().map(|&value| pixel(value)).collect());
        }
        let back = self.inverse().0;
        // Twice the distance from the centre is whole.
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

impl Default for Turn {
    fn default() -> Self {
        Self::NONE
    }
}

/// The elements that a pad's pictures come through, the nearest first, up to one that joins
/// streams.
fn elements_before(pad: &gst::Pad) -> impl Iterator<Item = gst::Element> {
    let before = |pad: &gst::Pad| source(pad)?.parent_element();
    std::iter::successors(before(pad), move |element| match &element.sink_pads()[..] {
        [only] => before(only),
        _ => None,
    })
    .take(FAR)
}

/// The pad of an element that a sink pad is linked to, through the walls of bins.
fn source(sink: &gst::Pad) -> Option<gst::Pad> {
    let mut pad = sink.peer()?;
    for _ in 0..FAR {
        pad = if let Some(ghost) = pad.downcast_ref::<gst::GhostPad>() {
            ghost.target()?
        } else if let Some(wall) = pad.parent().and_downcast::<gst::GhostPad>() {
            wall.peer()?
        } else {
            return Some(pad);
        };
    }
    None
}

/// Whether an element turns pictures, or may by their tags.
fn turns(element: &gst::Element) -> bool {
    let (name, identity) = ("video-direction", VideoOrientationMethod::Identity);
    element.has_property_with_type(name, VideoOrientationMethod::static_type())
        && element.property::<VideoOrientationMethod>(name) != identity
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Turn; 8] = [
        Turn::NONE,
        Turn::RIGHT,
        Turn::HALF,
        Turn::LEFT,
        Turn::MIRROR,
        Turn::UPSIDE_DOWN,
        Turn::TRANSPOSE,
        Turn::ANTI_TRANSPOSE,
    ];

    fn turned(turn: Turn) -> ((usize, usize), Vec<u8>) {
        // 1 2 3
        // 4 5 6
        turn.turned(&[1, 2, 3, 4, 5, 6], (3, 2), |value| value)
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
        for (turn, (size, pixels)) in ALL.into_iter().zip(expected) {
            assert_eq!(turned(turn), (size, pixels.to_vec()), "{turn:?}");
        }
    }

    #[test]
    fn the_inverse_brings_everything_back() {
        for turn in ALL {
            assert_eq!(turn.inverse().after(turn), Turn::NONE);
            let (size, pixels) = turned(turn);
            let back = turn.inverse().turned(&pixels, size, |value| value);
            assert_eq!(back, ((3, 2), vec![1, 2, 3, 4, 5, 6]));
        }
    }

    #[test]
    fn one_turn_after_another_is_their_product() {
        for first in ALL {
            for second in ALL {
                let (size, pixels) = turned(first);
                let both = second.turned(&pixels, size, |value| value);
                assert_eq!(both, turned(second.after(first)), "{second:?} {first:?}");
            }
        }
    }

    #[test]
    fn tags_say_what_a_player_does() {
        gst::init().unwrap();
        let of = |text: &str| {
            let mut tags = gst::TagList::new();
            let add = tags.make_mut();
            add.add::<gst::tags::ImageOrientation>(&text, gst::TagMergeMode::Replace);
            Turn::from_tags(&tags)
        };
        let names = [
            ("rotate-0", Turn::NONE),
            ("rotate-90", Turn::RIGHT),
            ("rotate-180", Turn::HALF),
            ("rotate-270", Turn::LEFT),
            ("flip-rotate-0", Turn::MIRROR),
            ("flip-rotate-180", Turn::UPSIDE_DOWN),
        ];
        for (name, turn) in names {
            assert_eq!(of(name), Some(turn), "{name}");
        }
        let diagonals = ["flip-rotate-90", "flip-rotate-270"].map(of);
        assert!(diagonals.iter().all(|turn| turn.is_some_and(Turn::swaps)));
        assert_ne!(diagonals[0], diagonals[1]);
        assert_eq!(Turn::from_tags(&gst::TagList::new()), None);
    }
}
