//! A function that CubeCL's CPU runtime calls on processors without instructions for bf16.
//!
//! LLVM rounds to bf16 by calling `__truncsfbf2`, which run-time libraries have from GCC 13 on;
//! Debian 12 has GCC 12. The code is looked up among the symbols of this program.

use half::bf16;

/// Rounds to bf16 and returns its bits where the x86-64 and AArch64 conventions return a bf16: in
/// the lowest 16 bits of the first floating-point register.
// SAFETY: no other code of this name is linked in: Rust's and Debian 12's run-time libraries have
// none, and where a newer one has it, the linker does not look there for what is defined here.
#[unsafe(no_mangle)]
extern "C" fn __truncsfbf2(value: f32) -> f32 {
    f32::from_bits(u32::from(bf16::from_f32(value).to_bits()))
}

/// Keeps the function, which nothing calls by name.
#[used]
static KEPT: extern "C" fn(f32) -> f32 = __truncsfbf2;

#[test]
fn the_lowest_bits_are_those_of_the_nearest_bf16() {
    for value in [0.0, 1.0, -2.5, 1.003_906_3, 3.0e38, 1.0e-40, f32::INFINITY] {
        let bits = __truncsfbf2(value).to_bits();
        assert_eq!(bits, u32::from(bf16::from_f32(value).to_bits()), "{value}");
    }
}
