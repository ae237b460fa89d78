//! Multiplying what is in shared memory.

use burn_cubecl::cubecl::{self, cmma, prelude::*};

use super::form::{Form, WARP};

/// Adds the products of a step to the sums of the unit's lanes.
#[cube]
pub fn multiply<S: Float>(
    weights: &Shared<[S]>,
    pixels: &Shared<[S]>,
    buffer: usize,
    sums: &mut Array<f32>,
    #[comptime] form: Form,
) {
    let lane_rows = comptime!(form.tile.lane_rows);
    let lane_columns = comptime!(form.tile.lane_columns);
    let across = comptime!(form.tile.columns / lane_columns);
    let depth = comptime!(form.tile.depth);
    let (weight_pitch, pixel_pitch) = comptime!((form.weight_pitch(), form.pixel_pitch()));
    // Lanes start at multiples of four elements.
    let weights = weights.as_vectorized().with_vector_size::<Const<4>>();
    let pixels = pixels.as_vectorized().with_vector_size::<Const<4>>();
    #[unroll(form.one())]
    for lane_index in 0..comptime!(form.lanes_each()) {
        let lane = UNIT_POS as usize + lane_index * comptime!(form.units);
        let row = buffer * comptime!(depth * weight_pitch) + lane / across * lane_rows;
        let column = buffer * comptime!(depth * pixel_pitch) + lane % across * lane_columns;
        let (row, column) = (row / 4, column / 4);
        let own = lane_index * comptime!(lane_rows * lane_columns);
        #[unroll(form.one())]
        for k in 0..depth {
            let mut factors = Array::<f32>::new(lane_rows);
            #[unroll]
            for i in 0..comptime!(lane_rows / 4) {
                let four = weights[row + k * comptime!(weight_pitch / 4) + i];
                #[unroll]
                for part in 0..4usize {
                    factors[i * 4 + part] = f32::cast_from(four.extract(part));
                }
            }
            #[unroll]
            for j in 0..comptime!(lane_columns / 4) {
                let four = pixels[column + k * comptime!(pixel_pitch / 4) + j];
                #[unroll]
                for part in 0..4usize {
                    let value = f32::cast_from(four.extract(part));
                    #[unroll]
                    for i in 0..lane_rows {
                        sums[own + i * lane_columns + j * 4 + part] += factors[i] * value;
                    }
                }
            }
        }
    }
}

/// Returns fragments for the sums of a warp, all zero.
#[cube]
pub fn fragments(#[comptime] form: Form) -> Sequence<cmma::Matrix<f32>> {
    let mut sums = Sequence::<cmma::Matrix<f32>>::new();
    #[unroll]
    for _ in 0..comptime!(form.fragments_down() * form.fragments_across()) {
        sums.push(cmma::Matrix::<f32>::from_value(
            cmma::MatrixIdent::Accumulator,
            16usize,
            16usize,
            form.fragment_depth(),
            cmma::MatrixLayout::Undefined,
            0.0,
        ));
    }
    sums
}

/// Adds the products of a step to the fragments of a warp.
#[cube]
pub fn multiply_fragments<S: Float>(
    weights: &Shared<[S]>,
    pixels: &Shared<[S]>,
    buffer: usize,
    sums: &Sequence<cmma::Matrix<f32>>,
    #[comptime] form: Form,
) {
    let depth = comptime!(form.tile.depth);
    let step = form.fragment_depth();
    let down = comptime!(form.fragments_down());
    let across = comptime!(form.fragments_across());
    let (weight_pitch, pixel_pitch) = comptime!((form.weight_pitch(), form.pixel_pitch()));
    let warp = UNIT_POS as usize / WARP;
    let row = buffer * comptime!(depth * weight_pitch) + warp / 2 * comptime!(16 * down);
    let column = buffer * comptime!(depth * pixel_pitch) + warp % 2 * comptime!(16 * across);
    #[unroll]
    for k in 0..comptime!(depth / step) {
        let mut columns = Sequence::<cmma::Matrix<S>>::new();
        #[unroll]
        for j in 0..across {
            let at = column + comptime!(k * step * pixel_pitch + 16 * j);
            columns.push(cmma::Matrix::<S>::from_slice(
                cmma::MatrixIdent::B,
                16usize,
                16usize,
                step,
                cmma::MatrixLayout::RowMajor,
                &pixels[at..at + 16],
                comptime!(pixel_pitch as u32),
            ));
        }
        #[unroll]
        for i in 0..down {
            let at = row + comptime!(k * step * weight_pitch + 16 * i);
            let factors = cmma::Matrix::<S>::from_slice(
                cmma::MatrixIdent::A,
                16usize,
                16usize,
                step,
                cmma::MatrixLayout::ColMajor,
                &weights[at..at + 16],
                comptime!(weight_pitch as u32),
            );
            #[unroll]
            for j in 0..across {
                let sum = &sums[comptime!(i * across + j)];
                cmma::execute(&factors, &columns[j], sum, sum);
            }
        }
    }
}
