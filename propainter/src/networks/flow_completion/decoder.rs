//! The decoder: from propagated features to flows, of the whole frame or a part of it (spec
//! section 3).

use burn::tensor::{Device, Tensor};

use super::LEAKY;
use crate::{
    Cancel, Error, Rect,
    kernels::upsample::{source_lines, upsample2x},
    networks::{
        layers::{Activation, Conv2d, ConvGeometry},
        parameters::ParameterSource,
    },
};

/// Three steps, each of a convolution, upsampling by 2, and a convolution.
#[derive(Debug)]
pub struct Decoder {
    quarter: [Conv2d; 2],
    half: [Conv2d; 2],
    full: [Conv2d; 2],
}

impl Decoder {
    /// Reads the decoder from the parameters of flow completion.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        let step = |key: &str, last: Activation| {
            let conv = |name: &str| {
                let key = format!("{key}.{name}");
                Conv2d::init(source, &key, ConvGeometry::default(), device)
            };
            [conv("0").then(LEAKY), conv("2.conv").then(last)]
        };
        Self {
            quarter: step("decoder2", LEAKY),
            half: step("decoder1", LEAKY),
            full: step("upsample", Activation::None),
        }
    }

    /// Does the first step, `[T, 128, H/8, W/8]` → `[T, 64, H/4, W/4]`, before the encoder's features
    /// are added.
    pub fn quarter(&self, x: Tensor<4>) -> Tensor<4> {
        whole(x, &self.quarter)
    }

    /// Does the second step, `[T, 64, H/4, W/4]` → `[T, 32, H/2, W/2]`.
    pub fn half(&self, x: Tensor<4>) -> Tensor<4> {
        whole(x, &self.half)
    }

    /// Does the third step, `[T, 32, H/2, W/2]` → `[T, 2, H, W]`.
    pub fn full(&self, x: Tensor<4>) -> Tensor<4> {
        whole(x, &self.full)
    }

    /// Decodes the part `area` of the flows, `[T, 2, rows, columns]`.
    ///
    /// - `coarse`: propagated features, `[T, 128, H/8, W/8]`
    /// - `fine`: features of the encoder, `[T, 64, H/4, W/4]`
    ///
    /// # Errors
    /// [`Error::Cancelled`] between the steps.
    pub fn part(
        &self,
        coarse: Tensor<4>,
        fine: Tensor<4>,
        area: &Rect,
        cancel: &Cancel,
    ) -> Result<Tensor<4>, Error> {
        let [_, _, height, width] = coarse.dims();
        let size = |scale: usize| [scale * height, scale * width];
        let full = Step::to(area, size(8));
        let half = Step::to(&full.read, size(4));
        let quarter = Step::to(&half.read, size(2));
        let coarse = quarter.read.crop(coarse, 2, &Rect::whole(size(1)));
        let fine = half.read.crop(fine, 2, &Rect::whole(size(2)));
        let x = quarter.run(coarse, &self.quarter) + fine;
        cancel.check()?;
        let x = half.run(x, &self.half);
        cancel.check()?;
        Ok(full.run(x, &self.full))
    }
}

/// A step of the decoder for a part of its output.
struct Step<'a> {
    out: &'a Rect,
    /// Rows and columns of its input.
    size: [usize; 2],
    /// The part of its input that it reads.
    read: Rect,
    /// The part of the upsampled image that it computes.
    made: Rect,
}

impl<'a> Step<'a> {
    /// Returns the step that computes the part `out` of an output with `size` rows and columns.
    fn to(out: &'a Rect, size: [usize; 2]) -> Self {
        let made = out.receptive_field(1, size);
        let size = size.map(|side| side / 2);
        let read = made.map(|lines, axis| source_lines(lines, size[axis]));
        Self {
            out,
            size,
            read: read.receptive_field(1, size),
            made,
        }
    }

    /// Applies the convolutions and the upsampling.
    fn run(&self, x: Tensor<4>, [before, after]: &[Conv2d; 2]) -> Tensor<4> {
        let x = upsample2x(before.forward(x), &self.read, self.size, &self.made);
        self.out.crop(after.forward(x), 2, &self.made)
    }
}

/// Does a step for the whole frame.
fn whole(x: Tensor<4>, convolutions: &[Conv2d; 2]) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let size = [2 * height, 2 * width];
    Step::to(&Rect::whole(size), size).run(x, convolutions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::strips::tests::{convolution, pattern};

    #[test]
    fn areas_are_those_of_the_whole_to_the_bit() {
        let step = |inputs: usize, outputs: usize, last| {
            let conv = |shape| convolution(shape, ConvGeometry::default());
            [
                conv([inputs, inputs]).then(LEAKY),
                conv([outputs, inputs]).then(last),
            ]
        };
        let decoder = Decoder {
            quarter: step(20, 16, LEAKY),
            half: step(16, 17, LEAKY),
            full: step(17, 2, Activation::None),
        };
        for [height, width] in [[2, 3], [5, 7], [9, 11]] {
            let coarse = pattern([2, 20, height, width]);
            let fine = pattern([2, 16, 2 * height, 2 * width]);
            let part = |area: &Rect| {
                let (coarse, fine) = (coarse.clone(), fine.clone());
                let part = decoder.part(coarse, fine, area, &Cancel::default());
                part.expect("nobody cancels")
            };
            let size = [8 * height, 8 * width];
            let all = Rect::whole(size);
            let whole = part(&all);
            let x = decoder.half(decoder.quarter(coarse.clone()) + fine.clone());
            assert_eq!(whole.to_data(), decoder.full(x).into_data());
            let ranges = |side: usize| [0..side, 0..3, side / 2 - 1..side / 2 + 4, side - 1..side];
            for rows in ranges(size[0]) {
                for columns in ranges(size[1]) {
                    let area = Rect::new([rows.clone(), columns]);
                    let expected = area.crop(whole.clone(), 2, &all).into_data();
                    assert_eq!(part(&area).into_data(), expected, "{area:?} of {size:?}");
                }
            }
        }
    }
}
