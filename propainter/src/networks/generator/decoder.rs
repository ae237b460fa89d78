//! The decoder, of local frames only (spec section 6).

use burn::tensor::{Device, Tensor};

use crate::{
    Area,
    kernels::upsample::{sources, upsample_area},
    networks::{
        layers::{Activation, Conv2d, Geometry},
        pace::join,
    },
    weights::Checkpoint,
};

/// From features at 1/4 to pictures.
#[derive(Debug)]
pub struct Decoder {
    half: [Conv2d; 2],
    full: [Conv2d; 2],
}

impl Decoder {
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        let conv = |layer: &str, activation: Activation| {
            let key = format!("decoder.{layer}");
            Conv2d::init(checkpoint, &key, Geometry::default(), device).then(activation)
        };
        let leaky = Activation::Leaky(0.2);
        Self {
            half: [conv("0.conv", leaky), conv("2", leaky)],
            full: [conv("4.conv", leaky), conv("6", Activation::None)],
        }
    }

    /// `[B, 128, H/4, W/4]` → `[B, 3, H, W]` in [−1, 1], from `rows` at 1/4 at once; 0 is all
    pub fn forward(&self, x: Tensor<4>, rows: usize) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let size = [height, width];
        let whole = Area::whole(size.map(|side| 4 * side));
        self.part(x, &Area::whole(size), size, &whole, rows)
    }

    /// An area of the picture, `[B, 3, rows, columns]`, from `rows` at 1/4 at once; 0 is all.
    /// `x` is the area `held` of features of `size`, [`Reach`]'s of the area at least.
    pub fn part(
        &self,
        x: Tensor<4>,
        held: &Area,
        size: [usize; 2],
        area: &Area,
        rows: usize,
    ) -> Tensor<4> {
        join(x, area.rows.len(), 4 * rows, |x, strip| {
            let first = area.rows.start;
            let out = Area {
                rows: first + strip.start..first + strip.end,
                columns: area.columns.clone(),
            };
            let Reach { known, half, full } = Reach::of(size, &out);
            let x = known.cut(x, 2, held);
            let x = double(x, &known, size, &half, &self.half);
            let x = double(x, &half, size.map(|side| 2 * side), &full, &self.full);
            out.cut(x, 2, &full).tanh()
        })
    }
}

/// The area `area` of a picture twice as large, convolved; `x` is the area `held` of a picture of
/// `size`.
fn double(
    x: Tensor<4>,
    held: &Area,
    size: [usize; 2],
    area: &Area,
    convolutions: &[Conv2d; 2],
) -> Tensor<4> {
    let x = upsample_area(x, held, size, area);
    convolutions.iter().fold(x, |x, conv| conv.forward(x))
}

/// What is computed for an area of the picture.
pub struct Reach {
    /// Of the features.
    pub known: Area,
    /// At 1/2, and at full size.
    pub half: Area,
    pub full: Area,
}

impl Reach {
    /// For the area `out` of a picture with `size` at 1/4.
    pub fn of(size: [usize; 2], out: &Area) -> Self {
        let [half_size, full_size] = [2, 4].map(|scale| size.map(|side| scale * side));
        let full = out.read_by(2, full_size);
        let half = full.map(|lines, axis| sources(lines, half_size[axis]));
        let half = half.read_by(2, half_size);
        let known = half.map(|lines, axis| sources(lines, size[axis]));
        Self { known, half, full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::pace::tests::{assert_strips, convolution, picture};

    #[test]
    fn strips_of_any_height_give_the_same_picture() {
        let leaky = Activation::Leaky(0.2);
        let conv = |shape, activation| convolution(shape, Geometry::default()).then(activation);
        let decoder = Decoder {
            half: [conv([18, 20], leaky), conv([16, 18], leaky)],
            full: [conv([17, 16], leaky), conv([3, 17], Activation::None)],
        };
        for size in [[13, 11], [9, 7], [2, 5], [1, 3]] {
            let x = picture([2, 20, size[0], size[1]]);
            assert_strips(x.clone(), size[0], |x, rows| decoder.forward(x, rows));
            let whole = decoder.forward(x.clone(), 0);
            let all = Area::whole(size);
            let bands = |side: usize| [0..side, 0..3, 2..side - 1, side - 3..side];
            for rows in bands(4 * size[0]) {
                for columns in bands(4 * size[1]) {
                    let area = Area::of([rows.clone(), columns]);
                    let known = Reach::of(size, &area).known;
                    let held = known.cut(x.clone(), 2, &all);
                    let part = decoder.part(held, &known, size, &area, 0);
                    let expected = area.cut(whole.clone(), 2, &Area::whole(size.map(|s| 4 * s)));
                    // To the last bit.
                    assert_eq!(part.into_data(), expected.into_data(), "{size:?}, {area:?}");
                }
            }
        }
    }
}
