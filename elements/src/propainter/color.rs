//! YUV and RGB into each other in 16.16 fixed point, by a stream's matrix and range.

const ONE: f64 = 65536.0;
const HALF: i32 = 32768;

/// The factors of one colour matrix in one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coefficients {
    luma_offset: i32,
    luma_gain: i32,
    red_from_v: i32,
    green_from_u: i32,
    green_from_v: i32,
    blue_from_u: i32,
    y: [i32; 3],
    u: [i32; 3],
    v: [i32; 3],
}

impl Coefficients {
    /// `kr` and `kb` are the shares of red and blue in luma; `full` is the range 0 to 255,
    /// otherwise luma is 16 to 235 and chroma 16 to 240.
    pub fn new(kr: f64, kb: f64, full: bool) -> Self {
        let kg = 1.0 - kr - kb;
        let (offset, luma, chroma) = if full {
            (0, 1.0, 1.0)
        } else {
            (16, 219.0 / 255.0, 224.0 / 255.0)
        };
        let fixed = |value: f64| (value * ONE).round() as i32;
        let (red, blue) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb));
        // The middle factor takes what rounding left, so that white is exactly white and
        // grey has no colour.
        let row = |r: f64, b: f64, sum: f64| {
            let (r, b) = (fixed(r), fixed(b));
            [r, fixed(sum) - r - b, b]
        };
        Self {
            luma_offset: offset,
            luma_gain: fixed(1.0 / luma),
            red_from_v: fixed(red / chroma),
            green_from_u: fixed(-kb * blue / kg / chroma),
            green_from_v: fixed(-kr * red / kg / chroma),
            blue_from_u: fixed(blue / chroma),
            y: row(luma * kr, luma * kb, luma),
            u: row(-chroma * kr / blue, chroma / 2.0, 0.0),
            v: row(chroma / 2.0, -chroma * kb / red, 0.0),
        }
    }

    /// What a chroma sample adds to red, green and blue, rounding included.
    pub fn chroma_terms(&self, u: u8, v: u8) -> [i32; 3] {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        [
            self.red_from_v * v + HALF,
            self.green_from_u * u + self.green_from_v * v + HALF,
            self.blue_from_u * u + HALF,
        ]
    }

    /// A pixel from its luma and what its chroma adds.
    pub fn rgb(&self, y: u8, [red, green, blue]: [i32; 3]) -> [u8; 3] {
        let luma = self.luma_gain * (i32::from(y) - self.luma_offset);
        [red, green, blue].map(|term| ((luma + term) >> 16).clamp(0, 255) as u8)
    }

    pub fn luma(&self, rgb: [u8; 3]) -> u8 {
        let sum = weighted(self.y, rgb.map(i32::from));
        (((sum + HALF) >> 16) + self.luma_offset).clamp(0, 255) as u8
    }

    /// U and V of the mean of `1 << shift` pixels, whose channels are summed up in `sum`.
    pub fn chroma(&self, sum: [i32; 3], shift: u32) -> [u8; 2] {
        [self.u, self.v].map(|row| {
            let value = (weighted(row, sum) + (HALF << shift)) >> (16 + shift);
            (value + 128).clamp(0, 255) as u8
        })
    }
}

fn weighted(row: [i32; 3], rgb: [i32; 3]) -> i32 {
    row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kr and Kb of BT.601, BT.709, BT.2020 and SMPTE 240M.
    const MATRICES: [(f64, f64); 4] = [
        (0.299, 0.114),
        (0.2126, 0.0722),
        (0.2627, 0.0593),
        (0.212, 0.087),
    ];

    fn all() -> impl Iterator<Item = (f64, f64, bool)> {
        MATRICES
            .into_iter()
            .flat_map(|(kr, kb)| [(kr, kb, false), (kr, kb, true)])
    }

    /// The definition, in floating point.
    fn plain_yuv(kr: f64, kb: f64, full: bool, rgb: [u8; 3]) -> [f64; 3] {
        let [r, g, b] = rgb.map(|c| f64::from(c) / 255.0);
        let y = kr * r + (1.0 - kr - kb) * g + kb * b;
        let (u, v) = ((b - y) / (2.0 - 2.0 * kb), (r - y) / (2.0 - 2.0 * kr));
        if full {
            [255.0 * y, 128.0 + 255.0 * u, 128.0 + 255.0 * v]
        } else {
            [16.0 + 219.0 * y, 128.0 + 224.0 * u, 128.0 + 224.0 * v]
        }
    }

    #[test]
    fn fixed_point_equals_the_definition_rounded() {
        for (kr, kb, full) in all() {
            let fixed = Coefficients::new(kr, kb, full);
            for rgb in (0..=255u8)
                .step_by(15)
                .flat_map(|r| (0..=255u8).step_by(17).map(move |g| [r, g, r ^ g]))
            {
                let [u, v] = fixed.chroma(rgb.map(i32::from), 0);
                let yuv = [fixed.luma(rgb), u, v];
                for (got, exact) in yuv.into_iter().zip(plain_yuv(kr, kb, full, rgb)) {
                    let error = f64::from(got) - exact.min(255.0);
                    assert!(error.abs() <= 0.51, "{rgb:?} → {got}, exactly {exact}");
                }
            }
        }
    }

    #[test]
    fn there_and_back_is_within_two_of_255() {
        for (kr, kb, full) in all() {
            let fixed = Coefficients::new(kr, kb, full);
            for rgb in (0..=255u8)
                .step_by(3)
                .flat_map(|r| (0..=255u8).step_by(5).map(move |b| [r, r / 2 + b / 2, b]))
            {
                let [u, v] = fixed.chroma(rgb.map(i32::from), 0);
                let back = fixed.rgb(fixed.luma(rgb), fixed.chroma_terms(u, v));
                for (a, b) in rgb.into_iter().zip(back) {
                    assert!(a.abs_diff(b) <= 2, "{rgb:?} came back as {back:?}");
                }
            }
        }
    }

    #[test]
    fn black_white_and_grey_have_no_colour_and_come_back_exactly() {
        for (kr, kb, full) in all() {
            let fixed = Coefficients::new(kr, kb, full);
            for grey in 0..=255u8 {
                let chroma = fixed.chroma([i32::from(grey); 3], 0);
                assert_eq!(chroma, [128, 128]);
            }
            let (black, white) = if full { (0, 255) } else { (16, 235) };
            assert_eq!(fixed.luma([0; 3]), black);
            assert_eq!(fixed.luma([255; 3]), white);
            let none = fixed.chroma_terms(128, 128);
            assert_eq!(fixed.rgb(black, none), [0; 3]);
            assert_eq!(fixed.rgb(white, none), [255; 3]);
        }
    }

    #[test]
    fn the_chroma_of_a_block_is_that_of_its_mean() {
        let fixed = Coefficients::new(0.2126, 0.0722, false);
        let pixels = [[10, 200, 30], [12, 190, 35], [250, 4, 90], [0, 0, 255]];
        let sum = pixels.iter().fold([0; 3], |sum: [i32; 3], p: &[i32; 3]| {
            [sum[0] + p[0], sum[1] + p[1], sum[2] + p[2]]
        });
        let mean = sum.map(|s| s / 4);
        let [block, of_mean] = [fixed.chroma(sum, 2), fixed.chroma(mean, 0)];
        for (a, b) in block.into_iter().zip(of_mean) {
            assert!(a.abs_diff(b) <= 1);
        }
    }
}
