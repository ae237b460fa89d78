//! Rows interleaved for the [micro-kernel](super::micro_kernel).

/// Rows that the micro-kernel computes together.
pub const ROWS: usize = 8;

/// Interleaves [`ROWS`] rows of `x`, each of `inputs` elements: for each element from `start` on,
/// the values of all rows side by side. If `x` has fewer rows, the others keep their values in
/// `packed`.
pub fn interleave(x: &[f32], inputs: usize, start: usize, packed: &mut [f32]) {
    let packed = packed.as_chunks_mut::<ROWS>().0;
    for (index, row) in x.chunks_exact(inputs).enumerate() {
        for (target, &value) in packed.iter_mut().zip(&row[start..]) {
            target[index] = value;
        }
    }
}
