//! Analysis of the luma of masks: in which range it is stored, and whether a lossy codec left
//! noise around black.
//!
//! Caps alone are not reliable. Encoders without tags usually store limited range, and
//! `videoconvert` copies the luma of I420 into GRAY8 and declares it as full range.

use crate::propainter::masks::diagnostics::Diagnostic;

/// Number of masks with white that are searched for noise; later masks are treated like them.
const SEARCHED: u8 = 25;

/// Largest noise of a lossy codec if there is nothing but noise between black and white.
const NOISE: u8 = 63;

/// Largest noise if soft edges are to be kept.
const NOISE_OF_SOFT: u8 = 31;

/// Noise that lossy codecs and limited range always leave.
const LEAST_NOISE: u8 = 5;

/// Noise is looked for up to the first value, and from the second value on.
const NEAR: usize = 12;
const OFF_WHITE: usize = 240;

/// Whether a mask went through a lossy codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossyCodec {
    No,
    Maybe,
    Yes,
}

/// Number of pixels of each value.
type Histogram = [u64; 256];

/// What is known of the luma of the masks of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LumaAnalysis {
    /// Black is 16 and white is 235.
    limited: Option<bool>,
    noise: u8,
    /// Number of masks that were searched for noise.
    searched: u8,
    /// The caps say limited range.
    by_caps: bool,
    /// The range and the noise that were reported.
    reported: (Option<bool>, u8),
}

impl LumaAnalysis {
    /// Returns the luma up to which a mask is black if no threshold is set.
    pub fn noise(&self) -> u8 {
        self.noise
    }

    /// Brings the luma of the next mask to full range. `expanded` if its caps say limited range and
    /// it is in full range already.
    pub fn normalize(&mut self, luma: &mut [u8], expanded: bool, lossy: LossyCodec) {
        if expanded {
            (self.limited, self.by_caps) = (Some(true), true);
        }
        let find_range = self.limited.is_none();
        let find_noise = lossy != LossyCodec::No && self.searched < SEARCHED;
        let mut histogram = (find_range || find_noise).then(|| histogram(luma));
        if let Some(histogram) = histogram.as_ref().filter(|_| find_range) {
            self.limited = is_limited(histogram);
        }
        if self.limited == Some(true) && !expanded {
            luma.iter_mut().for_each(|value| *value = expand(*value));
            histogram = histogram.map(|seen| {
                let mut all = [0; 256];
                (0..=u8::MAX)
                    .zip(seen)
                    .for_each(|(value, count)| all[usize::from(expand(value))] += count);
                all
            });
        }
        if self.limited == Some(true) || lossy == LossyCodec::Yes {
            self.noise = self.noise.max(LEAST_NOISE);
        }
        let noise = histogram
            .filter(|_| find_noise)
            .and_then(|h| noise(&h, lossy));
        if let Some(noise) = noise {
            self.noise = self.noise.max(noise);
            self.searched += 1;
        }
    }

    /// Returns what was found out about the masks of `source` since the last call.
    pub fn take_findings(&mut self, source: &str) -> Vec<Diagnostic> {
        let mut findings = vec![];
        if self.reported.0 != self.limited {
            self.reported.0 = self.limited;
            let range = match self.limited {
                Some(true) if self.by_caps => "limited range, as the caps say",
                Some(true) => "limited range, because black is 16, whatever the caps say",
                _ => "full range, because black is 0",
            };
            findings.push(Diagnostic::Info(format!("{source}: masks are in {range}")));
        }
        if self.reported.1 != self.noise {
            self.reported.1 = self.noise;
            findings.push(Diagnostic::Info(format!(
                "{source}: a codec left noise: with mask-threshold=0 luma up to {} is black",
                self.noise
            )));
        }
        findings
    }
}

/// Converts limited range to full range.
fn expand(value: u8) -> u8 {
    let value = u32::from(value.clamp(16, 235)) - 16;
    ((value * 255 + 109) / 219) as u8
}

