//! RGB in planes, or with more or fewer than 8 bits a channel.

use propainter::InpaintedFrame;

use crate::propainter::video::{
    hole_rows::holes,
    layout::{Component, sample::Sample},
};

/// Fractional bits of the fixed-point factor from a channel to 8 bits.
const POINT: u32 = 24;

/// One channel of any depth.
#[derive(Clone, Copy, Debug)]
struct Channel {
    /// The largest sample.
    most: u32,
    /// Factor from a sample to 8 bits, in fixed point.
    step: u32,
}

impl Channel {
    fn new(depth: u32) -> Self {
        let most = (1 << depth) - 1;
        let exact = 255.0 * f64::from(1 << POINT) / f64::from(most);
        Self {
            most,
            step: exact.round() as u32,
        }
    }

    #[inline(always)]
    fn to_eight(self, value: u32) -> u8 {
        ((value * self.step + (1 << (POINT - 1))) >> POINT) as u8
    }

    fn of_eight(self, value: u8) -> i32 {
        ((u32::from(value) * self.most + 127) / 255) as i32
    }
}

/// The channels of RGB, each with a depth of its own.
#[derive(Clone, Copy, Debug)]
pub struct RgbChannels([Channel; 3]);

impl RgbChannels {
    /// Returns the channels of these depths in bits.
    pub fn new(depths: [u32; 3]) -> Self {
        Self(depths.map(Channel::new))
    }

    /// Reads all pixels.
    pub fn read<S: Sample>(
        &self,
        sample: S,
        bytes: &[u8],
        components: [Component; 3],
        rgb: &mut [u8],
    ) {
        let columns = components[0].columns;
        let mut lines = [vec![0; columns], vec![0; columns], vec![0; columns]];
        for (y, out) in rgb.chunks_exact_mut(3 * columns).enumerate() {
            for ((line, component), channel) in lines.iter_mut().zip(components).zip(self.0) {
                let (step, first) = S::steps(component);
                let row = S::all(&bytes[component.row(y)]);
                let eight = |raw| channel.to_eight(sample.get(raw) as u32);
                if step == 1 {
                    for (out, &raw) in line.iter_mut().zip(row) {
                        *out = eight(raw);
                    }
                } else {
                    for (out, pixel) in line.iter_mut().zip(row.chunks_exact(step)) {
                        *out = eight(pixel[first]);
                    }
                }
            }
            let [red, green, blue] = &lines;
            let colors = red.iter().zip(green).zip(blue);
            for (out, ((&red, &green), &blue)) in out.as_chunks_mut::<3>().0.iter_mut().zip(colors)
            {
                *out = [red, green, blue];
            }
        }
    }

    /// Writes the pixels that lie in the hole.
    pub fn write<S: Sample>(
        &self,
        sample: S,
        bytes: &mut [u8],
        components: [Component; 3],
        done: &InpaintedFrame,
    ) {
        for (y, columns, fill, hole) in holes(done) {
            for (c, (component, channel)) in components.into_iter().zip(self.0).enumerate() {
                let (step, first) = S::steps(component);
                let row = S::all_mut(&mut bytes[component.row(y)]);
                let row = row[step * columns.start..step * columns.end].chunks_exact_mut(step);
                for (pixel, (fill, _)) in row
                    .zip(fill.iter().zip(hole))
                    .filter(|(_, (_, h))| **h == 1)
                {
                    pixel[first] = sample.with(pixel[first], channel.of_eight(fill[c]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_rounded_to_8_bits_and_8_bits_come_back() {
        for depth in [5, 6, 8, 10, 12, 16] {
            let channel = Channel::new(depth);
            let most = (1u32 << depth) - 1;
            for value in 0..=most {
                let exact = (2 * 255 * u64::from(value) + u64::from(most)) / (2 * u64::from(most));
                assert_eq!(u64::from(channel.to_eight(value)), exact, "{depth} {value}");
            }
            for value in (0..=255u8).filter(|_| depth >= 8) {
                let there = channel.of_eight(value) as u32;
                assert_eq!(channel.to_eight(there), value, "{depth}");
            }
        }
    }
}
