//! What the values of masks say of how they were stored: in which range, and whether a lossy
//! codec left noise around black.
//!
//! Caps cannot be believed alone. An encoder's luma without tags is of limited range as a rule,
//! and `videoconvert` copies the luma of I420 into GRAY8 and calls it full range.

use crate::propainter::masks::diagnostics::Remark;

/// Masks with white whose noise is looked for; those after them are as they were.
const LOOKED_AT: u8 = 25;

/// Up to this share of white a lossy codec's noise reaches, where it is all there is between
/// black and white.
const NOISE: u8 = 63;

/// And where soft edges are to be kept.
const NOISE_OF_SOFT: u8 = 31;

/// What no lossy codec, and none in limited range, keeps apart from black.
const LEAST_NOISE: u8 = 5;

/// Up to this value noise is looked for, and from that one.
const NEAR: usize = 12;
const OFF_WHITE: usize = 240;

/// Whether a lossy codec had a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lossy {
    No,
    Perhaps,
    Yes,
}

/// How often each value occurs.
type Histogram = [u64; 256];

/// What is known of the masks of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Black is 16 and white 235.
    limited: Option<bool>,
    noise: u8,
    looked_at: u8,
    by_caps: bool,
    told: (Option<bool>, u8),
}

impl Looks {
    /// Up to this value everything is black where nobody asks for more.
    pub fn noise(&self) -> u8 {
        self.noise
    }

