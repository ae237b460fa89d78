//! Conversion between YUV and RGB in fixed point, by the colour matrix and the range of a stream.

use propainter::internals::device_frames::YuvMatrix;

/// Fractional bits of the factors for reading.
const POINT: u32 = 16;
const HALF: i32 = 1 << (POINT - 1);

/// The factors of one colour matrix in one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coefficients {
    /// Fractional bits of the factors for writing: as many as 32 bits have room for.
    point: u32,
    /// Chroma of gray, and the largest sample.
    gray: i32,
    most: i32,
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
    /// Contribution of the chroma of gray to red, green and blue.
    pub const GRAY: [i32; 3] = [HALF; 3];

    /// Returns the factors for YUV of `bits` bits and RGB of 8 bits. `kr` and `kb` are the shares of
    /// red and blue in luma. With `full` range, samples of 8 bits are 0 to 255, otherwise luma is 16 to
    /// 235 and chroma 16 to 240. For reading, `bits` is 12 at most.
    pub fn new(kr: f64, kb: f64, full: bool, bits: u32) -> Self {
        let kg = 1.0 - kr - kb;
        let (unit, most) = (1 << (bits - 8), (1 << bits) - 1);
        let (offset, luma, chroma) = if full {
            (0, f64::from(most), f64::from(most))
        } else {
            (16 * unit, f64::from(219 * unit), f64::from(224 * unit))
        };
        // Steps of a sample for one step of RGB.
        let (luma, chroma) = (luma / 255.0, chroma / 255.0);
        let point = POINT.min(31 - bits);
        let to_fixed = |value: f64, point: u32| (value * f64::from(1 << point)).round() as i32;
        let fixed = |value| to_fixed(value, POINT);
        let (red, blue) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb));
        // The middle factor absorbs the rounding, so that white is exactly white and gray has no
        // colour.
        let row = |r: f64, b: f64, sum: f64| {
            let [r, b, sum] = [r, b, sum].map(|value| to_fixed(value, point));
            [r, sum - r - b, b]
        };
        Self {
            point,
            gray: 128 * unit,
            most,
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

    /// Returns the factors for reading.
    pub fn matrix(&self) -> YuvMatrix {
        YuvMatrix {
            luma_offset: self.luma_offset,
            luma_gain: self.luma_gain,
            gray: self.gray,
            red_from_v: self.red_from_v,
            green_from_u: self.green_from_u,
            green_from_v: self.green_from_v,
            blue_from_u: self.blue_from_u,
        }
    }

    /// Returns the contribution of a chroma sample to red, green and blue, including the rounding.
    #[inline(always)]
    pub fn chroma_terms(&self, u: i32, v: i32) -> [i32; 3] {
        let (u, v) = (u - self.gray, v - self.gray);
        [
            self.red_from_v * v + HALF,
            self.green_from_u * u + self.green_from_v * v + HALF,
            self.blue_from_u * u + HALF,
        ]
    }

    /// Returns the contribution of a luma sample to each channel.
    #[inline(always)]
    pub fn luma_term(&self, y: i32) -> i32 {
        self.luma_gain * (y - self.luma_offset)
    }

    /// Returns one channel of some pixels from the contributions of luma and chroma.
    #[inline(always)]
    pub fn channels<const N: usize>(luma: &[i32; N], chroma: &[i32; N]) -> [u8; N] {
        let mut out = [0; N];
        for ((out, luma), chroma) in out.iter_mut().zip(luma).zip(chroma) {
            *out = ((luma + chroma) >> POINT).clamp(0, 255) as u8;
        }
        out
    }

    /// Returns the luma of a pixel.
    pub fn luma(&self, rgb: [u8; 3]) -> i32 {
        let [r, g, b] = rgb.map(i32::from);
        let sum = self.y[0] * r + self.y[1] * g + self.y[2] * b;
        // Never out of range: the factors are positive and their sum is that of white.
        ((sum + (1 << (self.point - 1))) >> self.point) + self.luma_offset
    }

    /// Returns U and V of the mean of `count` pixels; `sum` has the sums of their channels.
    pub fn chroma(&self, sum: [i32; 3], count: usize) -> [i32; 2] {
        // Products of few bits and few pixels fit into 32 bits.
        let fits = self.point == POINT && self.most as usize * count < 1 << 16;
        [self.u, self.v].map(|row| {
            let mean = if fits && count.is_power_of_two() {
                let value = row[0] * sum[0] + row[1] * sum[1] + row[2] * sum[2];
                let shift = POINT + count.ilog2();
                (value + (1 << (shift - 1))) >> shift
            } else {
                let products = row
                    .iter()
                    .zip(sum)
                    .map(|(&a, b)| i64::from(a) * i64::from(b));
                let one = (count as i64) << self.point;
                (products.sum::<i64>() + one / 2).div_euclid(one) as i32
            };
            (mean + self.gray).clamp(0, self.most)
        })
    }
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

    fn all() -> impl Iterator<Item = (f64, f64, bool, u32)> {
        MATRICES.into_iter().flat_map(|(kr, kb)| {
            [8, 10, 12, 16]
                .into_iter()
                .flat_map(move |bits| [false, true].map(|full| (kr, kb, full, bits)))
        })
    }

    /// The definition, in floating point.
    fn plain_yuv(kr: f64, kb: f64, full: bool, bits: u32, rgb: [u8; 3]) -> [f64; 3] {
        let [r, g, b] = rgb.map(|c| f64::from(c) / 255.0);
        let y = kr * r + (1.0 - kr - kb) * g + kb * b;
        let (u, v) = ((b - y) / (2.0 - 2.0 * kb), (r - y) / (2.0 - 2.0 * kr));
        let unit = f64::from(1 << (bits - 8));
        if full {
            let most = 256.0 * unit - 1.0;
            [most * y, 128.0 * unit + most * u, 128.0 * unit + most * v]
        } else {
            let chroma = |c| unit * (128.0 + 224.0 * c);
            [unit * (16.0 + 219.0 * y), chroma(u), chroma(v)]
        }
    }

    /// A pixel from its samples, of which 12 bits are read.
    fn rgb((kr, kb, full, bits): (f64, f64, bool, u32), yuv: [i32; 3]) -> [u8; 3] {
        let colors = Coefficients::new(kr, kb, full, bits.min(12));
        let [y, u, v] = yuv.map(|sample| sample >> bits.saturating_sub(12));
        let luma = [colors.luma_term(y)];
        let terms = colors.chroma_terms(u, v);
        terms.map(|term| Coefficients::channels(&luma, &[term])[0])
    }

    #[test]
    fn fixed_point_equals_the_definition_rounded() {
        for (kr, kb, full, bits) in all() {
            let fixed = Coefficients::new(kr, kb, full, bits);
            let most = f64::from((1 << bits) - 1);
            for rgb in (0..=255u8)
                .step_by(15)
                .flat_map(|r| (0..=255u8).step_by(17).map(move |g| [r, g, r ^ g]))
            {
                let [u, v] = fixed.chroma(rgb.map(i32::from), 1);
                let yuv = [fixed.luma(rgb), u, v];
                for (got, exact) in yuv.into_iter().zip(plain_yuv(kr, kb, full, bits, rgb)) {
                    let error = f64::from(got) - exact.min(most);
                    assert!(error.abs() <= 0.51, "{rgb:?} → {got}, exactly {exact}");
                }
            }
        }
    }

    #[test]
    fn there_and_back_is_within_two_of_255_and_exact_through_10_bits_or_more() {
        for (kr, kb, full, bits) in all() {
            let fixed = Coefficients::new(kr, kb, full, bits);
            let rgb_of = |yuv| rgb((kr, kb, full, bits), yuv);
            let most = if bits == 8 { 2 } else { 0 };
            for rgb in (0..=255u8)
                .step_by(3)
                .flat_map(|r| (0..=255u8).step_by(5).map(move |b| [r, r / 2 + b / 2, b]))
            {
                let [u, v] = fixed.chroma(rgb.map(i32::from), 1);
                let back = rgb_of([fixed.luma(rgb), u, v]);
                for (a, b) in rgb.into_iter().zip(back) {
                    assert!(a.abs_diff(b) <= most, "{rgb:?} came back as {back:?}");
                }
            }
        }
    }

    #[test]
    fn black_white_and_gray_have_no_color_and_come_back_exactly() {
        for (kr, kb, full, bits) in all() {
            let fixed = Coefficients::new(kr, kb, full, bits);
            let none = 128 << (bits - 8);
            for gray in 0..=255u8 {
                let chroma = fixed.chroma([i32::from(gray); 3], 1);
                assert_eq!(chroma, [none, none]);
            }
            let (black, white) = match (full, bits) {
                (true, _) => (0, (1 << bits) - 1),
                (false, _) => (16 << (bits - 8), 235 << (bits - 8)),
            };
            assert_eq!(fixed.luma([0; 3]), black);
            assert_eq!(fixed.luma([255; 3]), white);
            let colors = (kr, kb, full, bits);
            assert_eq!(rgb(colors, [black, none, none]), [0; 3]);
            assert_eq!(rgb(colors, [white, none, none]), [255; 3]);
        }
    }

    #[test]
    fn the_chroma_of_a_block_of_any_size_is_that_of_its_mean() {
        for (kr, kb, full, bits) in all() {
            let fixed = Coefficients::new(kr, kb, full, bits);
            for (count, color) in
                (1..=16).zip([[250, 4, 90], [0, 0, 255], [255, 0, 7]].iter().cycle())
            {
                let sum = color.map(|c| c * count as i32);
                assert_eq!(fixed.chroma(sum, count), fixed.chroma(*color, 1), "{count}");
            }
        }
    }

    #[test]
    fn the_chroma_of_a_block_is_that_of_its_mean() {
        let fixed = Coefficients::new(0.2126, 0.0722, false, 8);
        let pixels = [[10, 200, 30], [12, 190, 35], [250, 4, 90], [0, 0, 255]];
        let sum = pixels.iter().fold([0; 3], |sum: [i32; 3], p: &[i32; 3]| {
            [sum[0] + p[0], sum[1] + p[1], sum[2] + p[2]]
        });
        let mean = sum.map(|s| s / 4);
        let [block, of_mean] = [fixed.chroma(sum, 4), fixed.chroma(mean, 1)];
        for (a, b) in block.into_iter().zip(of_mean) {
            assert!(a.abs_diff(b) <= 1);
        }
    }
}
