//! Computing an image in horizontal strips. The number of rows of a strip changes the peak of memory,
//! not the result.

use std::ops::Range;

use burn::tensor::Tensor;

/// The rows that the generator computes at once. The default, whole images, is the fastest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strips {
    /// Rows of features, at a quarter of the resolution, that the encoder computes at once; 0 is all.
    pub encoder_rows: usize,
    /// Rows of features, at a quarter of the resolution, that the decoder decodes at once; 0 is all.
    pub decoder_rows: usize,
}

/// Returns the rows of the output of a convolution with three rows, padding 1 and this stride.
fn output_rows(stride: usize, height: usize) -> usize {
    height.div_ceil(stride)
}

/// Returns the rows of each layer's input that `rows` of the last layer's output depend on, for an
/// image of `height` rows. The layers are convolutions with three rows, padding 1 and these strides.
pub fn source_rows<const N: usize>(
    strides: [usize; N],
    height: usize,
    rows: Range<usize>,
) -> [Range<usize>; N] {
    let mut height = height;
    let heights = strides.map(|stride| {
        let input = height;
        height = output_rows(stride, input);
        input
    });
    let mut sources = strides.map(|_| rows.clone());
    let mut rows = rows;
    for ((source, stride), height) in sources.iter_mut().zip(strides).zip(heights).rev() {
        let end = (rows.end - 1) * stride + 2;
        rows = (rows.start * stride).saturating_sub(1)..end.min(height);
        *source = rows.clone();
    }
    sources
}

/// Returns the strips of `rows` rows of an image of `height` rows. The last strip has the rest. If
/// `rows` is 0, one strip covers the whole image.
pub fn strips(height: usize, rows: usize) -> impl Iterator<Item = Range<usize>> {
    let rows = if rows == 0 { height } else { rows };
    let starts = (0..height).step_by(rows.max(1));
    starts.map(move |start| start..height.min(start + rows))
}

/// Computes an image of `height` rows strip by strip and joins the strips. `strip` receives `x` and
/// the rows to compute. The last strip owns `x`, so that its memory can be freed or reused.
pub fn join(
    x: Tensor<4>,
    height: usize,
    rows: usize,
    strip: impl Fn(Tensor<4>, Range<usize>) -> Tensor<4>,
) -> Tensor<4> {
    let mut x = Some(x);
    let mut whole: Option<Tensor<4>> = None;
    for rows in strips(height, rows) {
        let last = rows.end == height;
        let input = if last { x.take() } else { x.clone() };
        let part = strip(input.expect("taken by the last strip"), rows.clone());
        let [batch, channels, _, width] = part.dims();
        if last && rows.start == 0 {
            return part;
        }
        let zeros = || {
            let shape = [batch, channels, height, width];
            Tensor::zeros(shape, (&part.device(), part.dtype()))
        };
        let joined = whole.take().unwrap_or_else(zeros);
        whole = Some(joined.slice_assign([0..batch, 0..channels, rows, 0..width], part));
    }
    whole.expect("an image with rows")
}

#[cfg(test)]
pub(super) mod tests {
    use burn::tensor::{DType, Device, TensorData};

    use super::*;
    use crate::networks::layers::{Conv2d, ConvGeometry};

    /// Returns a tensor of values in [−1, 1).
    pub fn pattern<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        let count: usize = shape.iter().product();
        let value = |i: usize| ((i * 2_654_435_761) >> 8) as u16 as f32 / 32768.0 - 1.0;
        let values: Vec<f32> = (1..=count).map(value).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    /// Returns a 3×3 convolution that keeps the magnitude of values, with these channels out and in of
    /// one group.
    pub fn convolution([outputs, inputs]: [usize; 2], geometry: ConvGeometry) -> Conv2d {
        let weight = pattern([outputs, inputs, 3, 3]) * (3.0 / (9 * inputs) as f32).sqrt();
        Conv2d::of(weight, pattern([outputs]) * 0.1, geometry)
    }

    /// Checks that strips of every height up to `most` give the same result as the whole, up to
    /// rounding.
    pub fn assert_strips(
        x: Tensor<4>,
        most: usize,
        network: impl Fn(Tensor<4>, usize) -> Tensor<4>,
    ) {
        let eps = [(DType::F32, 1e-6), (DType::F16, 1e-3), (DType::BF16, 8e-3)];
        for (dtype, bound) in eps {
            let x = x.clone().cast(dtype);
            let whole = network(x.clone(), 0);
            let largest = whole.clone().cast(DType::F32).abs().max();
            let largest = largest.into_scalar::<f32>().max(1.0);
            for rows in 1..=most + 1 {
                let strips = network(x.clone(), rows);
                assert_eq!(strips.dims(), whole.dims());
                assert_eq!(strips.dtype(), dtype);
                let apart = (strips.cast(DType::F32) - whole.clone().cast(DType::F32)).abs();
                let apart = apart.max().into_scalar::<f32>() / largest;
                println!("{dtype:?}, {rows} rows of {most}: {apart:.2e} apart");
                assert!(apart <= bound);
            }
        }
    }

    /// Returns the rows of the first input that row `row` of the last output depends on, traced layer
    /// by layer.
    fn traced(strides: &[usize], height: usize, row: usize) -> Vec<usize> {
        let Some((stride, before)) = strides.split_last() else {
            return vec![row];
        };
        let input = before
            .iter()
            .fold(height, |height, &s| output_rows(s, height));
        let rows = (0..3).map(|tap| row * stride + tap); // one too far
        let inside = rows.filter_map(|row| row.checked_sub(1));
        let inside = inside.filter(|&row| row < input);
        inside.flat_map(|row| traced(before, height, row)).collect()
    }

    #[test]
    fn source_rows_are_the_rows_that_layers_read_and_at_most_one_more() {
        let stacks = [[1, 1, 1, 1, 1, 1], [2, 1, 2, 1, 1, 1], [1, 1, 1, 2, 2, 2]];
        for layers in stacks {
            for height in 1..14 {
                let out = layers
                    .iter()
                    .fold(height, |height, &s| output_rows(s, height));
                for (start, end) in (0..out).flat_map(|a| (a + 1..=out).map(move |b| (a, b))) {
                    let [first, ..] = source_rows(layers, height, start..end);
                    let read = |row| traced(&layers, height, row);
                    let least = read(start).into_iter().min().unwrap();
                    let most = read(end - 1).into_iter().max().unwrap();
                    let about = format!("{layers:?}, {height} rows, {start}..{end}: {first:?}");
                    assert!(first.start <= least && first.end > most, "{about}");
                    assert!(first.start + 1 >= least && first.end <= most + 2, "{about}");
                    assert!(first.end <= height, "{about}");
                }
            }
        }
    }

    #[test]
    fn strips_cover_an_image_once() {
        for height in 1..20 {
            for rows in 0..25 {
                let all: Vec<usize> = strips(height, rows).flatten().collect();
                assert_eq!(all, (0..height).collect::<Vec<_>>());
                let whole = rows == 0 || rows >= height;
                assert_eq!(strips(height, rows).count() == 1, whole);
            }
        }
    }
}