    /// Brings the luma of the next mask to full range. `expanded`: its caps said limited range,
    /// and it is brought to full already.
    pub fn read(&mut self, luma: &mut [u8], expanded: bool, lossy: Lossy) {
        if expanded {
            (self.limited, self.by_caps) = (Some(true), true);
        }
        let looks_for_range = self.limited.is_none();
        let looks_for_noise = lossy != Lossy::No && self.looked_at < LOOKED_AT;
        let mut histogram = (looks_for_range || looks_for_noise).then(|| histogram(luma));
        if let Some(histogram) = histogram.as_ref().filter(|_| looks_for_range) {
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
        if self.limited == Some(true) || lossy == Lossy::Yes {
            self.noise = self.noise.max(LEAST_NOISE);
        }
        let noise = histogram
            .filter(|_| looks_for_noise)
            .and_then(|h| noise(&h, lossy));
        if let Some(noise) = noise {
            self.noise = self.noise.max(noise);
            self.looked_at += 1;
        }
    }

    /// What was found out about the masks of `source` since this was asked.
    pub fn news(&mut self, source: &str) -> Vec<Remark> {
        let mut news = vec![];
        if self.told.0 != self.limited {
            self.told.0 = self.limited;
            let range = match self.limited {
                Some(true) if self.by_caps => "limited range, by the caps",
                Some(true) => "limited range, as black is 16, whatever caps say",
                _ => "full range, as black is 0",
            };
            news.push(Remark::Info(format!("{source}: masks are in {range}")));
        }
        if self.told.1 != self.noise {
            self.told.1 = self.noise;
            news.push(Remark::Info(format!(
                "{source}: a codec left noise: luma up to {} is black where mask-threshold is 0",
                self.noise
            )));
        }
        news
    }
}

/// Limited range to full.
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

/// Whether black is 16, by where the dark values gather; `None` where that tells nothing. A
/// codec's noise goes beyond black and white, the more so the larger the white areas are.
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

/// The noise around black; `None` where a mask has not both black and white to tell.
fn noise(histogram: &Histogram, lossy: Lossy) -> Option<u8> {
    let (white, between) = (sum(&histogram[192..]), sum(&histogram[64..192]));
    if white == 0 || sum(&histogram[..=NEAR]) == 0 {
        return None;
    }
    // A mask that no codec had is white to the full, whatever numbers its objects have.
    let noisy = sum(&histogram[1..=NEAR]) > 0 && sum(&histogram[OFF_WHITE..255]) > 0;
    Some(match 10 * between > between + white {
        _ if !noisy && lossy != Lossy::Yes => 0,
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
        let mut looks = Looks::default();
        looks.read(&mut mask(counts), false, Lossy::Perhaps);
        looks.limited
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
    fn what_tells_nothing_decides_nothing() {
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
        let mut looks = Looks::default();
        for (counts, expected) in [
            (&[(235, 10)][..], vec![235; 10]),
            (&[(16, 9), (235, 1)], [vec![0; 9], vec![255]].concat()),
            (&[(16, 1), (235, 9)], [vec![0], vec![255; 9]].concat()),
            (&[(235, 10)], vec![255; 10]),
        ] {
            let mut luma = mask(counts);
            looks.read(&mut luma, false, Lossy::No);
            assert_eq!(luma, expected);
        }
    }

    #[test]
    fn limited_range_is_brought_to_full() {
        let source = [0, 15, 16, 17, 126, 234, 235, 255];
        assert_eq!(source.map(expand), [0, 0, 0, 1, 128, 254, 255, 255]);
    }

    #[test]
    fn a_codecs_noise_is_told_from_objects_and_soft_edges() {
        let noise = |counts: &[(u8, usize)], lossy| {
            let mut looks = Looks::default();
            looks.read(&mut mask(counts), false, lossy);
            looks.noise()
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
        assert_eq!(noise(&jpeg, Lossy::Perhaps), NOISE);
        assert_eq!(noise(&jpeg, Lossy::No), 0);
        let soft = [&jpeg[..], &[(70, 40), (128, 50), (180, 40)]].concat();
        assert_eq!(noise(&soft, Lossy::Perhaps), NOISE_OF_SOFT);
        let objects = [
            (0, 9000),
            (1, 200),
            (2, 180),
            (3, 90),
            (4, 3),
            (220, 9),
            (255, 500),
        ];
        assert_eq!(noise(&objects, Lossy::Perhaps), 0);
        assert_eq!(noise(&objects, Lossy::Yes), NOISE);
        assert_eq!(noise(&[(0, 9000), (255, 500)], Lossy::Perhaps), 0);
        let flat = [(0, 384), (2, 384), (254, 384), (255, 60288)];
        assert_eq!(noise(&flat, Lossy::Perhaps), NOISE);
        // An encoder's black is not always 16, even where nothing else is there.
        assert_eq!(noise(&[(0, 90), (1, 9)], Lossy::Yes), LEAST_NOISE);
        assert_eq!(noise(&[(18, 9000)], Lossy::Perhaps), LEAST_NOISE);
    }

    #[test]
    fn what_is_found_out_is_told_once() {
        let mut looks = Looks::default();
        for (counts, told) in [
            (&[(255, 9)][..], &[][..]),
            (&[(18, 90), (235, 1)], &["limited", "up to 5"]),
            (&[(16, 90), (18, 9), (230, 9)], &["up to 63"]),
            (&[(16, 90), (18, 9), (230, 9)], &[]),
        ] {
            looks.read(&mut mask(counts), false, Lossy::Perhaps);
            let news = looks.news("mask_sink");
            assert_eq!(news.len(), told.len(), "{news:?}");
            for (remark, told) in news.iter().zip(told) {
                assert!(matches!(remark, Remark::Info(text) if text.contains(told)));
            }
        }
    }

    #[test]
    fn noise_once_seen_stays_for_masks_without_white() {
        let mut looks = Looks::default();
        looks.read(&mut mask(&[(0, 1000)]), false, Lossy::Perhaps);
        assert_eq!(looks.noise(), 0);
        let noisy = [
            (0, 900),
            (1, 9),
            (2, 9),
            (3, 9),
            (250, 9),
            (253, 9),
            (254, 9),
        ];
        looks.read(&mut mask(&noisy), false, Lossy::Perhaps);
        looks.read(&mut mask(&[(0, 900), (1, 9)]), false, Lossy::Perhaps);
        assert_eq!(looks.noise(), NOISE);
    }
}
