//! Luma of RGB pixels.

/// Luma of pixels, three bytes each.
pub fn luma(out: &mut [u8], rgb: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: as above.
        return unsafe { luma_avx2(out, rgb) };
    }
    luma_reference(out, rgb);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn luma_avx2(out: &mut [u8], rgb: &[u8]) {
    luma_reference(out, rgb);
}

#[inline(always)]
fn luma_reference(out: &mut [u8], rgb: &[u8]) {
    let (pixels, _) = rgb.as_chunks::<3>();
    for (out, [r, g, b]) in out.iter_mut().zip(pixels) {
        let sum = 77 * u32::from(*r) + 150 * u32::from(*g) + 29 * u32::from(*b);
        *out = ((sum + 128) >> 8) as u8;
    }
}
