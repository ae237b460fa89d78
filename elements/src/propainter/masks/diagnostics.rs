//! Diagnostics of masks that look wrong. A mask that is read in another way than it was meant
//! spoils every frame, and nothing else reveals that. Each diagnostic is reported once for each
//! source.

use crate::propainter::masks::{fit::Fit, threshold::Coverage};

/// Number of frames without a hole from the start on that is worth a warning.
const EMPTY_FRAMES: u64 = 500;

/// The source of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskOrigin {
    Stream,
    Location,
    Regions,
}

impl MaskOrigin {
    const ALL: [Self; 3] = [Self::Stream, Self::Location, Self::Regions];

    fn name(self) -> &'static str {
        match self {
            Self::Stream => "mask_sink",
            Self::Location => "mask-location",
            Self::Regions => "mask-regions",
        }
    }
}

/// The properties of a frame's mask that may look wrong.
#[derive(Clone, Copy, Debug)]
pub struct MaskObservation {
    pub origin: MaskOrigin,
    pub coverage: Coverage,
    pub fit: Fit,
    /// Sizes of the mask and of the frame, in pixels.
    pub mask: (usize, usize),
    pub frame: (usize, usize),
    /// The mask is the only one of its source.
    pub still: bool,
    pub unused_alpha: bool,
}

/// A finding to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnostic {
    /// A line in the log.
    Info(String),
    /// A warning about a mask.
    Warning(String),
    /// A warning about a file.
    FileWarning(String),
}

/// The diagnostics of all sources, and which of them were reported.
#[derive(Default)]
pub struct MaskDiagnostics([Reported; 3]);

#[derive(Default)]
struct Reported {
    full: bool,
    empty: bool,
    rotated: bool,
    stretched: bool,
    alpha: bool,
    /// A mask had a hole.
    hole: bool,
    /// Number of frames so far without a hole, if none had one.
    empty_frames: u64,
}

impl MaskDiagnostics {
    /// Forgets what was reported of a source, which begins anew.
    pub fn forget(&mut self, origin: MaskOrigin) {
        self.0[origin as usize] = Reported::default();
    }

    /// Returns the diagnostics of a mask that were not reported of its source yet.
    pub fn examine(&mut self, observation: &MaskObservation) -> Vec<Diagnostic> {
        let reported = &mut self.0[observation.origin as usize];
        let name = observation.origin.name();
        let mut diagnostics = vec![];
        let (w, h) = observation.mask;
        let (width, height) = observation.frame;
        if observation.unused_alpha && !reported.alpha {
            reported.alpha = true;
            diagnostics.push(Diagnostic::Warning(format!(
                "{name}: the alpha of the mask is the same everywhere; luma is used as the mask, \
                 and alpha is not used"
            )));
        }
        if observation.fit == Fit::Stretched && !reported.stretched {
            reported.stretched = true;
            diagnostics.push(Diagnostic::Warning(format!(
                "{name}: the mask has {w}x{h} pixels and the frame has {width}x{height}, which is \
                 another aspect ratio; the mask is stretched and may not lie where it was drawn"
            )));
        }
        if observation.fit == Fit::RotatedByTag && !reported.rotated {
            reported.rotated = true;
            diagnostics.push(Diagnostic::Warning(format!(
                "{name}: the image-orientation tag of the stream rotates or flips the video, and \
                 the size of the mask does not tell whether the mask was drawn on the rotated \
                 video; it is assumed that it was, and the mask is rotated back. If that is wrong, \
                 put 'videoflip video-direction=auto' before propainter and draw the mask on its \
                 output"
            )));
        }
        if observation.fit == Fit::Rotated && !reported.rotated {
            reported.rotated = true;
            diagnostics.push(Diagnostic::Info(format!(
                "{name}: the mask was drawn on the video as the image-orientation tag rotates it, \
                 and is rotated back"
            )));
        }
        match observation.coverage {
            Coverage::Full if !reported.full => {
                reported.full = true;
                diagnostics.push(Diagnostic::Warning(format!(
                    "{name}: the mask covers the whole frame, so nothing is left to fill it \
                     from{}",
                    advice(observation.origin)
                )));
            }
            Coverage::Empty if !reported.hole && !reported.empty => {
                reported.empty_frames += 1;
                if observation.still || reported.empty_frames == EMPTY_FRAMES {
                    diagnostics.push(reported.report_empty(observation.origin));
                }
            }
            _ => {}
        }
        reported.hole |= observation.coverage != Coverage::Empty;
        diagnostics
    }

