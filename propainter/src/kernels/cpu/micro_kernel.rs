//! The register-blocked matrix product under every dense CPU kernel.
//!
//! A tile of the result stays in registers while the sum runs. There are three versions, for
//! AVX-512, for AVX2, and portable; the version is chosen at run time.

use crate::{
    device::isa::{Isa, IsaKind},
    kernels::activation::Activation,
};

/// Sixteen neighbouring columns: one register of AVX-512, two of AVX2.
pub type Lanes = [f32; 16];

/// A tile of the result: `R` rows by `V`·16 columns.
pub type Tile<const R: usize, const V: usize> = [[Lanes; V]; R];

/// Computes `tile[r][c] = activation(tile[r][c] + Σ_k a[k][r] · b[offsets[k] + c])`.
///
/// `R` is a multiple of 4, and `R`·`V` is at most 24 so that the tile fits the registers.
///
/// # Panics
/// Panics if fewer than `V`·16 elements of `b` follow an offset.
pub fn multiply<const R: usize, const V: usize>(
    isa: Isa,
    a: &[[f32; R]],
    b: &[f32],
    offsets: &[u32],
    activation: Activation,
    tile: &mut Tile<R, V>,
) {
    const { assert!(R.is_multiple_of(4) && R * V <= 24) };
    match isa.kind() {
        // SAFETY: an `Isa` of these kinds comes from `Isa::all` only, after it detected the features
        // that the function is compiled for. The function has no other requirement: it reaches
        // memory through slices and arrays.
        #[cfg(target_arch = "x86_64")]
        IsaKind::Avx512 => unsafe { x86::avx512(a, b, offsets, activation, tile) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        IsaKind::Avx2 => unsafe { x86::avx2(a, b, offsets, activation, tile) },
        IsaKind::Portable => portable(a, b, offsets, activation, tile),
    }
}

/// The portable version: four rows by eight columns at a time, which compilers keep in registers of
/// 128 bits.
fn portable<const R: usize, const V: usize>(
    a: &[[f32; R]],
    b: &[f32],
    offsets: &[u32],
    activation: Activation,
    tile: &mut Tile<R, V>,
) {
    for (row, rows) in tile.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for column in 0..2 * V {
            let (lanes, half) = (column / 2, column % 2 * 8);
            let mut sums = [[0.0; 8]; 4];
            for (sums, row) in sums.iter_mut().zip(&*rows) {
                sums.copy_from_slice(&row[lanes][half..half + 8]);
            }
            for (a, &offset) in a.iter().zip(offsets) {
                let b = &b[offset as usize..][..16 * V].as_chunks::<8>().0[column];
                for (sums, &a) in sums.iter_mut().zip(&a[4 * row..4 * row + 4]) {
                    for (sum, &b) in sums.iter_mut().zip(b) {
                        *sum += a * b;
                    }
                }
            }
            for (sums, row) in sums.iter().zip(&mut *rows) {
                for (value, sum) in row[lanes][half..half + 8].iter_mut().zip(sums) {
                    *value = activation.apply(*sum);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_mul_ps,
        _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use super::{Activation, Lanes, Tile};

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512<const R: usize, const V: usize>(
        a: &[[f32; R]],
        b: &[f32],
        offsets: &[u32],
        activation: Activation,
        tile: &mut Tile<R, V>,
    ) {
        let mut sums = [[_mm512_setzero_ps(); V]; R];
        for (sums, row) in sums.iter_mut().zip(&*tile) {
            for (sum, lanes) in sums.iter_mut().zip(row) {
                *sum = load16(lanes);
            }
        }
        for (a, &offset) in a.iter().zip(offsets) {
            let lanes = b[offset as usize..][..16 * V].as_chunks::<16>().0;
            let mut b = [_mm512_setzero_ps(); V];
            for (b, lanes) in b.iter_mut().zip(lanes) {
                *b = load16(lanes);
            }
            for (sums, &a) in sums.iter_mut().zip(a) {
                let a = _mm512_set1_ps(a);
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = _mm512_fmadd_ps(a, b, *sum);
                }
            }
        }
        for (sums, row) in sums.iter().zip(tile) {
            for (&sum, lanes) in sums.iter().zip(row) {
                // The maximum returns its second operand if either is not a number.
                let sum = match activation {
                    Activation::None => sum,
                    Activation::Relu => _mm512_max_ps(_mm512_setzero_ps(), sum),
                    Activation::Leaky(slope) => {
                        _mm512_max_ps(_mm512_mul_ps(sum, _mm512_set1_ps(slope as f32)), sum)
                    }
                };
                // SAFETY: `lanes` is an exclusively borrowed array of sixteen floats; the store is
                // unaligned.
                unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), sum) };
            }
        }
    }

    /// Sixteen registers hold four rows by three columns of eight lanes, or by two.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2<const R: usize, const V: usize>(
        a: &[[f32; R]],
        b: &[f32],
        offsets: &[u32],
        activation: Activation,
        tile: &mut Tile<R, V>,
    ) {
        for row in (0..R).step_by(4) {
            if V.is_multiple_of(3) {
                for column in (0..2 * V).step_by(3) {
                    avx2_block::<R, V, 3>(a, b, offsets, activation, tile, [row, column]);
                }
            } else {
                for column in (0..2 * V).step_by(2) {
                    avx2_block::<R, V, 2>(a, b, offsets, activation, tile, [row, column]);
                }
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    fn avx2_block<const R: usize, const V: usize, const N: usize>(
        a: &[[f32; R]],
        b: &[f32],
        offsets: &[u32],
        activation: Activation,
        tile: &mut Tile<R, V>,
        [row, column]: [usize; 2],
    ) {
        let mut sums = [[_mm256_setzero_ps(); N]; 4];
        for (sums, row) in sums.iter_mut().zip(&tile[row..]) {
            let eights = row.as_flattened().as_chunks::<8>().0;
            for (sum, eight) in sums.iter_mut().zip(&eights[column..]) {
                *sum = load8(eight);
            }
        }
        for (a, &offset) in a.iter().zip(offsets) {
            let eights = b[offset as usize..][..16 * V].as_chunks::<8>().0;
            let mut b = [_mm256_setzero_ps(); N];
            for (b, eight) in b.iter_mut().zip(&eights[column..column + N]) {
                *b = load8(eight);
            }
            for (sums, &a) in sums.iter_mut().zip(&a[row..row + 4]) {
                let a = _mm256_set1_ps(a);
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = _mm256_fmadd_ps(a, b, *sum);
                }
            }
        }
        for (sums, row) in sums.iter().zip(&mut tile[row..]) {
            let eights = row.as_flattened_mut().as_chunks_mut::<8>().0;
            for (&sum, eight) in sums.iter().zip(&mut eights[column..]) {
                let sum = match activation {
                    Activation::None => sum,
                    Activation::Relu => _mm256_max_ps(_mm256_setzero_ps(), sum),
                    Activation::Leaky(slope) => {
                        _mm256_max_ps(_mm256_mul_ps(sum, _mm256_set1_ps(slope as f32)), sum)
                    }
                };
                // SAFETY: `eight` is an exclusively borrowed array of eight floats; the store is
                // unaligned.
                unsafe { _mm256_storeu_ps(eight.as_mut_ptr(), sum) };
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    fn load16(lanes: &Lanes) -> __m512 {
        // SAFETY: `lanes` is a borrowed array of sixteen floats; the load is unaligned.
        unsafe { _mm512_loadu_ps(lanes.as_ptr()) }
    }

    #[target_feature(enable = "avx2,fma")]
    fn load8(eight: &[f32; 8]) -> __m256 {
        // SAFETY: `eight` is a borrowed array of eight floats; the load is unaligned.
        unsafe { _mm256_loadu_ps(eight.as_ptr()) }
    }
}