fn histogram(luma: &[u8]) -> Histogram {
    let mut histogram = [0; 256];
    luma.iter()
        .for_each(|&value| histogram[usize::from(value)] += 1);
    histogram
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().sum()
}

/// Returns whether black is 16 by the values of the dark pixels; `None` if they do not tell. The
/// noise of a codec extends beyond black and white, more so the larger the white areas are.
fn is_limited(histogram: &Histogram) -> Option<bool> {
    let dark = sum(&histogram[..128]);
    let (black, darker) = (sum(&histogram[12..=20]), sum(&histogram[..8]));
    let (white, lighter) = (sum(&histogram[226..=243]), sum(&histogram[248..]));
    let both_ends = white >= dark && 16 * lighter <= white && 4 * darker <= black;
    if dark > 0 && 2 * black >= dark && (64 * darker <= black || both_ends) {
        return Some(true);
    }
    (dark > 0 && 2 * darker >= dark).then_some(false)
}

/// Returns the noise around black; `None` if a mask does not have both black and white.
fn noise(histogram: &Histogram, lossy: LossyCodec) -> Option<u8> {
    let (white, between) = (sum(&histogram[192..]), sum(&histogram[64..192]));
    if white == 0 || sum(&histogram[..=NEAR]) == 0 {
        return None;
    }
    // A mask that went through no codec has pure white, whatever values its objects have.
    let noisy = sum(&histogram[1..=NEAR]) > 0 && sum(&histogram[OFF_WHITE..255]) > 0;
    Some(match 10 * between > between + white {
        _ if !noisy && lossy != LossyCodec::Yes => 0,
        true => NOISE_OF_SOFT,
        false => NOISE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mask with so many pixels of each value.
    fn mask(counts: &[(u8, usize)]) -> Vec<u8> {
        let values = counts.iter();
        values
            .flat_map(|&(value, count)| vec![value; count])
            .collect()
    }

    fn limited(counts: &[(u8, usize)]) -> Option<bool> {
        let mut analysis = LumaAnalysis::default();
        analysis.normalize(&mut mask(counts), false, LossyCodec::Maybe);
        analysis.limited
    }

    #[test]
    fn black_at_16_is_limited_range() {
        // As encoders leave it, with noise beyond both ends.
        let x264 = [
            (2, 2),
            (9, 3),
            (12, 6),
            (15, 100),
            (16, 14122),
            (17, 91),
            (26, 1),
            (71, 1),
        ];
        let white = [
            (222, 2),
            (233, 30),
            (234, 582),
            (235, 114),
            (238, 17),
            (245, 2),
        ];
        for counts in [
            &[(16, 1000)][..],
            &[(16, 1000), (235, 1)],
            &[(16, 900), (128, 50), (235, 50)],
            &[(16, 900), (255, 100)],
            // Mostly white: as much noise falls on less black.
            &[
                (0, 100),
                (5, 136),
                (16, 2750),
                (30, 700),
                (235, 56986),
                (249, 130),
            ],
            &[&x264[..], &white].concat(),
        ] {
            assert_eq!(limited(counts), Some(true), "{counts:?}");
        }
    }

    #[test]
    fn black_at_0_is_full_range() {
        for counts in [
            &[(0, 1000)][..],
            &[(0, 1000), (255, 10)],
            &[(0, 1000), (1, 10)],
            &[(0, 100), (15, 10), (38, 80), (113, 9)],
            &[(0, 900), (1, 30), (3, 8), (200, 2), (250, 50), (255, 100)],
        ] {
            assert_eq!(limited(counts), Some(false), "{counts:?}");
        }
    }

    #[test]
    fn masks_without_evidence_decide_nothing() {
        for counts in [
            &[(255, 1000)][..],
            &[(235, 1000)],
            &[(60, 1000), (255, 1000)],
            &[(0, 100), (16, 900)],
            &[(0, 100), (16, 900), (235, 50)],
        ] {
            assert_eq!(limited(counts), None, "{counts:?}");
        }
        // A later mask decides then, for all that follow.
        let mut analysis = LumaAnalysis::default();
        for (counts, expected) in [
            (&[(235, 10)][..], vec![235; 10]),
            (&[(16, 9), (235, 1)], [vec![0; 9], vec![255]].concat()),
            (&[(16, 1), (235, 9)], [vec![0], vec![255; 9]].concat()),
            (&[(235, 10)], vec![255; 10]),
        ] {
            let mut luma = mask(counts);
            analysis.normalize(&mut luma, false, LossyCodec::No);
            assert_eq!(luma, expected);
        }
    }

    #[test]
    fn limited_range_is_brought_to_full() {
        let source = [0, 15, 16, 17, 126, 234, 235, 255];
        assert_eq!(source.map(expand), [0, 0, 0, 1, 128, 254, 255, 255]);
    }

    #[test]
    fn codec_noise_is_told_apart_from_objects_and_soft_edges() {
        let noise = |counts: &[(u8, usize)], lossy| {
            let mut analysis = LumaAnalysis::default();
            analysis.normalize(&mut mask(counts), false, lossy);
            analysis.noise()
        };
        let jpeg = [
            (0, 9000),
            (1, 20),
            (2, 18),
            (7, 9),
            (28, 1),
            (240, 5),
            (250, 9),
            (253, 20),
            (255, 500),
        ];
        assert_eq!(noise(&jpeg, LossyCodec::Maybe), NOISE);
        assert_eq!(noise(&jpeg, LossyCodec::No), 0);
        let soft = [&jpeg[..], &[(70, 40), (128, 50), (180, 40)]].concat();
        assert_eq!(noise(&soft, LossyCodec::Maybe), NOISE_OF_SOFT);
        let objects = [
            (0, 9000),
            (1, 200),
            (2, 180),
            (3, 90),
            (4, 3),
            (220, 9),
            (255, 500),
        ];
        assert_eq!(noise(&objects, LossyCodec::Maybe), 0);
        assert_eq!(noise(&objects, LossyCodec::Yes), NOISE);
        assert_eq!(noise(&[(0, 9000), (255, 500)], LossyCodec::Maybe), 0);
        let flat = [(0, 384), (2, 384), (254, 384), (255, 60288)];
        assert_eq!(noise(&flat, LossyCodec::Maybe), NOISE);
        // An encoder's black is not always 16, even where nothing else is there.
        assert_eq!(noise(&[(0, 90), (1, 9)], LossyCodec::Yes), LEAST_NOISE);
        assert_eq!(noise(&[(18, 9000)], LossyCodec::Maybe), LEAST_NOISE);
    }

    #[test]
    fn findings_are_reported_once() {
        let mut analysis = LumaAnalysis::default();
        for (counts, expected) in [
            (&[(255, 9)][..], &[][..]),
            (&[(18, 90), (235, 1)], &["limited", "up to 5"]),
            (&[(16, 90), (18, 9), (230, 9)], &["up to 63"]),
            (&[(16, 90), (18, 9), (230, 9)], &[]),
        ] {
            analysis.normalize(&mut mask(counts), false, LossyCodec::Maybe);
            let findings = analysis.take_findings("mask_sink");
            assert_eq!(findings.len(), expected.len(), "{findings:?}");
            for (finding, text_part) in findings.iter().zip(expected) {
                assert!(matches!(finding, Diagnostic::Info(text) if text.contains(text_part)));
            }
        }
    }

    #[test]
    fn noise_once_seen_stays_for_masks_without_white() {
        let mut analysis = LumaAnalysis::default();
        analysis.normalize(&mut mask(&[(0, 1000)]), false, LossyCodec::Maybe);
        assert_eq!(analysis.noise(), 0);
        let noisy = [
            (0, 900),
            (1, 9),
            (2, 9),
            (3, 9),
            (250, 9),
            (253, 9),
            (254, 9),
        ];
        analysis.normalize(&mut mask(&noisy), false, LossyCodec::Maybe);
        analysis.normalize(&mut mask(&[(0, 900), (1, 9)]), false, LossyCodec::Maybe);
        assert_eq!(analysis.noise(), NOISE);
    }
}