    /// Returns the diagnostics at the end of the stream: sources whose masks never had a hole.
    pub fn end(&mut self) -> Vec<Diagnostic> {
        let sources = MaskOrigin::ALL.into_iter().zip(&mut self.0);
        let empty = sources
            .filter(|(_, reported)| reported.empty_frames > 0 && !reported.hole && !reported.empty);
        empty
            .map(|(origin, reported)| reported.report_empty(origin))
            .collect()
    }
}

impl Reported {
    fn report_empty(&mut self, origin: MaskOrigin) -> Diagnostic {
        self.empty = true;
        let (name, frames) = (origin.name(), self.empty_frames);
        let masks = match frames {
            1 => "the mask covers nothing".to_owned(),
            _ => format!("the masks of the first {frames} frames cover nothing"),
        };
        Diagnostic::Warning(format!(
            "{name}: {masks}, so nothing is filled{}",
            advice(origin)
        ))
    }
}

fn advice(origin: MaskOrigin) -> &'static str {
    match origin {
        MaskOrigin::Regions => "",
        _ => "; white is filled and black is kept: see mask-threshold and mask-invert",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: MaskObservation = MaskObservation {
        origin: MaskOrigin::Stream,
        coverage: Coverage::Partial,
        fit: Fit::AsStored,
        mask: (8, 6),
        frame: (64, 48),
        still: false,
        unused_alpha: false,
    };

    fn empty(still: bool) -> MaskObservation {
        MaskObservation {
            coverage: Coverage::Empty,
            still,
            ..USUAL
        }
    }

    #[test]
    fn each_diagnostic_is_reported_once_for_each_source() {
        let unusual = [
            MaskObservation {
                coverage: Coverage::Full,
                ..USUAL
            },
            MaskObservation {
                fit: Fit::Stretched,
                ..USUAL
            },
            MaskObservation {
                fit: Fit::RotatedByTag,
                ..USUAL
            },
            MaskObservation {
                unused_alpha: true,
                ..USUAL
            },
            empty(true),
        ];
        for observation in unusual {
            let mut diagnostics = MaskDiagnostics::default();
            for origin in [MaskOrigin::Stream, MaskOrigin::Location] {
                let observation = MaskObservation {
                    origin,
                    ..observation
                };
                let reported = diagnostics.examine(&observation);
                assert!(
                    matches!(&reported[..], [Diagnostic::Warning(text)] if text.starts_with(origin.name()))
                );
                assert_eq!(diagnostics.examine(&observation), []);
            }
            diagnostics.forget(MaskOrigin::Stream);
            assert_eq!(diagnostics.examine(&observation).len(), 1);
        }
        assert_eq!(MaskDiagnostics::default().examine(&USUAL), []);
    }

    #[test]
    fn empty_masks_are_reported_if_there_was_never_a_hole() {
        let mut diagnostics = MaskDiagnostics::default();
        for _ in 1..EMPTY_FRAMES {
            assert_eq!(diagnostics.examine(&empty(false)), []);
        }
        assert_eq!(diagnostics.examine(&empty(false)).len(), 1);
        assert_eq!(diagnostics.examine(&empty(false)), []);
        assert_eq!(diagnostics.end(), []);

        let mut short = MaskDiagnostics::default();
        short.examine(&empty(false));
        assert_eq!(short.end().len(), 1);
        assert_eq!(short.end(), []);

        // An object that comes later, or goes.
        let mut late = MaskDiagnostics::default();
        [empty(false), USUAL]
            .iter()
            .for_each(|observation| assert_eq!(late.examine(observation), []));
        (0..2 * EMPTY_FRAMES).for_each(|_| assert_eq!(late.examine(&empty(false)), []));
        assert_eq!(late.end(), []);
        assert_eq!(MaskDiagnostics::default().end(), []);
    }
}
