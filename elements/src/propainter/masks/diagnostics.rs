//! What is odd about the masks of a source. It is told once: a mask that is taken in another
//! way than was meant spoils every frame, and nothing else says so.

use crate::propainter::masks::{fit::Fit, threshold::Extent};

/// Frames from the first without a hole after which it is odd that there is none.
const BLANK: u64 = 500;

/// Where a mask comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Stream,
    Location,
    Regions,
}

impl Origin {
    const ALL: [Self; 3] = [Self::Stream, Self::Location, Self::Regions];

    fn name(self) -> &'static str {
        match self {
            Self::Stream => "mask_sink",
            Self::Location => "mask-location",
            Self::Regions => "mask-regions",
        }
    }
}

/// A mask of a frame, as far as something of it may be odd.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub origin: Origin,
    pub extent: Extent,
    pub fit: Fit,
    pub mask: (usize, usize),
    pub frame: (usize, usize),
    /// It is its source's only one.
    pub still: bool,
    pub unused_alpha: bool,
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// For the log.
    Info(String),
    /// A warning about how a mask looks.
    Odd(String),
    /// A warning about a file.
    File(String),
}

/// What was told of each source.
#[derive(Default)]
pub struct Remarks([Told; 3]);

#[derive(Default)]
struct Told {
    everything: bool,
    nothing: bool,
    turned: bool,
    stretched: bool,
    alpha: bool,
    /// A mask had a hole; and frames so far of which none had.
    hole: bool,
    blank: u64,
}

impl Remarks {
    /// The source has begun anew.
    pub fn forget(&mut self, origin: Origin) {
        self.0[origin as usize] = Told::default();
    }

    /// What a mask is to be remarked for that was not told of its source yet.
    pub fn see(&mut self, seen: &Seen) -> Vec<Remark> {
        let told = &mut self.0[seen.origin as usize];
        let name = seen.origin.name();
        let mut remarks = vec![];
        let (w, h) = seen.mask;
        let (width, height) = seen.frame;
        if seen.unused_alpha && !told.alpha {
            told.alpha = true;
            remarks.push(Remark::Odd(format!(
                "{name}: the mask has alpha that is the same everywhere: luma is taken for the \
                 mask, and alpha is not used"
            )));
        }
        if seen.fit == Fit::Stretched && !told.stretched {
            told.stretched = true;
            remarks.push(Remark::Odd(format!(
                "{name}: the mask has {w}x{h} pixels and the frame {width}x{height}, which is \
                 another aspect: it is stretched, and may not lie where it was drawn"
            )));
        }
        if seen.fit == Fit::TurnedOnTrust && !told.turned {
            told.turned = true;
            remarks.push(Remark::Odd(format!(
                "{name}: the stream's image-orientation tag turns or flips the picture, and the \
                 size of the mask does not tell whether it was drawn on the turned picture: it \
                 is taken for that and turned back; where it is wrong, put 'videoflip \
                 video-direction=auto' before propainter and draw the mask on what comes out"
            )));
        }
        if seen.fit == Fit::Turned && !told.turned {
            told.turned = true;
            remarks.push(Remark::Info(format!(
                "{name}: the mask was drawn on the picture as the image-orientation tag turns \
                 it, and is turned back"
            )));
        }
        match seen.extent {
            Extent::Everything if !told.everything => {
                told.everything = true;
                remarks.push(Remark::Odd(format!(
                    "{name}: the mask covers the whole frame, so that nothing is left to fill it \
                     from{}",
                    advice(seen.origin)
                )));
            }
            Extent::Nothing if !told.hole && !told.nothing => {
                told.blank += 1;
                if seen.still || told.blank == BLANK {
                    remarks.extend(told.blank(seen.origin));
                }
            }
            _ => {}
        }
        told.hole |= seen.extent != Extent::Nothing;
        remarks
    }

    /// What is to be told of masks none of which had a hole, when the stream ends.
    pub fn end(&mut self) -> Vec<Remark> {
        let told = Origin::ALL.into_iter().zip(&mut self.0);
        let blank = told.filter(|(_, told)| told.blank > 0 && !told.hole && !told.nothing);
        blank
            .filter_map(|(origin, told)| told.blank(origin))
            .collect()
    }
}

impl Told {
    fn blank(&mut self, origin: Origin) -> Option<Remark> {
        self.nothing = true;
        let (name, frames) = (origin.name(), self.blank);
        let of = match frames {
            1 => "the mask covers nothing".to_owned(),
            _ => format!("the masks of the first {frames} frames cover nothing"),
        };
        Some(Remark::Odd(format!(
            "{name}: {of}, so that nothing is filled{}",
            advice(origin)
        )))
    }
}

fn advice(origin: Origin) -> &'static str {
    match origin {
        Origin::Regions => "",
        _ => "; white is filled and black is kept: see mask-threshold and mask-invert",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Seen = Seen {
        origin: Origin::Stream,
        extent: Extent::Part,
        fit: Fit::AsItIs,
        mask: (8, 6),
        frame: (64, 48),
        still: false,
        unused_alpha: false,
    };

    fn nothing(still: bool) -> Seen {
        Seen {
            extent: Extent::Nothing,
            still,
            ..SEEN
        }
    }

    #[test]
    fn what_is_odd_is_told_once_for_each_source() {
        let odd = [
            Seen {
                extent: Extent::Everything,
                ..SEEN
            },
            Seen {
                fit: Fit::Stretched,
                ..SEEN
            },
            Seen {
                fit: Fit::TurnedOnTrust,
                ..SEEN
            },
            Seen {
                unused_alpha: true,
                ..SEEN
            },
            nothing(true),
        ];
        for seen in odd {
            let mut remarks = Remarks::default();
            for origin in [Origin::Stream, Origin::Location] {
                let seen = Seen { origin, ..seen };
                let told = remarks.see(&seen);
                assert!(
                    matches!(&told[..], [Remark::Odd(text)] if text.starts_with(origin.name()))
                );
                assert_eq!(remarks.see(&seen), []);
            }
            remarks.forget(Origin::Stream);
            assert_eq!(remarks.see(&seen).len(), 1);
        }
        assert_eq!(Remarks::default().see(&SEEN), []);
    }

    #[test]
    fn masks_without_a_hole_are_odd_where_there_was_never_one() {
        let mut remarks = Remarks::default();
        for _ in 1..BLANK {
            assert_eq!(remarks.see(&nothing(false)), []);
        }
        assert_eq!(remarks.see(&nothing(false)).len(), 1);
        assert_eq!(remarks.see(&nothing(false)), []);
        assert_eq!(remarks.end(), []);

        let mut short = Remarks::default();
        short.see(&nothing(false));
        assert_eq!(short.end().len(), 1);
        assert_eq!(short.end(), []);

        // An object that comes later, or goes.
        let mut late = Remarks::default();
        [nothing(false), SEEN]
            .iter()
            .for_each(|seen| assert_eq!(late.see(seen), []));
        (0..2 * BLANK).for_each(|_| assert_eq!(late.see(&nothing(false)), []));
        assert_eq!(late.end(), []);
        assert_eq!(Remarks::default().end(), []);
    }
}
