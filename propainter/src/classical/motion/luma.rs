//! Conversion of RGB to luma.

/// Converts RGB pixels, three bytes each, to luma. Both forms compute the same integers.
pub fn luma(out: &mut [u8], rgb: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, which is the only requirement of the function.
        return unsafe { luma_avx2(out, rgb) };
    }
    luma_reference(out, rgb);
}

/// The reference form, compiled for AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn luma_avx2(out: &mut [u8], rgb: &[u8]) {
    luma_reference(out, rgb);
}

/// The reference form: BT.601 weights in units of 1/256, rounded.
#[inline(always)]
fn luma_reference(out: &mut [u8], rgb: &[u8]) {
    let (pixels, _) = rgb.as_chunks::<3>();
    for (out, [r, g, b]) in out.iter_mut().zip(pixels) {
        let sum = 77 * u32::from(*r) + 150 * u32::from(*g) + 29 * u32::from(*b);
        *out = ((sum + 128) >> 8) as u8;
    }
}
